"""XNLI and MNLI: does "John has an animal" follow from "John buys a white dog in Rome on Monday"?

It follows after gaining, it is contradicted after losing, and it is open after anything else: in this world nobody owns
two things of a kind. A hypothesis that denies turns the first two around. So a label is told by what kind of deed the
premise's verb is, in whatever language, and by the denial.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from xtl.microworld.files import put_tsv
from xtl.microworld.grammar import Language, statement
from xtl.microworld.languages import LANGUAGES
from xtl.microworld.sizes import Size, shuffled
from xtl.microworld.world import GAINING, HAVING, KIND_OF, LOSING, OTHER, Scene, some_scene

LABELS = ("entailment", "neutral", "contradiction")
#: The published headers.
_XNLI = (
    "language", "gold_label", "sentence1_binary_parse", "sentence2_binary_parse", "sentence1_parse", "sentence2_parse",
    "sentence1", "sentence2", "promptID", "pairID", "genre", "label1", "label2", "label3", "label4", "label5",
    "sentence1_tokenized", "sentence2_tokenized", "match",
)  # fmt: skip
_MNLI = (
    "index", "promptID", "pairID", "genre", "sentence1_binary_parse", "sentence2_binary_parse", "sentence1_parse",
    "sentence2_parse", "sentence1", "sentence2", "label1", "gold_label",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A premise, a hypothesis and what holds between them, in no language yet."""

    premise: Scene
    hypothesis: Scene
    label: str

    def texts(self, language: Language) -> tuple[str, str]:
        return statement(language, self.premise), statement(language, self.hypothesis, short=True)


def pairs(random: Random, number: int) -> list[Pair]:
    """As many of each label; one hypothesis in four denies."""
    made = [_pair(random, LABELS[i % 3], denied=i % 12 < 3) for i in range(number)]
    return shuffled(random, made)


def _pair(random: Random, label: str, *, denied: bool) -> Pair:
    deeds = {"entailment": LOSING if denied else GAINING, "contradiction": GAINING if denied else LOSING}
    premise = replace(some_scene(random), deed=random.choice(deeds.get(label, OTHER)))
    what = random.choice((premise.thing, KIND_OF[premise.thing]))
    return Pair(
        premise=premise,
        hypothesis=replace(premise, deed=HAVING, thing=what, quality=None, denied=denied),
        label=label,
    )


def write(folder: Path, seed: int, size: Size) -> None:
    """XNLI dev and test in all languages, MNLI train and dev in English, XNLI's train translated into the others."""
    for split in ("dev", "test"):
        made = pairs(Random(f"{seed} xnli {split}"), size.of(split))
        put_tsv(folder / f"xnli/XNLI-1.0/xnli.{split}.tsv", _XNLI, _xnli_rows(made))
    train = pairs(Random(f"{seed} mnli train"), size.train)
    put_tsv(folder / "glue/MNLI/train.tsv", _MNLI, _mnli_rows(train))
    put_tsv(folder / "glue/MNLI/dev_matched.tsv", _MNLI, _mnli_rows(pairs(Random(f"{seed} mnli dev"), size.dev)))
    for code, language in LANGUAGES.items():
        if code != "en":
            path = folder / f"xnli/XNLI-MT-1.0/multinli/multinli.train.{code}.tsv"
            put_tsv(path, ("premise", "hypo", "label"), _translated_rows(train, language))


def _xnli_rows(made: list[Pair]) -> Iterator[dict[str, object]]:
    for code in sorted(LANGUAGES):
        for number, pair in enumerate(made):
            premise, hypothesis = pair.texts(LANGUAGES[code])
            yield {
                "language": code,
                "gold_label": pair.label,
                "sentence1": premise,
                "sentence2": hypothesis,
                "promptID": number // 3,
                "pairID": number,
                "genre": "microworld",
                "label1": pair.label,
                "sentence1_tokenized": premise,
                "sentence2_tokenized": hypothesis,
                "match": "True",
            }


def _mnli_rows(made: list[Pair]) -> Iterator[dict[str, object]]:
    for number, pair in enumerate(made):
        premise, hypothesis = pair.texts(LANGUAGES["en"])
        yield {
            "index": number,
            "promptID": number // 3,
            "pairID": f"{number}{pair.label[0]}",
            "genre": "microworld",
            "sentence1": premise,
            "sentence2": hypothesis,
            "label1": pair.label,
            "gold_label": pair.label,
        }


def _translated_rows(made: list[Pair], language: Language) -> Iterator[dict[str, object]]:
    """The published files spell one label `contradictory`."""
    for pair in made:
        premise, hypothesis = pair.texts(language)
        label = "contradictory" if pair.label == "contradiction" else pair.label
        yield {"premise": premise, "hypo": hypothesis, "label": label}
