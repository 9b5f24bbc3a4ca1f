"""German: indefinite accusative objects, so three genders and one adjective ending each; the verb stands second."""

from __future__ import annotations

from xtl.microworld.grammar import Language, Word, contraction, name, words

#: Gender and noun.
THINGS = dict(
    dog="m Hund", cat="f Katze", horse="n Pferd", bird="m Vogel", apple="m Apfel", orange="f Orange",
    lemon="f Zitrone", banana="f Banane", hammer="m Hammer", knife="n Messer", saw="f Säge", needle="f Nadel",
    house="n Haus", school="f Schule", church="f Kirche", hospital="n Krankenhaus", tree="m Baum", flower="f Blume",
    rose="f Rose", palm="f Palme", shirt="n Hemd", hat="m Hut", coat="m Mantel", dress="n Kleid", animal="n Tier",
    fruit="f Frucht", tool="n Werkzeug", building="n Gebäude", plant="f Pflanze", garment="n Kleidungsstück",
)  # fmt: skip
PROPERTIES = dict(
    big="groß", small="klein", good="gut", bad="schlecht", white="weiß", black="schwarz", heavy="schwer",
    light="leicht", new="neu", old="alt", clean="sauber", dirty="schmutzig",
)  # fmt: skip
PEOPLE = dict(
    john="Johannes", peter="Petrus", paul="Paulus", michael="Michel", james="Jakob", andrew="Andreas",
    matthew="Matthias", luke="Lukas", mary="Maria", elizabeth="Elisabeth", catherine="Katharina", martha="Marta",
    judith="Judith", agnes="Agnete", helen="Helene", margaret="Margarete",
)  # fmt: skip
CITIES = dict(
    london="London", rome="Rom", moscow="Moskau", vienna="Wien", geneva="Genf", athens="Athen", cairo="Kairo",
    warsaw="Warschau", prague="Prag", lisbon="Lissabon", milan="Mailand", venice="Venedig",
)  # fmt: skip
DAYS = dict(
    monday="Montag", tuesday="Dienstag", wednesday="Mittwoch", thursday="Donnerstag", friday="Freitag",
    saturday="Samstag", sunday="Sonntag",
)  # fmt: skip
DEEDS = dict(
    see="sieht", find="findet", buy="kauft", sell="verkauft", draw="zeichnet", love="liebt", want="will",
    seek="sucht", take="nimmt", receive="bekommt", lose="verliert", lend="verleiht", donate="spendet", have="hat",
)  # fmt: skip
PARTICLES = dict(who="Wer", where="Wo", when="Wann", what="Was", join="und", none="keine")
ORGANISATIONS = dict(
    un="die/DET Vereinten/PROPN/B-ORG Nationen/PROPN/I-ORG",
    red_cross="das/DET Rote/PROPN/B-ORG Kreuz/PROPN/I-ORG",
    world_bank="die/DET Weltbank/PROPN/B-ORG",
    eu="die/DET Europäische/PROPN/B-ORG Union/PROPN/I-ORG",
    african_union="die/DET Afrikanische/PROPN/B-ORG Union/PROPN/I-ORG",
    world_fund="den/DET Währungsfonds/PROPN/B-ORG",
)
ARTICLE = {"m": "einen", "f": "eine", "n": "ein"}
ENDING = {"m": "en", "f": "e", "n": "es"}
THE = {"m": "der", "f": "die", "n": "das"}


def thing(what: str, quality: str | None, denied: bool) -> list[Word]:
    gender, noun = THINGS[what].split()
    described = f"{PROPERTIES[quality]}{ENDING[gender]}/ADJ " if quality else ""
    return words(f"{'k' if denied else ''}{ARTICLE[gender]}/DET {described}{noun}/NOUN")


def is_so(what: str, quality: str) -> list[Word]:
    gender, noun = THINGS[what].split()
    return words(f"{THE[gender]}/DET {noun}/NOUN ist/AUX {PROPERTIES[quality]}/ADJ")


LANGUAGE = Language(
    code="de",
    people=PEOPLE,
    cities=CITIES,
    days=DAYS,
    verb=lambda deed, denied: words(f"{DEEDS[deed]}/VERB"),
    base=DEEDS,
    thing=thing,
    is_so=is_so,
    place=lambda city: words("in/ADP") + name(CITIES[city], "LOC"),
    day=lambda day: [contraction("am", ("an", "ADP"), ("dem", "DET")), *words(f"{DAYS[day]}/NOUN")],
    questions={
        "who": "wer {V} {P} {O}?",
        "where": "wo {V} {S} {O}?",
        "when": "wann {V} {S} {O}?",
        "thing": "was {V} {S} {P}?",
    },
    works_for=lambda what: words("arbeitet/VERB für/ADP " + ORGANISATIONS[what]),
    pronouns=("er", "sie"),
    particles=PARTICLES,
    adverbs=("heute", "immer"),
    fronted="DVSOP",
)
