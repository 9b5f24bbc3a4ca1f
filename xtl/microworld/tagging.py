"""Sentences with their words' parts of speech (Universal Dependencies) and names (PAN-X).

Trees are shallow: a phrase's words hang from its main word, a phrase from the sentence's. Contractions (German `am`,
French `au`) are written as range lines over their parts, as treebanks do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from xtl.microworld.files import put
from xtl.microworld.grammar import Chunk, Language, Word, chunks, joined, state_chunks, text, words, work_chunks
from xtl.microworld.languages import LANGUAGES
from xtl.microworld.sizes import Size
from xtl.microworld.world import MEN, ORGANISATIONS, THINGS, Scene, another, some_scene

TREEBANKS = {"en": "English", "de": "German", "fr": "French", "es": "Spanish", "ru": "Russian"}
KINDS = ("plain", "fronted", "denied", "pronoun", "adverb", "two", "state", "work")
_RELATIONS = {"DET": "det", "ADJ": "amod", "ADP": "case", "PART": "advmod", "ADV": "advmod", "PROPN": "flat",
              "NOUN": "compound", "AUX": "cop"}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """What a sentence tells, in no language yet. `kind` is its build, `other` a second thing, `at` the organisation."""

    kind: str
    scene: Scene
    other: str
    at: str

    def chunks(self, language: Language) -> list[Chunk]:
        scene = self.scene
        if self.kind == "work":
            return [*work_chunks(language, scene.who, self.at), *chunks(language, scene, "P")]
        if self.kind == "state":
            return state_chunks(language, scene.thing, scene.quality or "big")
        if self.kind == "fronted":
            return chunks(language, scene, language.fronted)
        parts = chunks(language, replace(scene, denied=self.kind == "denied"), language.order)
        if self.kind == "pronoun":
            form = language.pronouns[scene.who not in MEN]
            parts[0] = replace(parts[0], words=(Word(form=form, upos="PRON"),))
        if self.kind == "adverb":
            adverb = words(f"{language.adverbs[scene.when < 'sunday']}/ADV")
            parts[-1] = Chunk(relation="advmod", words=tuple(adverb))
        if self.kind == "two":
            more = [*words(f"{language.particles['join']}/CCONJ"), *language.thing(self.other, None, False)]
            parts.insert(language.order.index("O") + 1, Chunk(relation="conj", words=tuple(more)))
        return parts


def sentences(random: Random, number: int, kinds: tuple[str, ...] = KINDS) -> list[Sentence]:
    """As many of each kind."""
    made = []
    for i in range(number):
        scene = some_scene(random)
        other = another(random, THINGS, scene.thing)
        made.append(Sentence(kind=kinds[i % len(kinds)], scene=scene, other=other, at=random.choice(ORGANISATIONS)))
    random.shuffle(made)
    return made


def conllu(sentence_id: str, parts: list[Chunk]) -> str:
    """One sentence in CoNLL-U."""
    made = joined(parts)
    spans = list(_spans(parts))
    root = next(start + chunk.head for start, chunk in spans if chunk.relation == "root")
    above = {}
    for start, chunk in spans:
        for place in range(start, start + len(chunk.words)):
            own = place == start + chunk.head
            above[place] = (root if own else start + chunk.head, chunk.relation if own else None)
    above[len(made) - 1] = (root, "punct")
    first = list(_first_ids(made))
    lines = [f"# sent_id = {sentence_id}", f"# text = {text(made)}"]
    for place, word in enumerate(made):
        head, relation = above[place]
        lines += _rows(word, first[place], 0 if place == root else _main_id(made, first, head), relation)
    return "\n".join(lines) + "\n\n"


def _spans(parts: list[Chunk]) -> Iterator[tuple[int, Chunk]]:
    start = 0
    for chunk in parts:
        yield start, chunk
        start += len(chunk.words)


def _first_ids(made: list[Word]) -> Iterator[int]:
    number = 1
    for word in made:
        yield number
        number += len(word.parts) or 1


def _main_id(made: list[Word], first: list[int], place: int) -> int:
    assert not made[place].parts, "a contraction is never a main word here"
    return first[place]


def _rows(word: Word, number: int, head: int, relation: str | None) -> Iterator[str]:
    after = "_" if word.space else "SpaceAfter=No"
    if word.parts:
        yield f"{number}-{number + len(word.parts) - 1}\t{word.form}" + "\t_" * 7 + f"\t{after}"
    for form, upos in word.parts or ((word.form, word.upos),):
        name = relation or _RELATIONS.get(upos, "cc" if upos == "CCONJ" else "dep")
        misc = "_" if word.parts else after
        yield f"{number}\t{form}\t_\t{upos}\t_\t_\t{head}\t{name if head else 'root'}\t_\t{misc}"
        number += 1


def panx(code: str, made: list[Word]) -> str:
    """One sentence as PAN-X writes it."""
    return "".join(f"{code}:{word.form}\t{word.tag}\n" for word in made) + "\n"


def write(folder: Path, seed: int, size: Size) -> None:
    """Treebanks in the languages that XTREME's POS task has, names in all."""
    for split in ("train", "dev", "test"):
        number = size.sentences if split == "train" else size.of(split)
        made = sentences(Random(f"{seed} udpos {split}"), number)
        for code, name in TREEBANKS.items():
            path = folder / f"ud/UD_{name}-Microworld/{code}_microworld-ud-{split}.conllu"
            put(path, "".join(conllu(f"{split}-{i}", s.chunks(LANGUAGES[code])) for i, s in enumerate(made)))
        named = sentences(Random(f"{seed} panx {split}"), number, ("plain", "work", "fronted", "work"))
        for code, language in LANGUAGES.items():
            put(folder / f"panx/{code}/{split}", "".join(panx(code, joined(s.chunks(language))) for s in named))
