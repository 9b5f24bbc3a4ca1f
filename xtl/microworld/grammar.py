"""From scenes to words: what a language must tell, and the sentences that all languages build from it alike.

A sentence is a list of chunks (subject, verb, object, place, day), each with its words; a language says how a chunk is
worded and in which order chunks stand. One word carries all that the formats need: form, part of speech, name tag, and
the syntactic words behind a contraction (French `au` = `à` + `le`). The grammar is small but honest: agreement, case,
articles, elision and word order are right in the sentences that are made; nothing else is covered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from xtl.microworld.world import Scene


@dataclass(frozen=True, kw_only=True)
class Word:
    """One written word. `parts`: the syntactic words (form, UPOS) of a contraction, else empty."""

    form: str
    upos: str
    tag: str = "O"
    space: bool = True  # white space follows
    parts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """A phrase that hangs from the sentence's main word by `relation` ("root": it holds that word)."""

    relation: str
    words: tuple[Word, ...]

    @property
    def head(self) -> int:
        """The position of the chunk's main word."""
        order = ("VERB", "ADJ") if self.relation == "root" else ("NOUN", "PROPN", "PRON", "ADV")
        return next(i for upos in order for i, word in enumerate(self.words) if word.upos == upos)


@dataclass(frozen=True, kw_only=True)
class Language:
    """One language: word lists by concept, and how phrases are worded.

    order, fronted: the letters of the chunks, `S`ubject `V`erb `O`bject `P`lace `D`ay, with the day last and first.
    verb: (deed, denied) to words; base: the deed as questions with `{B}` need it. thing: (thing or kind, quality,
    denied) to the object. is_so: (thing, quality) to "the thing is so". works_for: "works for ORGANISATION". questions:
    patterns by the slot asked for. particles: small words as they stand in sentences, question words with their
    capital. pronouns: he, she.
    """

    code: str
    people: Mapping[str, str]
    cities: Mapping[str, str]
    days: Mapping[str, str]
    verb: Callable[[str, bool], list[Word]]
    base: Mapping[str, str]
    thing: Callable[[str, str | None, bool], list[Word]]
    is_so: Callable[[str, str], list[Word]]
    place: Callable[[str], list[Word]]
    day: Callable[[str], list[Word]]
    questions: Mapping[str, str]
    works_for: Callable[[str], list[Word]]
    particles: Mapping[str, str]
    pronouns: tuple[str, str]
    adverbs: tuple[str, ...]
    order: str = "SVOPD"
    fronted: str = "DSVOP"


def words(spelled: str) -> list[Word]:
    """`form/UPOS` items at white space, `form/UPOS/TAG` with a name tag; a form ending in `+` takes no space after."""
    made = []
    for item in spelled.split():
        form, upos, *tag = item.split("/")
        made.append(
            Word(form=form.removesuffix("+"), upos=upos, tag=tag[0] if tag else "O", space=not form.endswith("+"))
        )
    return made


def name(spelled: str, kind: str) -> list[Word]:
    """A name of one or several words, tagged B-KIND I-KIND..."""
    return [Word(form=form, upos="PROPN", tag=f"{'BI'[i > 0]}-{kind}") for i, form in enumerate(spelled.split())]


def contraction(form: str, *parts: tuple[str, str]) -> Word:
    """A word that stands for several; its own part of speech is the first one's."""
    return Word(form=form, upos=parts[0][1], parts=parts)


def chunks(language: Language, scene: Scene, order: str) -> list[Chunk]:
    """A statement's chunks by their letters, without capital and full stop."""
    built = {
        "S": Chunk(relation="nsubj", words=tuple(name(language.people[scene.who], "PER"))),
        "V": Chunk(relation="root", words=tuple(language.verb(scene.deed, scene.denied))),
        "O": Chunk(relation="obj", words=tuple(language.thing(scene.thing, scene.quality, scene.denied))),
        "P": Chunk(relation="obl", words=tuple(language.place(scene.where))),
        "D": Chunk(relation="obl", words=tuple(language.day(scene.when))),
    }
    return [built[letter] for letter in order]


def state_chunks(language: Language, thing: str, quality: str) -> list[Chunk]:
    """ "The thing is so": the property is the main word."""
    made = language.is_so(thing, quality)
    said = [word for word in made if word.upos in ("AUX", "ADJ")]
    subject = [word for word in made if word.upos not in ("AUX", "ADJ")]
    return [Chunk(relation="nsubj", words=tuple(subject)), Chunk(relation="root", words=tuple(said))]


def work_chunks(language: Language, who: str, organisation: str) -> list[Chunk]:
    """Somebody works for an organisation."""
    made = language.works_for(organisation)
    split = next(i for i, word in enumerate(made) if word.upos == "ADP")
    return [
        Chunk(relation="nsubj", words=tuple(name(language.people[who], "PER"))),
        Chunk(relation="root", words=tuple(made[:split])),
        Chunk(relation="obl", words=tuple(made[split:])),
    ]


def joined(parts: Iterable[Chunk]) -> list[Word]:
    """The chunks' words, with a capital at the start and a full stop."""
    made = [word for chunk in parts for word in chunk.words]
    made[0] = replace(made[0], form=made[0].form[:1].upper() + made[0].form[1:])
    made[-1] = replace(made[-1], space=False)
    return [*made, Word(form=".", upos="PUNCT")]


def text(made: Sequence[Word]) -> str:
    """The words as plain text."""
    return "".join(word.form + (" " if word.space else "") for word in made).strip()


def statement(language: Language, scene: Scene, *, fronted: bool = False, short: bool = False) -> str:
    """The scene as a sentence; `fronted` begins with the day, `short` leaves out place and day."""
    order = "SVO" if short else language.fronted if fronted else language.order
    return text(joined(chunks(language, scene, order)))


def question(language: Language, scene: Scene, slot: str) -> str:
    """A question about the scene that its `slot` (who, where, when, thing) answers."""
    asked = language.questions[slot].format(
        S=language.people[scene.who],
        V=text(language.verb(scene.deed, False)),
        B=language.base[scene.deed],
        O=text(language.thing(scene.thing, scene.quality, False)),
        P=text(language.place(scene.where)),
    )
    start = asked.startswith("¿")
    return asked[:start] + asked[start].upper() + asked[start + 1 :]


def answer(language: Language, scene: Scene, slot: str) -> str:
    """What answers it, as it stands in the statement."""
    if slot == "thing":
        return text(language.thing(scene.thing, scene.quality, False))
    if slot == "who":
        return language.people[scene.who]
    return language.cities[scene.where] if slot == "where" else language.days[scene.when]
