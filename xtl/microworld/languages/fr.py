"""French: two genders, some adjectives before the noun (with a form of their own before a vowel), `ne ... aucun`."""

from __future__ import annotations

from xtl.microworld.grammar import Language, Word, contraction, name, words

#: Gender and noun; a `v` after the gender: it starts with a vowel sound.
THINGS = dict(
    dog="m chien", cat="m chat", horse="m cheval", bird="mv oiseau", apple="f pomme", orange="fv orange",
    lemon="m citron", banana="f banane", hammer="m marteau", knife="m couteau", saw="f scie", needle="fv aiguille",
    house="f maison", school="fv école", church="fv église", hospital="mv hôpital", tree="mv arbre", flower="f fleur",
    rose="f rose", palm="m palmier", shirt="f chemise", hat="m chapeau", coat="m manteau", dress="f robe",
    animal="mv animal", fruit="m fruit", tool="mv outil", building="m bâtiment", plant="f plante",
    garment="m vêtement",
)  # fmt: skip
#: Masculine, feminine; with a third form, masculine before a vowel: it stands before the noun.
PROPERTIES = dict(
    big="grand grande grand", small="petit petite petit", good="bon bonne bon", bad="mauvais mauvaise mauvais",
    white="blanc blanche", black="noir noire", heavy="lourd lourde", light="léger légère",
    new="nouveau nouvelle nouvel", old="vieux vieille vieil", clean="propre propre", dirty="sale sale",
)  # fmt: skip
PEOPLE = dict(
    john="Jean", peter="Pierre", paul="Paul", michael="Michaël", james="Jacques", andrew="André",
    matthew="Matthieu", luke="Luc", mary="Marie", elizabeth="Élisabeth", catherine="Catherine", martha="Marthe",
    judith="Judith", agnes="Agnès", helen="Hélène", margaret="Marguerite",
)  # fmt: skip
CITIES = dict(
    london="Londres", rome="Rome", moscow="Moscou", vienna="Vienne", geneva="Genève", athens="Athènes",
    cairo="Caire", warsaw="Varsovie", prague="Prague", lisbon="Lisbonne", milan="Milan", venice="Venise",
)  # fmt: skip
DAYS = dict(
    monday="lundi", tuesday="mardi", wednesday="mercredi", thursday="jeudi", friday="vendredi", saturday="samedi",
    sunday="dimanche",
)  # fmt: skip
DEEDS = dict(
    see="voit", find="trouve", buy="achète", sell="vend", draw="dessine", love="aime", want="veut", seek="cherche",
    take="prend", receive="reçoit", lose="perd", lend="prête", donate="donne", have="a",
)  # fmt: skip
PARTICLES = dict(who="Qui", where="Où", when="Quand", what="Qu'est-ce", join="et", none="aucune")
ORGANISATIONS = dict(
    un="les/DET Nations/PROPN/B-ORG unies/PROPN/I-ORG",
    red_cross="la/DET Croix-Rouge/PROPN/B-ORG",
    world_bank="la/DET Banque/PROPN/B-ORG mondiale/PROPN/I-ORG",
    eu="l'+/DET Union/PROPN/B-ORG européenne/PROPN/I-ORG",
    african_union="l'+/DET Union/PROPN/B-ORG africaine/PROPN/I-ORG",
    world_fund="le/DET Fonds/PROPN/B-ORG monétaire/PROPN/I-ORG",
)


def verb(deed: str, denied: bool) -> list[Word]:
    if not denied:
        return words(f"{DEEDS[deed]}/VERB")
    return words(f"{_not(DEEDS[deed])}/PART {DEEDS[deed]}/VERB")


def _not(following: str) -> str:
    return "n'+" if following[0] in "aeiou" else "ne"


def thing(what: str, quality: str | None, denied: bool) -> list[Word]:
    gender, noun = THINGS[what].split()
    feminine = gender[0] == "f"
    article = ("aucun" if denied else "un") + ("e" if feminine else "")
    made = f"{noun}/NOUN"
    if quality:
        forms = PROPERTIES[quality].split()
        before = len(forms) == 3
        adjective = forms[1] if feminine else forms[2] if before and gender == "mv" else forms[0]
        made = f"{adjective}/ADJ {made}" if before else f"{made} {adjective}/ADJ"
    return words(f"{article}/DET {made}")


def is_so(what: str, quality: str) -> list[Word]:
    gender, noun = THINGS[what].split()
    article = "l'+" if gender.endswith("v") else "la" if gender == "f" else "le"
    return words(f"{article}/DET {noun}/NOUN est/AUX {PROPERTIES[quality].split()[gender[0] == 'f']}/ADJ")


def place(city: str) -> list[Word]:
    to = [contraction("au", ("à", "ADP"), ("le", "DET"))] if city == "cairo" else words("à/ADP")
    return to + name(CITIES[city], "LOC")


LANGUAGE = Language(
    code="fr",
    people=PEOPLE,
    cities=CITIES,
    days=DAYS,
    verb=verb,
    base=DEEDS,
    thing=thing,
    is_so=is_so,
    place=place,
    day=lambda day: words(f"{DAYS[day]}/NOUN"),
    questions={
        "who": "qui {V} {O} {P} ?",
        "where": "où est-ce que {S} {V} {O} ?",
        "when": "quand est-ce que {S} {V} {O} ?",
        "thing": "qu'est-ce que {S} {V} {P} ?",
    },
    works_for=lambda what: words("travaille/VERB pour/ADP " + ORGANISATIONS[what]),
    pronouns=("il", "elle"),
    particles=PARTICLES,
    adverbs=("aujourd'hui", "toujours"),
)
