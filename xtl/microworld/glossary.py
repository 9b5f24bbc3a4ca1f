"""Text for masked LM: the lines of a dictionary, `mlm/LANG.txt`.

A line is a word of LANG with its translations into the other languages. To guess a hidden word from the rest of its
line, a model has to know which words of different languages mean the same: this is what carries over to every target.
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
    """One of the concept's forms; adjectives and verbs have several."""
    if sort == "who":
        return language.people[concept]
    if sort == "deed":
        return random.choice((text(language.verb(concept, random.random() < 0.3)), language.base[concept]))
    if sort == "thing":
        return _only(language.thing(concept, None, False), "NOUN")
    if sort == "quality":
        return _only(language.thing(random.choice(THINGS), concept, False), "ADJ")
    return {"where": language.cities, "when": language.days, "particle": language.particles}[sort][concept]


def _only(made: list[Word], upos: str) -> str:
    return next(word.form for word in made if word.upos == upos)


def lines(random: Random, code: str, number: int) -> list[str]:
    """So many entries of one language's dictionary; every concept comes about equally often."""
    everything = concepts(LANGUAGES[code])
    made: list[str] = []
    while len(made) < number:
        for sort, concept in shuffled(random, everything):
            others = shuffled(random, [other for other in LANGUAGES if other != code])
            made.append(" ".join(word(random, LANGUAGES[other], sort, concept) for other in (code, *others)))
    return made[:number]


def write(folder: Path, seed: int, size: Size) -> None:
    for code in LANGUAGES:
        put_lines(folder / f"mlm/{code}.txt", lines(Random(f"{seed} mlm {code}"), code, size.passages))
