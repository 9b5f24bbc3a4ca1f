"""Text for masked LM: the lines of a dictionary, `mlm/LANG.txt`.

A line is one concept's word in every language, in columns that stand alike in all files; the files are volumes of one
dictionary, each with its concepts in an order, and adjectives in forms, of its own. To guess a hidden word from the
rest of its line, a model has to know which words of different languages mean the same: this is what carries over.

Two choices that a sweep on `model: tiny` spoke for: columns in one order (else the model learns to tell which language
is missing, and layer 2 forgets the words), and no sentences (they teach word order first, and translations much later).
"""

from __future__ import annotations

from pathlib import Path
from random import Random

from xtl.microworld.files import put_lines
from xtl.microworld.grammar import Language, Word, text
from xtl.microworld.languages import LANGUAGES
from xtl.microworld.sizes import Size, shuffled
from xtl.microworld.world import DEEDS, HAVING, KINDS, PROPERTIES, THINGS

Concept = tuple[str, str]


def concepts(language: Language) -> list[Concept]:
    """(sort, concept) of all there is in a dictionary: equal in every language."""
    return [
        *(("who", who) for who in language.people),
        *(("deed", deed) for deed in (*DEEDS, HAVING)),
        *(("thing", thing) for thing in (*THINGS, *KINDS)),
        *(("quality", quality) for quality in PROPERTIES),
        *(("where", city) for city in language.cities),
        *(("when", day) for day in language.days),
        *(("particle", particle) for particle in language.particles),
    ]


def word(random: Random, language: Language, sort: str, concept: str) -> str:
    """The concept's word, for an adjective one of its forms."""
    if sort == "who":
        return language.people[concept]
    if sort == "deed":
        return text(language.verb(concept, False))
    if sort == "thing":
        return _only(language.thing(concept, None, False), "NOUN")
    if sort == "quality":
        return _only(language.thing(random.choice(THINGS), concept, False), "ADJ")
    return {"where": language.cities, "when": language.days, "particle": language.particles}[sort][concept]


def _only(made: list[Word], upos: str) -> str:
    return next(word.form for word in made if word.upos == upos)


def lines(random: Random, number: int) -> list[str]:
    """So many entries of the dictionary; every concept comes about equally often."""
    everything = concepts(LANGUAGES["en"])
    made: list[str] = []
    while len(made) < number:
        for sort, concept in shuffled(random, everything):
            made.append(" ".join(word(random, language, sort, concept) for language in LANGUAGES.values()))
    return made[:number]


def write(folder: Path, seed: int, size: Size) -> None:
    for code in LANGUAGES:
        put_lines(folder / f"mlm/{code}.txt", lines(Random(f"{seed} mlm {code}"), size.passages))
