"""What there is in the micro-world, in no language: things and their kinds, properties and their opposites, people,
places, days, deeds. Every language module names all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

KINDS: dict[str, tuple[str, ...]] = {
    "animal": ("dog", "cat", "horse", "bird"),
    "fruit": ("apple", "orange", "lemon", "banana"),
    "tool": ("hammer", "knife", "saw", "needle"),
    "building": ("house", "school", "church", "hospital"),
    "plant": ("tree", "flower", "rose", "palm"),
    "garment": ("shirt", "hat", "coat", "dress"),
}
KIND_OF: dict[str, str] = {thing: kind for kind, things in KINDS.items() for thing in things}
THINGS: tuple[str, ...] = tuple(KIND_OF)

OPPOSITES: tuple[tuple[str, str], ...] = (
    ("big", "small"),
    ("good", "bad"),
    ("white", "black"),
    ("heavy", "light"),
    ("new", "old"),
    ("clean", "dirty"),
)
OPPOSITE_OF: dict[str, str] = {a: b for pair in OPPOSITES for a, b in (pair, pair[::-1])}
PROPERTIES: tuple[str, ...] = tuple(OPPOSITE_OF)

MEN = ("john", "peter", "paul", "michael", "james", "andrew", "matthew", "luke")
WOMEN = ("mary", "elizabeth", "catherine", "martha", "judith", "agnes", "helen", "margaret")
PEOPLE = MEN + WOMEN
CITIES = (
    "london",
    "rome",
    "moscow",
    "vienna",
    "geneva",
    "athens",
    "cairo",
    "warsaw",
    "prague",
    "lisbon",
    "milan",
    "venice",
)
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
GAINING = ("buy", "find", "take", "receive")  # after which one has the thing
LOSING = ("sell", "lose", "lend", "donate")  # after which one has it no more
OTHER = ("see", "draw", "love", "want", "seek")  # which leave that open
DEEDS = GAINING + LOSING + OTHER
HAVING = "have"
ORGANISATIONS = ("un", "red_cross", "world_bank", "eu", "african_union", "world_fund")


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Somebody does something to a thing somewhere on some day. `thing` may also be a kind ("animal")."""

    who: str
    deed: str
    thing: str
    where: str
    when: str
    quality: str | None = None
    denied: bool = False


def some_scene(random: Random) -> Scene:
    """A scene with every slot drawn uniformly, a quality included."""
    return Scene(
        who=random.choice(PEOPLE),
        deed=random.choice(DEEDS),
        thing=random.choice(THINGS),
        where=random.choice(CITIES),
        when=random.choice(DAYS),
        quality=random.choice(PROPERTIES),
    )


def another(random: Random, values: Sequence[str], value: str) -> str:
    """One of the values other than `value`."""
    return random.choice([other for other in values if other != value])
