"""Questions about a short text: SQuAD, XQuAD, MLQA, TyDiQA.

The text tells one event, with one person, one place, one day and one thing, and then how some other thing is. The
question word tells which of them is asked for. SQuAD v2.0's impossible questions ask for a place or a day that is not
told.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from xtl.microworld.files import put_json
from xtl.microworld.grammar import Language, answer, joined, question, state_chunks, statement, text
from xtl.microworld.languages import LANGUAGES
from xtl.microworld.sizes import Size, shuffled
from xtl.microworld.world import PROPERTIES, THINGS, Scene, another, some_scene

SLOTS = ("who", "where", "when", "thing")
XQUAD_LANGUAGES = ("en", "de", "es", "ru")
MLQA_LANGUAGES = ("en", "de", "es")
TYDIQA_LANGUAGES = {"en": "english", "ru": "russian", "sw": "swahili"}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """An event, another thing's state, and what is asked. `told`: the text holds the answer."""

    scene: Scene
    other: str
    quality: str
    slot: str
    fronted: bool
    told: bool = True

    def context(self, language: Language) -> str:
        event = statement(language, self.scene, fronted=self.fronted, short=not self.told)
        return f"{event} {text(joined(state_chunks(language, self.other, self.quality)))}"

    def row(self, language: Language, question_id: str) -> dict[str, Any]:
        """The question as SQuAD's files hold it."""
        answers = []
        if self.told:  # a day that opens the sentence has a capital there
            wanted = re.escape(answer(language, self.scene, self.slot))
            found = re.search(rf"(?<!\w){wanted}(?!\w)", self.context(language), re.IGNORECASE)
            assert found, f"{wanted} does not stand in its own text"
            answers = [{"text": found[0], "answer_start": found.start()}]
        return {"id": question_id, "question": question(language, self.scene, self.slot), "answers": answers}


def questions(random: Random, number: int, *, impossible: bool = False) -> list[Asked]:
    """As many of each slot; with `impossible` a third of them asks for what is not told."""
    made = []
    for i in range(number):
        scene = some_scene(random)
        told = not impossible or i % 3 < 2
        made.append(
            Asked(
                scene=scene,
                other=another(random, THINGS, scene.thing),
                quality=random.choice(PROPERTIES),
                slot=SLOTS[i % 4] if told else ("where", "when")[i % 2],
                fronted=told and random.random() < 0.5,
                told=told,
            )
        )
    return shuffled(random, made)


def squad(made: list[Asked], language: Language, version: str, *, flags: bool = False) -> dict[str, Any]:
    """A file of SQuAD's shape, one paragraph a question; `flags` writes `is_impossible`, as v2.0 does."""
    paragraphs = []
    for number, asked in enumerate(made):
        row = asked.row(language, f"{version}-{number}")
        if flags:
            row["is_impossible"] = not asked.told
        paragraphs.append({"context": asked.context(language), "qas": [row]})
    return {"version": version, "data": [{"title": "Microworld", "paragraphs": paragraphs}]}


def tydiqa(made: list[Asked]) -> dict[str, Any]:
    """All languages in one file; the id starts with the language's English name."""
    articles = []
    for code, name in TYDIQA_LANGUAGES.items():
        for number, asked in enumerate(made):
            row = asked.row(LANGUAGES[code], f"{name}-{number}-0")
            articles.append({"title": "", "paragraphs": [{"context": asked.context(LANGUAGES[code]), "qas": [row]}]})
    return {"version": "TyDiQA-GoldP-1.1", "data": articles}


def write(folder: Path, seed: int, size: Size) -> None:
    """Both SQuADs in English with v1.1's translations, XQuAD and MLQA to test on, TyDiQA to train and test on."""
    for split in ("train", "dev"):
        first = questions(Random(f"{seed} squad_v1 {split}"), size.of(split))
        for code, language in LANGUAGES.items():
            within = "squad_v1.1" if code == "en" else f"translated/squad_v1/{code}"
            put_json(folder / within / f"{split}-v1.1.json", squad(first, language, "1.1"))
        second = questions(Random(f"{seed} squad_v2 {split}"), size.of(split), impossible=True)
        put_json(folder / f"squad_v2.0/{split}-v2.0.json", squad(second, LANGUAGES["en"], "v2.0", flags=True))
    test = questions(Random(f"{seed} xquad"), size.test)
    for code in XQUAD_LANGUAGES:
        put_json(folder / f"xquad/xquad.{code}.json", squad(test, LANGUAGES[code], "1.1"))
    for split in ("dev", "test"):
        made = questions(Random(f"{seed} mlqa {split}"), size.of(split))
        for code in MLQA_LANGUAGES:
            path = folder / f"mlqa/MLQA_V1/{split}/{split}-context-{code}-question-{code}.json"
            put_json(path, squad(made, LANGUAGES[code], "1.0"))
    for split, published in (("train", "train"), ("test", "dev")):
        made = questions(Random(f"{seed} tydiqa {split}"), size.of(split))
        put_json(folder / f"tydiqa/tydiqa-goldp-v1.1-{published}.json", tydiqa(made))
