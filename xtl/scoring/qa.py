"""Exact match and F1 of extracted answers, with the normalisers of SQuAD v1.1, SQuAD v2.0 and MLQA.

Both figures are the best over a question's gold answers. XTREME uses SQuAD's normaliser for XQuAD and TyDiQA in every
language, so Chinese and Thai, which have no spaces, get an F1 close to EM. MLQA has its own, by language: Unicode
punctuation dropped, articles of the language dropped, Chinese split into characters. Its quirks are kept: the Arabic
article's two letters are deleted wherever they stand.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

Normaliser = Callable[[str], str]

_ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ENGLISH_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_CHINESE = re.compile("([\u4e00-\u9fa5])")

#: MLQA's articles; Hindi and Chinese have none, Arabic has a rule of its own.
_MLQA_ARTICLES = {
    "en": _ENGLISH_ARTICLES,
    "es": re.compile(r"\b(?:un|una|unos|unas|el|la|los|las)\b"),
    "de": re.compile(r"\b(?:ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b"),
    "vi": re.compile(r"\b(?:của|là|cái|chiếc|những)\b"),
    "ar": re.compile("ال"),
}
MLQA_LANGUAGES = ("en", "es", "de", "ar", "hi", "vi", "zh")


class _DropPunctuation(dict[int, int | None]):
    """A table for `str.translate`, filled as characters are met: Unicode's P categories and ASCII punctuation go."""

    def __missing__(self, code: int) -> int | None:
        character = chr(code)
        dropped = character in string.punctuation or unicodedata.category(character).startswith("P")
        self[code] = None if dropped else code
        return self[code]


_UNICODE_PUNCTUATION = _DropPunctuation()


def squad_normal(text: str) -> str:
    """Lower case, no ASCII punctuation, no English articles, single spaces."""
    return " ".join(_ENGLISH_ARTICLES.sub(" ", text.lower().translate(_ASCII_PUNCTUATION)).split())


def mlqa_normaliser(language: str) -> Normaliser:
    """MLQA's normaliser of one language. Raises ValueError for a language that MLQA has not."""
    if language not in MLQA_LANGUAGES:
        raise ValueError(f"MLQA has no language {language!r}: it has {' '.join(MLQA_LANGUAGES)}")
    articles = _MLQA_ARTICLES.get(language)

    def normal(text: str) -> str:
        text = text.lower().translate(_UNICODE_PUNCTUATION)
        if articles:
            text = articles.sub(" ", text)
        if language == "zh":
            text = _CHINESE.sub(r" \1 ", text)
        return " ".join(text.split())

    return normal


def token_f1(predicted: Sequence[str], gold: Sequence[str]) -> float:
    """F1 over two bags of tokens; 0 where either is empty, even if both are (SQuAD v1.1)."""
    common = sum((Counter(predicted) & Counter(gold)).values())
    if not common:
        return 0.0
    precision, recall = common / len(predicted), common / len(gold)
    return 2 * precision * recall / (precision + recall)


def em_f1(prediction: str, answers: Sequence[str], normal: Normaliser = squad_normal) -> tuple[float, float]:
    """EM (0 or 1) and F1 (0 to 1) of one prediction, each the best over the gold answers. Raises ValueError for no
    gold answers."""
    if not answers:
        raise ValueError("a question without gold answers")
    predicted = normal(prediction)
    golds = {normal(answer) for answer in answers}
    tokens = predicted.split()
    return float(predicted in golds), max(token_f1(tokens, gold.split()) for gold in golds)


def squad_v2_em_f1(prediction: str, answers: Sequence[str]) -> tuple[float, float]:
    """SQuAD v2.0's EM and F1: a question without (non-empty) answers is right if and only if the prediction is empty
    once normalised."""
    golds = [answer for answer in answers if squad_normal(answer)]
    if golds and squad_normal(prediction):
        return em_f1(prediction, golds)
    right = float(not golds and not squad_normal(prediction))
    return right, right
