"""MLQA: span QA in seven languages, question and context in the same one. Trains on SQuAD v1.1."""

from __future__ import annotations

from pathlib import Path

from xtl.tasks import presets, squad_v1
from xtl.tasks.base import HubSet, Listing, Task
from xtl.tasks.formats import hubrows, squad
from xtl.tasks.formats.listing import lent, listing

_TEST_SIZES = {"en": 11_590, "es": 5_253, "de": 4_517, "ar": 5_335, "hi": 4_918, "vi": 5_495, "zh": 5_137}
LANGUAGES = tuple(_TEST_SIZES)


def _listings(folder: Path) -> list[Listing]:
    found = lent(squad_v1.TASK, folder, "train")
    for language in LANGUAGES:
        for split in ("dev", "test"):
            name = f"mlqa/MLQA_V1/{split}/{split}-context-{language}-question-{language}.json"
            found += listing(folder, language, split, "span", [name], squad.read)
    return found


_SPLITS = {"dev": "validation", "test": "test"}


def _hub(language: str, split: str) -> list[HubSet]:
    """XTREME's copy: the authors' own repository held a loading script alone when last seen."""
    if split not in _SPLITS:
        return []
    one = HubSet(
        id="google/xtreme",
        config=f"MLQA.{language}.{language}",
        split=_SPLITS[split],
        columns=("id", "context", "question", "answers"),
        read=hubrows.spans,
    )
    return [one]


TASK = Task(
    key="mlqa",
    title="MLQA",
    form="span",
    languages=LANGUAGES,
    train_languages=("en",),
    listings=_listings,
    layout={
        "dev": "mlqa/MLQA_V1/dev/dev-context-LANG-question-LANG.json",
        "test": "mlqa/MLQA_V1/test/test-context-LANG-question-LANG.json",
    },
    group="qa",
    intermediate=False,
    train_from="squad_v1",
    settings=presets.for_span_target(),
    train_sizes={"en": 87_599},
    dev_sizes={"en": 1_148, "es": 500, "de": 512, "ar": 517, "hi": 507, "vi": 511, "zh": 504},
    test_sizes=_TEST_SIZES,
    tokens=240,
    hub=_hub,
)
