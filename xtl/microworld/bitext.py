"""Sentences and their translations, to be found among each other: Tatoeba and BUCC.

Tatoeba's pairs are whole files, line by line. BUCC's two sides have their sentences in orders of their own, half of
them without a translation on the other side, and a list of the true pairs.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

from xtl.microworld.files import put_lines
from xtl.microworld.grammar import statement
from xtl.microworld.languages import LANGUAGES
from xtl.microworld.sizes import Size, shuffled
from xtl.microworld.world import Scene, some_scene

TATOEBA_CODES = {"de": "deu", "es": "spa", "fr": "fra", "ru": "rus", "sw": "swh"}
BUCC_LANGUAGES = ("de", "fr", "ru")


def scenes(random: Random, number: int) -> list[Scene]:
    """So many different ones."""
    found: dict[Scene, None] = {}
    while len(found) < number:
        found[some_scene(random)] = None
    return list(found)


def write_tatoeba(folder: Path, seed: int, size: Size) -> None:
    for code, long_code in TATOEBA_CODES.items():
        made = scenes(Random(f"{seed} tatoeba {code}"), size.mined)
        for language, suffix in ((code, long_code), ("en", "eng")):
            path = folder / f"tatoeba/v1/tatoeba.{long_code}-eng.{suffix}"
            put_lines(path, (statement(LANGUAGES[language], scene) for scene in made))


def write_bucc(folder: Path, seed: int, size: Size) -> None:
    for code in BUCC_LANGUAGES:
        for split in ("dev", "test"):
            random = Random(f"{seed} bucc2018 {code} {split}")
            _write_mined(folder / f"bucc2018/{code}-en.{split}", code, random, size.mined)


def _write_mined(stem: Path, code: str, random: Random, number: int) -> None:
    made = scenes(random, 3 * number)
    shared = made[:number]
    ids: dict[str, dict[Scene, str]] = {}
    for language, alone in ((code, made[number : 2 * number]), ("en", made[2 * number :])):
        side = shuffled(random, [*shared, *alone])
        ids[language] = {scene: f"{language}-{place:09d}" for place, scene in enumerate(side, start=1)}
        lines = (f"{ids[language][scene]}\t{statement(LANGUAGES[language], scene)}" for scene in side)
        put_lines(stem.parent / f"{stem.name}.{language}", lines)
    gold = sorted(f"{ids[code][scene]}\t{ids['en'][scene]}" for scene in shared)
    put_lines(stem.parent / f"{stem.name}.gold", gold)


def write(folder: Path, seed: int, size: Size) -> None:
    write_tatoeba(folder, seed, size)
    write_bucc(folder, seed, size)
