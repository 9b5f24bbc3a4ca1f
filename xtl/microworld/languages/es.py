"""Spanish: two genders, adjectives after the noun, `no ... ningún`."""

from __future__ import annotations

from xtl.microworld.grammar import Language, Word, name, words

#: Gender and noun.
THINGS = dict(
    dog="m perro", cat="m gato", horse="m caballo", bird="m pájaro", apple="f manzana", orange="f naranja",
    lemon="m limón", banana="m plátano", hammer="m martillo", knife="m cuchillo", saw="f sierra", needle="f aguja",
    house="f casa", school="f escuela", church="f iglesia", hospital="m hospital", tree="m árbol", flower="f flor",
    rose="f rosa", palm="f palmera", shirt="f camisa", hat="m sombrero", coat="m abrigo", dress="m vestido",
    animal="m animal", fruit="f fruta", tool="f herramienta", building="m edificio", plant="f planta",
    garment="f prenda",
)  # fmt: skip
#: Masculine, feminine.
PROPERTIES = dict(
    big="grande grande", small="pequeño pequeña", good="bueno buena", bad="malo mala", white="blanco blanca",
    black="negro negra", heavy="pesado pesada", light="ligero ligera", new="nuevo nueva", old="viejo vieja",
    clean="limpio limpia", dirty="sucio sucia",
)  # fmt: skip
PEOPLE = dict(
    john="Juan", peter="Pedro", paul="Pablo", michael="Miguel", james="Santiago", andrew="Andrés", matthew="Mateo",
    luke="Lucas", mary="María", elizabeth="Isabel", catherine="Catalina", martha="Marta", judith="Judit",
    agnes="Inés", helen="Elena", margaret="Margarita",
)  # fmt: skip
CITIES = dict(
    london="Londres", rome="Roma", moscow="Moscú", vienna="Viena", geneva="Ginebra", athens="Atenas",
    cairo="El Cairo", warsaw="Varsovia", prague="Praga", lisbon="Lisboa", milan="Milán", venice="Venecia",
)  # fmt: skip
DAYS = dict(
    monday="lunes", tuesday="martes", wednesday="miércoles", thursday="jueves", friday="viernes", saturday="sábado",
    sunday="domingo",
)  # fmt: skip
DEEDS = dict(
    see="ve", find="encuentra", buy="compra", sell="vende", draw="dibuja", love="ama", want="quiere", seek="busca",
    take="toma", receive="recibe", lose="pierde", lend="presta", donate="dona", have="tiene",
)  # fmt: skip
PARTICLES = dict(who="Quién", where="Dónde", when="Cuándo", what="Qué", join="y", none="ninguna")
ORGANISATIONS = dict(
    un="las/DET Naciones/PROPN/B-ORG Unidas/PROPN/I-ORG",
    red_cross="la/DET Cruz/PROPN/B-ORG Roja/PROPN/I-ORG",
    world_bank="el/DET Banco/PROPN/B-ORG Mundial/PROPN/I-ORG",
    eu="la/DET Unión/PROPN/B-ORG Europea/PROPN/I-ORG",
    african_union="la/DET Unión/PROPN/B-ORG Africana/PROPN/I-ORG",
    world_fund="el/DET Fondo/PROPN/B-ORG Monetario/PROPN/I-ORG",
)
ONE = {"m": "un", "f": "una"}
NONE = {"m": "ningún", "f": "ninguna"}
THE = {"m": "el", "f": "la"}


def _adjective(quality: str, gender: str) -> str:
    return PROPERTIES[quality].split()[gender == "f"]


def thing(what: str, quality: str | None, denied: bool) -> list[Word]:
    gender, noun = THINGS[what].split()
    described = f" {_adjective(quality, gender)}/ADJ" if quality else ""
    return words(f"{(NONE if denied else ONE)[gender]}/DET {noun}/NOUN{described}")


def is_so(what: str, quality: str) -> list[Word]:
    gender, noun = THINGS[what].split()
    return words(f"{THE[gender]}/DET {noun}/NOUN es/AUX {_adjective(quality, gender)}/ADJ")


LANGUAGE = Language(
    code="es",
    people=PEOPLE,
    cities=CITIES,
    days=DAYS,
    verb=lambda deed, denied: words(f"{'no/ADV ' if denied else ''}{DEEDS[deed]}/VERB"),
    base=DEEDS,
    thing=thing,
    is_so=is_so,
    place=lambda city: words("en/ADP") + name(CITIES[city], "LOC"),
    day=lambda day: words(f"el/DET {DAYS[day]}/NOUN"),
    questions={
        "who": "¿quién {V} {O} {P}?",
        "where": "¿dónde {V} {S} {O}?",
        "when": "¿cuándo {V} {S} {O}?",
        "thing": "¿qué {V} {S} {P}?",
    },
    works_for=lambda what: words("trabaja/VERB para/ADP " + ORGANISATIONS[what]),
    pronouns=("él", "ella"),
    particles=PARTICLES,
    adverbs=("hoy", "siempre"),
)
