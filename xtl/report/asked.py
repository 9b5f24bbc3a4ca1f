"""What is said of the arm `prompted`, whose models were asked in words and not trained, beside figures of arms that
were."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from xtl.arms import PROMPTED


def asked(rows: Sequence[Mapping[str, Any]], manifests: Mapping[str, Mapping[str, Any] | None]) -> list[str]:
    """One sentence where the arm has a result, else none. rows: the study's, with the key of the stage that answers
    for each."""
    found = {row["key"]: row for row in rows if row["arm"] == PROMPTED and manifests.get(row["key"])}
    if not found:
        return []
    tasks = ", ".join(dict.fromkeys(row["task"] for row in found.values()))
    told = "; ".join(dict.fromkeys(_in_front(row, manifests[key] or {}) for key, row in found.items()))
    chats = dict.fromkeys(row["model"] for key, row in found.items() if _has_template(manifests, manifests[key] or {}))
    trained_to = f" {' and '.join(chats)} was trained to chat; its template was not applied." if chats else ""
    return [
        f"`{PROMPTED}` is a model asked in words and not trained, on {tasks} alone: a mean of it is over these,"
        " and what a trained arm has over it is what training gives, not an intermediate. In front of a question:"
        f" {told}.{trained_to}"
    ]


def _has_template(manifests: Mapping[str, Mapping[str, Any] | None], manifest: Mapping[str, Any]) -> bool:
    """Whether the tokenizer of the model that was asked has a chat template."""
    fetched = manifests.get(manifest["spec"]["parents"]["encoder"]) or {"metrics": {}}
    return bool(fetched["metrics"].get("chat_template"))


def _in_front(row: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    wanted = manifest["spec"]["prompt"]["shots"]
    if not wanted:
        return "no examples"
    of = f" on {row['task']} of {row['model']}"
    return f"{wanted} examples{''.join(_fewer(manifest['metrics']['shots'], wanted))}{of}"


def _fewer(shots: Mapping[str, Mapping[str, Any]], wanted: int) -> Iterator[str]:
    """The languages that they are in, and where a long question left room for fewer."""
    own = [language for language, one in shots.items() if one["language"] == language]
    if own and own != ["en"]:
        english = [language for language, one in shots.items() if one["language"] != language]
        yield ", in the question's language" + (f" (English for {' '.join(english)})" if english else "")
    fewer = [f"{one['fewest']} in {language}" for language, one in shots.items() if one["fewest"] < wanted]
    if fewer:
        yield f", fewer where a question is long (at the least {', '.join(fewer)})"
