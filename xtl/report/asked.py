"""What is said of the arm `prompted`, whose models were asked in words and not trained, beside figures of arms that
were."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from xtl.arms import PROMPTED


def asked(rows: Sequence[Mapping[str, Any]], manifests: Mapping[str, Mapping[str, Any] | None]) -> list[str]:
    """One caution where the arm has a result, else none. rows: the study's, with the key of the stage that answers for
    each."""
    found = [(row, manifest) for row in rows if row["arm"] == PROMPTED and (manifest := manifests.get(row["key"]))]
    if not found:
        return []
    tasks = ", ".join(dict.fromkeys(row["task"] for row, _ in found))
    several = len({row["model"] for row in rows}) > 1
    by: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)  # model, task -> its seeds' manifests
    for row, manifest in found:
        by[row["model"] if several else "", row["task"]].append(manifest)
    places: dict[str, list[str]] = defaultdict(list)  # what stood in front -> where
    for (model, task), runs in by.items():
        places[_in_front(runs)].append(f"{task} of {model}" if model else task)
    told = "; ".join(what if len(places) == 1 else f"{what} ({', '.join(of)})" for what, of in places.items())
    return [
        f"`{PROMPTED}` is a model asked in words and not trained, on {tasks} alone: a mean of it is over these,"
        " and what a trained arm has over it is what training gives, not an intermediate. In front of a question:"
        f" {told}.{_templates(found, manifests)}"
    ]


def _templates(
    found: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]], manifests: Mapping[str, Mapping[str, Any] | None]
) -> str:
    """Which models' tokenizers have a chat template."""
    have = dict.fromkeys(
        row["model"]
        for row, manifest in found
        if (fetched := manifests.get(manifest["spec"]["parents"]["encoder"]))
        and fetched["metrics"].get("chat_template")
    )
    return f" The chat template of {', '.join(have)} was not applied." if have else ""


def _in_front(runs: Sequence[Mapping[str, Any]]) -> str:
    """Of all seeds together."""
    prompt = runs[0]["spec"]["prompt"]
    wanted: int = prompt["shots"]
    if not wanted:
        return "no examples"
    shots = [(language, one) for run in runs for language, one in run["metrics"]["shots"].items()]
    return f"{wanted} examples{''.join(_fewer([(x, one) for x, one in shots if isinstance(one, Mapping)], prompt))}"


def _fewer(shots: Sequence[tuple[str, Mapping[str, Any]]], prompt: Mapping[str, Any]) -> Iterator[str]:
    """The languages that they are in, and where there were fewer."""
    wanted = prompt["shots"]
    own = dict.fromkeys(language for language, one in shots if one["language"] == language != "en")
    if own:
        english = dict.fromkeys(language for language, one in shots if one["language"] != language)
        yield ", in the question's language" + (f" (English for {' '.join(english)})" if english else "")
    elif prompt.get("language") == "own" and any(language != "en" for language, _ in shots):
        yield " in English, since no other language has a dev set that is not scored"
    fewest: dict[str, int] = {}
    for language, one in shots:
        fewest[language] = min(one["fewest"], fewest.get(language, wanted))
    if fewer := [f"{count} in {language}" for language, count in fewest.items() if count < wanted]:
        yield f", at the least {', '.join(fewer)}"
