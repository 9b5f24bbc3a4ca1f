"""Russian: no articles; objects in the accusative (animate masculines have their own), `не` before the verb."""

from __future__ import annotations

from xtl.microworld.grammar import Language, Word, name, words

#: Gender (`a` animate masculine), nominative, and the accusative where it differs.
THINGS = dict(
    dog="f собака собаку", cat="a кот кота", horse="f лошадь", bird="f птица птицу", apple="n яблоко",
    orange="m апельсин", lemon="m лимон", banana="m банан", hammer="m молоток", knife="m нож", saw="f пила пилу",
    needle="f игла иглу", house="m дом", school="f школа школу", church="f церковь", hospital="f больница больницу",
    tree="n дерево", flower="m цветок", rose="f роза розу", palm="f пальма пальму", shirt="f рубашка рубашку",
    hat="f шляпа шляпу", coat="n пальто", dress="n платье", animal="n животное", fruit="m фрукт",
    tool="m инструмент", building="n здание", plant="n растение", garment="f одежда одежду",
)  # fmt: skip
#: Nominative and accusative by gender: m, a (animate accusative), f, f accusative, n.
PROPERTIES = dict(
    big="большой большого большая большую большое", small="маленький маленького маленькая маленькую маленькое",
    good="хороший хорошего хорошая хорошую хорошее", bad="плохой плохого плохая плохую плохое",
    white="белый белого белая белую белое", black="чёрный чёрного чёрная чёрную чёрное",
    heavy="тяжёлый тяжёлого тяжёлая тяжёлую тяжёлое", light="лёгкий лёгкого лёгкая лёгкую лёгкое",
    new="новый нового новая новую новое", old="старый старого старая старую старое",
    clean="чистый чистого чистая чистую чистое", dirty="грязный грязного грязная грязную грязное",
)  # fmt: skip
PEOPLE = dict(
    john="Иван", peter="Пётр", paul="Павел", michael="Михаил", james="Яков", andrew="Андрей", matthew="Матвей",
    luke="Лука", mary="Мария", elizabeth="Елизавета", catherine="Екатерина", martha="Марфа", judith="Юдифь",
    agnes="Агния", helen="Елена", margaret="Маргарита",
)  # fmt: skip
#: Nominative and, after `в`, locative.
CITIES = dict(
    london="Лондон Лондоне", rome="Рим Риме", moscow="Москва Москве", vienna="Вена Вене", geneva="Женева Женеве",
    athens="Афины Афинах", cairo="Каир Каире", warsaw="Варшава Варшаве", prague="Прага Праге",
    lisbon="Лиссабон Лиссабоне", milan="Милан Милане", venice="Венеция Венеции",
)  # fmt: skip
#: The preposition and the accusative, as an answer to "when".
DAYS = dict(
    monday="в понедельник", tuesday="во вторник", wednesday="в среду", thursday="в четверг", friday="в пятницу",
    saturday="в субботу", sunday="в воскресенье",
)  # fmt: skip
DEEDS = dict(
    see="видит", find="находит", buy="покупает", sell="продаёт", draw="рисует", love="любит", want="хочет",
    seek="ищет", take="берёт", receive="получает", lose="теряет", lend="одалживает", donate="дарит", have="имеет",
)  # fmt: skip
PARTICLES = dict(who="Кто", where="Где", when="Когда", what="Что", join="и", none="не")
ORGANISATIONS = dict(
    un="Организации/PROPN/B-ORG Объединённых/PROPN/I-ORG Наций/PROPN/I-ORG",
    red_cross="Красном/PROPN/B-ORG Кресте/PROPN/I-ORG",
    world_bank="Всемирном/PROPN/B-ORG банке/PROPN/I-ORG",
    eu="Европейском/PROPN/B-ORG союзе/PROPN/I-ORG",
    african_union="Африканском/PROPN/B-ORG союзе/PROPN/I-ORG",
    world_fund="Валютном/PROPN/B-ORG фонде/PROPN/I-ORG",
)


def thing(what: str, quality: str | None, denied: bool) -> list[Word]:
    gender, *forms = THINGS[what].split()
    described = ""
    if quality:
        described = PROPERTIES[quality].split()[{"m": 0, "a": 1, "f": 3, "n": 4}[gender]] + "/ADJ "
    return words(f"{described}{forms[-1]}/NOUN")


def is_so(what: str, quality: str) -> list[Word]:
    """ "This dog is big": without the demonstrative it would read as a headline, and there is no copula."""
    gender, noun, *_ = THINGS[what].split()
    column = {"m": 0, "a": 0, "f": 2, "n": 4}[gender]
    this = {0: "этот", 2: "эта", 4: "это"}[column]
    return words(f"{this}/DET {noun}/NOUN {PROPERTIES[quality].split()[column]}/ADJ")


def day(which: str) -> list[Word]:
    preposition, noun = DAYS[which].split()
    return words(f"{preposition}/ADP {noun}/NOUN")


LANGUAGE = Language(
    code="ru",
    people=PEOPLE,
    cities={city: forms.split()[1] for city, forms in CITIES.items()},
    days={day: forms.split()[1] for day, forms in DAYS.items()},
    verb=lambda deed, denied: words(f"{'не/PART ' if denied else ''}{DEEDS[deed]}/VERB"),
    base=DEEDS,
    thing=thing,
    is_so=is_so,
    place=lambda city: words("в/ADP") + name(CITIES[city].split()[1], "LOC"),
    day=day,
    questions={
        "who": "кто {V} {O} {P}?",
        "where": "где {S} {V} {O}?",
        "when": "когда {S} {V} {O}?",
        "thing": "что {S} {V} {P}?",
    },
    works_for=lambda what: words("работает/VERB в/ADP " + ORGANISATIONS[what]),
    pronouns=("он", "она"),
    particles=PARTICLES,
    adverbs=("сегодня", "всегда"),
)
