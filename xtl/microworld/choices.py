"""Multiple choice: HellaSwag, CommonsenseQA, Cosmos QA in English, and the null arm.

HellaSwag: what is so after a gain. CommonsenseQA: which of five could answer a question of this kind. Cosmos QA: which
of four does answer it, the others being of other sorts.

**The null arm** is CommonsenseQA's "translations" (`translated/csqa/LANG`, in a grid `csqa@de+es+fr+ru+sw`): the same
questions and choices, in the other languages, but with a right answer drawn without looking at them. Whatever is
trained on them learns nothing about any word, so it must not carry over.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from xtl.microworld.files import put, put_jsonl
from xtl.microworld.grammar import Language, answer, question, statement, text
from xtl.microworld.languages import LANGUAGES
from xtl.microworld.sizes import Size, shuffled
from xtl.microworld.world import GAINING, HAVING, KIND_OF, Scene, some_scene

Row = dict[str, Any]
SLOTS = ("who", "where", "when", "thing")


def _sorts(language: Language, scene: Scene) -> dict[str, str]:
    """One possible answer of each sort."""
    return {slot: answer(language, scene, slot) for slot in SLOTS}


def _placed(random: Random, right: str, wrong: Sequence[str], label: int) -> list[str]:
    choices = shuffled(random, wrong)
    choices.insert(label, right)
    return choices


def hellaswag(random: Random, number: int, language: Language, split: str) -> list[Row]:
    """The one right ending of four says that the thing is had."""
    rows: list[Row] = []
    for i in range(number):
        scene = replace(some_scene(random), deed=random.choice(GAINING))
        kind = replace(scene, thing=KIND_OF[scene.thing], quality=None)
        bare = replace(scene, quality=None)
        right, *wrong = (
            statement(language, replace(s, deed=HAVING, denied=denied), short=True).split(" ", 1)[1]
            for s, denied in ((random.choice((kind, bare)), False), (kind, True), (bare, True), (scene, True))
        )
        told = f"{statement(language, scene)} {language.people[scene.who]}"
        endings = _placed(random, right, wrong, i % 4)
        row = {"ind": i, "activity_label": "Having", "ctx": told, "split": split, "label": i % 4, "endings": endings}
        rows.append(row)
    return shuffled(random, rows)


def csqa(random: Random, number: int, language: Language) -> list[Row]:
    """Five choices, four of other sorts than the question asks for."""
    rows: list[Row] = []
    for i in range(number):
        scene, slot = some_scene(random), SLOTS[i % 4]
        sorts = _sorts(language, some_scene(random))
        right = sorts.pop(slot)
        wrong = [*sorts.values(), text(language.verb(scene.deed, False))]
        label = i % 5
        choices = [
            {"label": "ABCDE"[n], "text": choice} for n, choice in enumerate(_placed(random, right, wrong, label))
        ]
        asked = {"question_concept": slot, "choices": choices, "stem": question(language, scene, slot)}
        rows.append({"answerKey": "ABCDE"[label], "id": f"{i:032x}", "question": asked})
    return shuffled(random, rows)


def by_chance(random: Random, rows: list[Row]) -> list[Row]:
    """The rows with answers that do not depend on them, as many of each."""
    keys = shuffled(random, ["ABCDE"[i % 5] for i in range(len(rows))])
    return [{**row, "answerKey": key} for row, key in zip(rows, keys, strict=True)]


def cosmosqa(random: Random, number: int, language: Language) -> list[list[str]]:
    """Header and rows; the context is an event, and the right answer of four stands in it."""
    rows = []
    for i in range(number):
        scene, slot = some_scene(random), SLOTS[i // 4 % 4]
        sorts = _sorts(language, scene)
        right = sorts.pop(slot)
        choices = _placed(random, right, list(sorts.values()), i % 4)
        rows.append([f"M{i:05d}", statement(language, scene), question(language, scene, slot), *choices, str(i % 4)])
    header = ["id", "context", "question", "answer0", "answer1", "answer2", "answer3", "label"]
    return [header, *shuffled(random, rows)]


def write(folder: Path, seed: int, size: Size) -> None:
    """All three in English, and CommonsenseQA's copies with answers by chance."""
    english = LANGUAGES["en"]
    for split, hella, cosmos in (("train", "train", "train"), ("dev", "val", "valid")):
        number = size.of(split)
        swag = hellaswag(Random(f"{seed} hellaswag {split}"), number, english, hella)
        put_jsonl(folder / f"hellaswag/hellaswag_{hella}.jsonl", swag)
        rows = csqa(Random(f"{seed} csqa {split}"), number, english)
        put_jsonl(folder / f"commonsense_qa/{split}_rand_split.jsonl", rows)
        table = io.StringIO()
        csv.writer(table, lineterminator="\n").writerows(cosmosqa(Random(f"{seed} cosmosqa {split}"), number, english))
        put(folder / f"cosmos_qa/{cosmos}.csv", table.getvalue())
        for code, language in LANGUAGES.items():
            if code != "en":
                rows = csqa(Random(f"{seed} csqa {split}"), number, language)
                rows = by_chance(Random(f"{seed} null {code} {split}"), rows)
                put_jsonl(folder / f"translated/csqa/{code}/{split}_rand_split.jsonl", rows)
