"""Where a target is not zero-shot: the languages in which the very task was trained."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from jobs.target import _seen


def seen(task: str, before: list[dict[str, Any]] | None, train: tuple[str, ...] = ("en",)) -> list[str]:
    spec = {
        "task": task,
        "languages": ["de", "en", "fr"],
        "parents": {"encoder": "e", "train": dict.fromkeys(train, "")},
    }
    encoder = {"spec": {"kind": "fetch"} if before is None else {"kind": "intermediate", "parts": before}}
    return _seen(SimpleNamespace(spec=spec, manifest=lambda key: encoder))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("task", "before", "languages"),
    [
        ("xnli", None, ["en"]),
        ("xnli", [("xnli", "de")], ["de", "en"]),
        ("xnli", [("pawsx", "de")], ["en"]),
        ("xquad", [("squad_v1", "fr"), ("mlm", "de")], ["en", "fr"]),  # XQuAD has no train set but SQuAD's
        ("xquad", [("squad_v2", "de")], ["de", "en"]),  # SQuAD v2.0 holds the questions of v1.1
        ("mlqa", [("squad_v2", "de")], ["de", "en"]),
        ("xnli", [("anli_plus", "fr")], ["en", "fr"]),  # of which MNLI is a part
        ("tydiqa", [("squad_v2", "de")], ["en"]),
    ],
)
def test_a_task_before_itself_is_seen(task: str, before: list[tuple[str, str]] | None, languages: list[str]) -> None:
    parts = None if before is None else [{"task": name, "languages": [x]} for name, x in before]
    assert seen(task, parts) == languages


def test_what_the_target_itself_trains_in_is_seen() -> None:
    assert seen("panx", None, ("en", "fr")) == ["en", "fr"]
