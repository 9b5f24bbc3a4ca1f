"""CommonsenseQA: five answers to a question, no context. The test file has no answer key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from xtl.tasks import presets
from xtl.tasks.base import Example, HubSet, Listing, Task
from xtl.tasks.formats import hubrows
from xtl.tasks.formats.files import Dropped, Row, Source, jsonl
from xtl.tasks.formats.listing import english_and_translated, listing

_FILES = {
    "train": "train_rand_split.jsonl",
    "dev": "dev_rand_split.jsonl",
    "test": "test_rand_split_no_answers.jsonl",
}


def _read(sources: Sequence[Source], _: Dropped) -> Iterator[Example]:
    for row in jsonl(sources[0], label="answerKey"):
        question = row.cells.get("question")
        if not isinstance(question, dict):
            row.bad("question is missing or not an object")
        stem = question.get("stem")
        if not isinstance(stem, str):
            row.bad("question.stem is missing or not text")
        texts, keys = _choices(row, question.get("choices"))
        label = row.label("answerKey", {key: key for key in keys})
        yield {
            "id": row.id("id"),
            "context": "",
            "question": stem,
            "choices": texts,
            "label": None if label is None else keys.index(label),
        }


def _choices(row: Row, choices: object) -> tuple[list[str], list[str]]:
    """Texts and letters, in file order."""
    offered = choices if isinstance(choices, list) else []
    pairs = [(one.get("text"), one.get("label")) if isinstance(one, dict) else (None, None) for one in offered]
    if not pairs or not all(isinstance(text, str) and isinstance(key, str) for text, key in pairs):
        row.bad("question.choices is not a list of objects with label and text")
    texts, keys = zip(*pairs, strict=True)
    if len(set(keys)) < len(keys):
        row.bad(f"two choices have the same label: {' '.join(keys)}")
    return list(texts), list(keys)


def _within(folder: Path, language: str, bases: Sequence[str]) -> list[Listing]:
    found: list[Listing] = []
    for split, name in _FILES.items():
        found += listing(folder, language, split, "choice", [f"{bases[0]}/{name}"], _read)
    return found


def _listings(folder: Path) -> list[Listing]:
    return english_and_translated(folder, "csqa", ["commonsense_qa"], _within)


_SPLITS = {"train": "train", "dev": "validation", "test": "test"}


def _hub_read(rows: Iterable[Row], _: Dropped) -> Iterator[Example]:
    for row in hubrows.labelled(rows, "answerKey"):
        offered = row.cells["choices"]
        keys = list(offered["label"])
        label = row.label("answerKey", {key: key for key in keys})
        yield {
            "id": row.id("id"),
            "context": "",
            "question": row.text("question"),
            "choices": list(offered["text"]),
            "label": None if label is None else keys.index(label),
        }


def _hub(language: str, split: str) -> list[HubSet]:
    one = HubSet(
        id="tau/commonsense_qa",
        config="default",
        split=_SPLITS[split],
        columns=("id", "question", "choices", "answerKey"),
        read=_hub_read,
        revision="94630fe30dad47192a8546eb75f094926d47e155",
    )
    return [one] if language == "en" else []


TASK = Task(
    key="csqa",
    title="CommonsenseQA",
    form="choice",
    languages=("en",),
    train_languages=("en",),
    listings=_listings,
    layout={
        "train": "commonsense_qa/train_rand_split.jsonl",
        "dev": "commonsense_qa/dev_rand_split.jsonl",
        "test": "commonsense_qa/test_rand_split_no_answers.jsonl",
    },
    settings=presets.for_intermediate(),
    train_sizes={"en": 9_741},
    dev_sizes={"en": 1_221},
    test_sizes={"en": 1_140},
    tokens=107,
    hub=_hub,
)
