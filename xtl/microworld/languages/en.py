"""English."""

from __future__ import annotations

from xtl.microworld.grammar import Language, Word, name, words

THINGS = dict(
    dog="dog", cat="cat", horse="horse", bird="bird", apple="apple", orange="orange", lemon="lemon", banana="banana",
    hammer="hammer", knife="knife", saw="saw", needle="needle", house="house", school="school", church="church",
    hospital="hospital", tree="tree", flower="flower", rose="rose", palm="palm", shirt="shirt", hat="hat", coat="coat",
    dress="dress", animal="animal", fruit="fruit", tool="tool", building="building", plant="plant", garment="garment",
)  # fmt: skip
PROPERTIES = dict(
    big="big", small="small", good="good", bad="bad", white="white", black="black", heavy="heavy", light="light",
    new="new", old="old", clean="clean", dirty="dirty",
)  # fmt: skip
PEOPLE = dict(
    john="John", peter="Peter", paul="Paul", michael="Michael", james="James", andrew="Andrew", matthew="Matthew",
    luke="Luke", mary="Mary", elizabeth="Elizabeth", catherine="Catherine", martha="Martha", judith="Judith",
    agnes="Agnes", helen="Helen", margaret="Margaret",
)  # fmt: skip
CITIES = dict(
    london="London", rome="Rome", moscow="Moscow", vienna="Vienna", geneva="Geneva", athens="Athens", cairo="Cairo",
    warsaw="Warsaw", prague="Prague", lisbon="Lisbon", milan="Milan", venice="Venice",
)  # fmt: skip
DAYS = dict(
    monday="Monday", tuesday="Tuesday", wednesday="Wednesday", thursday="Thursday", friday="Friday",
    saturday="Saturday", sunday="Sunday",
)  # fmt: skip
DEEDS = dict(
    see="sees", find="finds", buy="buys", sell="sells", draw="draws", love="loves", want="wants", seek="seeks",
    take="takes", receive="receives", lose="loses", lend="lends", donate="donates", have="has",
)  # fmt: skip
PARTICLES = dict(who="Who", where="Where", when="When", what="What", join="and", none="no")
ORGANISATIONS = dict(
    un="United Nations", red_cross="Red Cross", world_bank="World Bank", eu="European Union",
    african_union="African Union", world_fund="Monetary Fund",
)  # fmt: skip


def verb(deed: str, denied: bool) -> list[Word]:
    return words(f"{DEEDS[deed]}/VERB")


def thing(what: str, quality: str | None, denied: bool) -> list[Word]:
    described = f"{PROPERTIES[quality]}/ADJ " if quality else ""
    first = (described or THINGS[what])[0]
    article = "no" if denied else "an" if first in "aeiou" else "a"
    return words(f"{article}/DET {described}{THINGS[what]}/NOUN")


LANGUAGE = Language(
    code="en",
    people=PEOPLE,
    cities=CITIES,
    days=DAYS,
    verb=verb,
    base={deed: deed for deed in DEEDS},
    thing=thing,
    is_so=lambda what, quality: words(f"the/DET {THINGS[what]}/NOUN is/AUX {PROPERTIES[quality]}/ADJ"),
    place=lambda city: words("in/ADP") + name(CITIES[city], "LOC"),
    day=lambda day: words(f"on/ADP {DAYS[day]}/PROPN"),
    questions={
        "who": "who {V} {O} {P}?",
        "where": "where does {S} {B} {O}?",
        "when": "when does {S} {B} {O}?",
        "thing": "what does {S} {B} {P}?",
    },
    works_for=lambda what: words("works/VERB for/ADP the/DET") + name(ORGANISATIONS[what], "ORG"),
    pronouns=("he", "she"),
    particles=PARTICLES,
    adverbs=("today", "always"),
)
