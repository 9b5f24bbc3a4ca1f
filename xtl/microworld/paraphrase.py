"""PAWS-X and QQP: do two sentences of nearly the same words say the same?

PAWS-X: the first tells that somebody comes to have a thing; the second, its day moved to the front, tells the same by
another verb of gaining, or it tells a loss, or denies. QQP: the second question asks the same of another verb of the
same kind, or it asks about a loss. Both are told by the kind of the second verb, and by denial.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from xtl.microworld.files import put_tsv
from xtl.microworld.grammar import Language, question, statement
from xtl.microworld.languages import LANGUAGES
from xtl.microworld.sizes import Size, shuffled
from xtl.microworld.world import GAINING, LOSING, Scene, some_scene

PAWSX_LANGUAGES = ("en", "de", "es", "fr")
SLOTS = ("who", "where", "when")


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two scenes, and whether they are the same event. `slot`: what both questions ask for (QQP)."""

    first: Scene
    second: Scene
    slot: str
    label: str

    def statements(self, language: Language) -> tuple[str, str]:
        return statement(language, self.first), statement(language, self.second, fronted=True)

    def questions(self, language: Language) -> tuple[str, str]:
        return question(language, self.first, self.slot), question(language, self.second, self.slot)


def pairs(random: Random, number: int, *, denials: bool) -> list[Pair]:
    """As many of each label; with `denials` half of the differing pairs differ by a denial alone."""
    return shuffled(random, [_pair(random, i % 2 == 1, denials and i % 4 == 0) for i in range(number)])


def _pair(random: Random, same: bool, denied: bool) -> Pair:
    first = replace(some_scene(random), deed=random.choice(GAINING))
    deed = random.choice([deed for deed in GAINING if deed != first.deed] if same or denied else LOSING)
    second = replace(first, deed=deed, denied=denied)
    return Pair(first=first, second=second, slot=random.choice(SLOTS), label=str(int(same)))


def write(folder: Path, seed: int, size: Size) -> None:
    """PAWS-X with its translated train sets; QQP, and its translations under `translated/`."""
    for split, stem in (("train", "train"), ("dev", "dev_2k"), ("test", "test_2k")):
        made = pairs(Random(f"{seed} pawsx {split}"), size.of(split), denials=True)
        for code in PAWSX_LANGUAGES:
            name = "translated_train" if split == "train" and code != "en" else stem
            _write_pawsx(folder / f"paws-x/x-final/{code}/{name}.tsv", LANGUAGES[code], made)
    for split in ("train", "dev"):
        made = pairs(Random(f"{seed} qqp {split}"), size.of(split), denials=False)
        for code, language in LANGUAGES.items():
            within = "glue/QQP" if code == "en" else f"translated/qqp/{code}"
            _write_qqp(folder / within / f"{split}.tsv", language, made)


def _write_pawsx(path: Path, language: Language, made: list[Pair]) -> None:
    columns = ("id", "sentence1", "sentence2", "label")
    rows = [(number, *pair.statements(language), pair.label) for number, pair in enumerate(made, start=1)]
    put_tsv(path, columns, [dict(zip(columns, row, strict=True)) for row in rows])


def _write_qqp(path: Path, language: Language, made: list[Pair]) -> None:
    columns = ("id", "qid1", "qid2", "question1", "question2", "is_duplicate")
    rows = [
        (number, 2 * number, 2 * number + 1, *pair.questions(language), pair.label) for number, pair in enumerate(made)
    ]
    put_tsv(path, columns, [dict(zip(columns, row, strict=True)) for row in rows])
