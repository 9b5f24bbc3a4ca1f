"""XQuAD: SQuAD v1.1's dev questions in eleven languages. Trains, and chooses, on SQuAD v1.1.

Its own English dev set is SQuAD's, of which it is made: choosing by it would be choosing on the test set.
"""

from __future__ import annotations

from pathlib import Path

from xtl.tasks import presets, squad_v1
from xtl.tasks.base import HubSet, Listing, Task
from xtl.tasks.formats import hubrows, squad
from xtl.tasks.formats.listing import lent, listing, words

LANGUAGES = words("en es de el ru tr ar vi th zh hi")


def _listings(folder: Path) -> list[Listing]:
    found = lent(squad_v1.TASK, folder, "train") + lent(squad_v1.TASK, folder, "dev")
    for language in LANGUAGES:
        found += listing(folder, language, "test", "span", [f"xquad/xquad.{language}.json"], squad.read)
    return found


def _hub(language: str, split: str) -> list[HubSet]:
    """Test alone; the hub calls it validation."""
    one = HubSet(
        id="google/xquad",
        config=f"xquad.{language}",
        split="validation",
        columns=("id", "context", "question", "answers"),
        read=hubrows.spans,
        revision="51adfef1c1287aab1d2d91b5bead9bcfb9c68583",
    )
    return [one] if split == "test" else []


TASK = Task(
    key="xquad",
    title="XQuAD",
    form="span",
    languages=LANGUAGES,
    train_languages=("en",),
    listings=_listings,
    layout={
        "test": "xquad/xquad.LANG.json",
    },
    group="qa",
    intermediate=False,
    train_from="squad_v1",
    dev_from="squad_v1",
    settings=presets.for_span_target(),
    train_sizes={"en": 87_599},
    test_sizes=dict.fromkeys(LANGUAGES, 1_190),
    tokens=210,
    hub=_hub,
)
