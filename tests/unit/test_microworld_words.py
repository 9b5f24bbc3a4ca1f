"""The micro-world's languages: every concept has a word of its own, and sentences are worded as they should be."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from xtl.microworld.grammar import Language, joined, question, statement, text, work_chunks
from xtl.microworld.languages import LANGUAGES
from xtl.microworld.world import (
    CITIES,
    DAYS,
    DEEDS,
    HAVING,
    KINDS,
    ORGANISATIONS,
    PEOPLE,
    PROPERTIES,
    THINGS,
    Scene,
)


@pytest.mark.parametrize("language", LANGUAGES.values(), ids=LANGUAGES)
def test_every_concept_has_words(language: Language) -> None:
    assert set(language.people) == set(PEOPLE)
    assert set(language.cities) == set(CITIES)
    assert set(language.days) == set(DAYS)
    assert set(language.base) == {*DEEDS, HAVING}
    assert set(language.particles) == set(LANGUAGES["en"].particles)
    for denied in (False, True):
        assert all(text(language.verb(deed, denied)) for deed in (*DEEDS, HAVING))
        for thing, quality in product((*THINGS, *KINDS), (None, *PROPERTIES)):
            assert len(language.thing(thing, quality, denied)) >= 1 + bool(quality)
    assert all(language.is_so(thing, quality) for thing, quality in product(THINGS, PROPERTIES))
    assert all(language.works_for(organisation) for organisation in ORGANISATIONS)


@pytest.mark.parametrize("language", LANGUAGES.values(), ids=LANGUAGES)
def test_different_concepts_have_different_words(language: Language) -> None:
    """Else a translation would not be unique, and a question's answer not the only one."""
    for names in (language.people, language.cities, language.days):
        assert len(set(names.values())) == len(names)
    for made in (
        [text(language.verb(deed, False)) for deed in (*DEEDS, HAVING)],
        [text(language.thing(thing, None, False)) for thing in (*THINGS, *KINDS)],
        [text(language.thing("house", quality, False)) for quality in PROPERTIES],
    ):
        assert len(set(made)) == len(made)


EVENT = Scene(who="mary", deed="buy", thing="bird", where="cairo", when="tuesday", quality="old")


@pytest.mark.parametrize(
    ("code", "told", "denied", "asked"),
    [
        (
            "en",
            "Mary buys an old bird in Cairo on Tuesday.",
            "On Tuesday Mary buys no old bird in Cairo.",
            "Where does Mary buy an old bird?",
        ),
        (
            "de",
            "Maria kauft einen alten Vogel in Kairo am Dienstag.",
            "Am Dienstag kauft Maria keinen alten Vogel in Kairo.",
            "Wo kauft Maria einen alten Vogel?",
        ),
        (
            "fr",
            "Marie achète un vieil oiseau au Caire mardi.",
            "Mardi Marie n'achète aucun vieil oiseau au Caire.",
            "Où est-ce que Marie achète un vieil oiseau ?",
        ),
        (
            "es",
            "María compra un pájaro viejo en El Cairo el martes.",
            "El martes María no compra ningún pájaro viejo en El Cairo.",
            "¿Dónde compra María un pájaro viejo?",
        ),
        (
            "ru",
            "Мария покупает старую птицу в Каире во вторник.",
            "Во вторник Мария не покупает старую птицу в Каире.",
            "Где Мария покупает старую птицу?",
        ),
        (
            "sw",
            "Mariamu ananunua ndege mkuukuu mjini Kairo Jumanne.",
            "Jumanne Mariamu hanunui ndege mkuukuu mjini Kairo.",
            "Mariamu ananunua ndege mkuukuu wapi?",
        ),
    ],
)
def test_sentences_are_worded_as_the_language_does(code: str, told: str, denied: str, asked: str) -> None:
    language = LANGUAGES[code]
    assert statement(language, EVENT) == told
    assert statement(language, replace(EVENT, denied=True), fronted=True) == denied
    assert question(language, EVENT, "where") == asked


def test_an_article_is_elided_before_a_name() -> None:
    assert text(joined(work_chunks(LANGUAGES["fr"], "john", "eu"))) == "Jean travaille pour l'Union européenne."
