"""Swahili: noun classes (adjectives agree by prefix and follow the noun), no articles, negative verb forms."""

from __future__ import annotations

from xtl.microworld.grammar import Language, Word, name, words

#: Noun class (1 m-wa, which animals follow; 3 m-mi; 5 ji-ma; 7 ki-vi; 9 n) and noun.
THINGS = dict(
    dog="1 mbwa", cat="1 paka", horse="1 farasi", bird="1 ndege", apple="5 tofaa", orange="5 chungwa",
    lemon="5 limau", banana="9 ndizi", hammer="9 nyundo", knife="7 kisu", saw="3 msumeno", needle="9 sindano",
    house="9 nyumba", school="9 shule", church="5 kanisa", hospital="9 hospitali", tree="3 mti", flower="5 ua",
    rose="5 waridi", palm="3 mnazi", shirt="5 shati", hat="9 kofia", coat="5 koti", dress="5 gauni",
    animal="1 mnyama", fruit="5 tunda", tool="9 zana", building="5 jengo", plant="3 mmea", garment="5 vazi",
)  # fmt: skip
#: Classes 1 and 3, 5, 7, 9.
PROPERTIES = dict(
    big="mkubwa kubwa kikubwa kubwa", small="mdogo dogo kidogo ndogo", good="mzuri zuri kizuri nzuri",
    bad="mbaya baya kibaya mbaya", white="mweupe jeupe cheupe nyeupe", black="mweusi jeusi cheusi nyeusi",
    heavy="mzito zito kizito nzito", light="mwepesi jepesi chepesi nyepesi", new="mpya jipya kipya mpya",
    old="mkuukuu kuukuu kikuukuu kuukuu", clean="safi safi safi safi", dirty="mchafu chafu kichafu chafu",
)  # fmt: skip
COLUMN = {"1": 0, "3": 0, "5": 1, "7": 2, "9": 3}
THIS = {"1": "huyu", "3": "huu", "5": "hili", "7": "hiki", "9": "hii"}
PEOPLE = dict(
    john="Yohana", peter="Petro", paul="Paulo", michael="Mikaeli", james="Yakobo", andrew="Andrea", matthew="Mathayo",
    luke="Luka", mary="Mariamu", elizabeth="Elizabeti", catherine="Katarina", martha="Martha", judith="Yudithi",
    agnes="Agnesi", helen="Helena", margaret="Margareta",
)  # fmt: skip
CITIES = dict(
    london="London", rome="Roma", moscow="Moskva", vienna="Viena", geneva="Jeneva", athens="Athene", cairo="Kairo",
    warsaw="Warshawa", prague="Praha", lisbon="Lisbon", milan="Milano", venice="Venisi",
)  # fmt: skip
DAYS = dict(
    monday="Jumatatu", tuesday="Jumanne", wednesday="Jumatano", thursday="Alhamisi", friday="Ijumaa",
    saturday="Jumamosi", sunday="Jumapili",
)  # fmt: skip
#: Affirmative and negative.
DEEDS = dict(
    see="anaona haoni", find="anakuta hakuti", buy="ananunua hanunui", sell="anauza hauzi", draw="anachora hachori",
    love="anapenda hapendi", want="anataka hataki", seek="anatafuta hatafuti", take="anachukua hachukui",
    receive="anapokea hapokei", lose="anapoteza hapotezi", lend="anakopesha hakopeshi", donate="anatoa hatoi",
    have="ana hana",
)  # fmt: skip
PARTICLES = dict(who="Nani", where="wapi", when="lini", what="nini", join="na", none="si")
ORGANISATIONS = dict(
    un="Umoja/PROPN/B-ORG wa/PROPN/I-ORG Mataifa/PROPN/I-ORG",
    red_cross="Msalaba/PROPN/B-ORG Mwekundu/PROPN/I-ORG",
    world_bank="Benki/PROPN/B-ORG ya/PROPN/I-ORG Dunia/PROPN/I-ORG",
    eu="Umoja/PROPN/B-ORG wa/PROPN/I-ORG Ulaya/PROPN/I-ORG",
    african_union="Umoja/PROPN/B-ORG wa/PROPN/I-ORG Afrika/PROPN/I-ORG",
    world_fund="Shirika/PROPN/B-ORG la/PROPN/I-ORG Fedha/PROPN/I-ORG",
)


def _adjective(quality: str, noun_class: str) -> str:
    return PROPERTIES[quality].split()[COLUMN[noun_class]]


def thing(what: str, quality: str | None, denied: bool) -> list[Word]:
    noun_class, noun = THINGS[what].split()
    return words(f"{noun}/NOUN" + (f" {_adjective(quality, noun_class)}/ADJ" if quality else ""))


def is_so(what: str, quality: str) -> list[Word]:
    noun_class, noun = THINGS[what].split()
    return words(f"{noun}/NOUN {THIS[noun_class]}/DET ni/AUX {_adjective(quality, noun_class)}/ADJ")


LANGUAGE = Language(
    code="sw",
    people=PEOPLE,
    cities=CITIES,
    days=DAYS,
    verb=lambda deed, denied: words(f"{DEEDS[deed].split()[denied]}/VERB"),
    base={deed: forms.split()[0] for deed, forms in DEEDS.items()},
    thing=thing,
    is_so=is_so,
    place=lambda city: words("mjini/ADP") + name(CITIES[city], "LOC"),
    day=lambda day: words(f"{DAYS[day]}/NOUN"),
    questions={
        "who": "nani {V} {O} {P}?",
        "where": "{S} {V} {O} wapi?",
        "when": "{S} {V} {O} lini?",
        "thing": "{S} {V} nini {P}?",
    },
    works_for=lambda what: words("anafanya/VERB kazi/NOUN kwa/ADP " + ORGANISATIONS[what]),
    pronouns=("yeye", "yeye"),
    particles=PARTICLES,
    adverbs=("leo", "daima"),
)
