"""Single metrics against figures worked out by hand; sets, normalisers and the BUCC threshold against slow oracles."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtl.scoring import classification, qa, retrieval
from xtl.scoring.counts import mean, precision_recall_f1


def test_accuracy_compares_lines_as_text() -> None:
    assert classification.matches(["1", 1, "01", "neutral"], [1, "1", "1", "Neutral"]) == [True, True, False, False]
    assert classification.accuracy([True, False, True, True]) == 75.0
    with pytest.raises(ValueError, match="no items"):
        classification.accuracy([])
    with pytest.raises(ValueError, match="zip"):
        classification.matches(["0"], ["0", "1"])


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The  Cat's «hat», an A-side.", "cats «hat» aside"),
        ("THE a an", ""),
        ("Answer:\u00a0\u3000the\u2028end", "answer end"),
        ("theatre another", "theatre another"),
        ("«the» 女。神", "« » 女。神"),
        ("$5 + 3_0", "5 30"),
    ],
)
def test_squad_normaliser(text: str, normal: str) -> None:
    assert qa.squad_normal(text) == normal


@pytest.mark.parametrize(
    ("language", "text", "normal"),
    [
        ("en", "The «cat», an A–side $5", "cat aside 5"),
        ("es", "¿El niño y LA niña?", "niño y niña"),
        ("es", "the el", "the"),
        ("de", "Der Hund des Mannes „Einer“", "hund mannes"),
        ("de", "einer seine", "seine"),
        ("vi", "Những chiếc xe của Là", "xe"),
        ("hi", "the दिल्ली।", "the दिल्ली"),
        ("ar", "الكتاب بالمدينة", "كتاب ب مدينة"),  # the article's letters go inside words too: MLQA's quirk
        ("ar", "مال", "م"),
        ("zh", "女神卡卡 ABC def，12", "女 神 卡 卡 abc def12"),  # punctuation goes before words are cut
        ("zh", "龥龦鿿", "龥 龦鿿"),  # single characters only up to U+9FA5
        ("zh", "the 《书》", "the 书"),
    ],
)
def test_mlqa_normaliser(language: str, text: str, normal: str) -> None:
    assert qa.mlqa_normaliser(language)(text) == normal


def test_mlqa_normaliser_refuses_another_language() -> None:
    with pytest.raises(ValueError, match="'th'"):
        qa.mlqa_normaliser("th")


def test_em_f1_is_the_best_over_the_golds() -> None:
    assert qa.em_f1("The red fox", ["a fox", "red fox"]) == (1.0, 1.0)
    em, f1 = qa.em_f1("big red fox", ["fox", "red fox den"])
    assert (em, f1) == (0.0, pytest.approx(2 / 3))
    assert qa.em_f1("the", ["a"]) == (1.0, 0.0)  # both empty once normalised: equal, but no token in common
    assert qa.em_f1("ab ab ab", ["ab"]) == (0.0, pytest.approx(0.5))
    with pytest.raises(ValueError, match="gold"):
        qa.em_f1("x", [])


@pytest.mark.parametrize(
    ("prediction", "answers", "expected"),
    [
        ("", [], (1.0, 1.0)),
        ("the", [], (1.0, 1.0)),
        ("x", [], (0.0, 0.0)),
        ("", ["x"], (0.0, 0.0)),
        ("", ["the"], (1.0, 1.0)),
        ("x y", ["x", "the"], (0.0, pytest.approx(2 / 3))),
        ("x", ["x"], (1.0, 1.0)),
    ],
)
def test_squad_v2_without_answers(prediction: str, answers: list[str], expected: tuple[float, float]) -> None:
    assert qa.squad_v2_em_f1(prediction, answers) == expected


def test_bucc_pairs_are_sets_and_blank_lines_are_pairs() -> None:
    gold = [("a", "1"), ("b", "2"), ("c", "3"), ("c", "3")]
    predicted = [("a", "1"), ("a", "1"), ("b", "9"), ("",)]
    assert retrieval.pair_counts(gold, predicted) == [("a", 1, 1, 1), ("b", 0, 1, 1), ("c", 0, 0, 1), ("", 0, 1, 0)]
    assert precision_recall_f1(1, 3, 3) == pytest.approx({"f1": 100 / 3, "precision": 100 / 3, "recall": 100 / 3})
    assert precision_recall_f1(0, 0, 0) == {"f1": 0.0, "precision": 0.0, "recall": 0.0}


def test_threshold_lies_half_way_below_the_best_cut() -> None:
    gold = {("a", "1"), ("b", "2"), ("c", "3")}
    scored = {("x", "9"): 0.2, ("a", "1"): 0.9, ("b", "2"): 0.8, ("y", "9"): 0.5}
    assert retrieval.best_threshold(scored, gold) == pytest.approx(0.65)
    assert retrieval.extract(scored, 0.65) == [("a", "1"), ("b", "2")]
    assert retrieval.best_threshold({("a", "1"): 0.9}, gold) == 0.9  # the last candidate: nothing to go half way to
    assert retrieval.best_threshold({("x", "9"): 0.9}, gold) == 0.0
    assert retrieval.best_threshold({}, gold) == 0.0


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=25), st.integers(0, 5))
def test_no_other_threshold_does_better(ranks: list[tuple[int, bool]], unfound: int) -> None:
    """With distinct scores, taking what the threshold takes gives the best F1 of all cuts."""
    scores = {(str(n), "t"): rank + n / 100 for n, (rank, _) in enumerate(ranks)}
    gold = {(str(n), "t") for n, (_, right) in enumerate(ranks) if right} | {("u", str(n)) for n in range(unfound)}

    def f1(threshold: float) -> float:
        taken = retrieval.extract(scores, threshold)
        return precision_recall_f1(len(gold.intersection(taken)), len(taken), len(gold))["f1"]

    best = max((f1(score) for score in scores.values()), default=0.0)
    assert f1(retrieval.best_threshold(scores, gold)) == pytest.approx(best)


@settings(deadline=None)
@given(st.lists(st.floats(0, 100), min_size=1))
def test_a_mean_does_not_hang_on_the_order(values: list[float]) -> None:
    assert mean(values) == mean(reversed(values)) == mean(sorted(values))
    assert math.isclose(mean(values), sum(values) / len(values), abs_tol=1e-9)
