"""Masked LM: whole passages, masks by the step's generator, a decoder tied to the encoder's embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.families.base import Feature
from jobs.families.mlm import MaskedLM, _blocks
from tests.tiny import Run, assert_cut_changes_nothing, tiny_encoder, tiny_tokenizer
from xtl.errors import ModelError

TEXTS = ["the river runs past the old mill", "der Fluss fließt an der alten Mühle vorbei", "河流流过老磨坊", "ok"]
EXAMPLES = [{"id": str(n), "text": text} for n, text in enumerate([*TEXTS, " ".join(TEXTS * 20), ""])]
TOKENIZER = tiny_tokenizer(TEXTS * 3, 200)


def family(length: int = 32, **more: Any) -> MaskedLM:
    return MaskedLM("mlm", TOKENIZER, {"length": length, **more})


def prepared(made: MaskedLM, features: list[Feature], seed: int) -> list[Feature]:
    return made.prepare(features, np.random.default_rng(seed))


def test_passages_are_read_whole() -> None:
    made = family()
    features = made.features(EXAMPLES, train=True)
    for place, example in enumerate(EXAMPLES):
        blocks = [f.pieces for f in features if f.example == place]
        assert [p for b in blocks for p in b[1:-1]] == TOKENIZER(example["text"], add_special_tokens=False)["input_ids"]
        assert all(b[0] == 0 and b[-1] == 2 and len(b) <= 32 for b in blocks)
    assert made.cut == 0
    assert max(f.example for f in features) == 4  # the empty passage gives nothing


@given(size=st.integers(0, 500), room=st.integers(1, 60))
def test_blocks_are_few_and_of_nearly_equal_size(size: int, room: int) -> None:
    blocks = _blocks(list(range(size)), room)
    assert [piece for block in blocks for piece in block] == list(range(size))
    assert len(blocks) == -(-size // room)
    sizes = [len(block) for block in blocks]
    assert all(1 <= s <= room for s in sizes)
    assert not sizes or max(sizes) - min(sizes) <= 1


def test_masks_come_from_the_steps_generator() -> None:
    made = family()
    features = made.features(EXAMPLES, train=True)
    before = [list(f.pieces) for f in features]
    one, same, other = (prepared(made, features, seed) for seed in (1, 1, 2))
    assert one == same
    assert one != other
    assert [f.pieces for f in features] == before  # masks are drawn anew every step, from the same text


def test_masked_pieces_are_remembered_and_marks_left_alone() -> None:
    made = family()
    features = made.features(EXAMPLES, train=True)
    for bare, masked in zip(features, prepared(made, features, 3), strict=True):
        assert masked.units == len(masked.labels) == max(1, round(0.15 * (len(bare) - 2)))
        assert [bare.pieces[place] for place in masked.extra["places"]] == masked.labels
        assert set(masked.extra["places"]) <= set(range(1, len(bare) - 1))
        changed = {n for n, (a, b) in enumerate(zip(bare.pieces, masked.pieces, strict=True)) if a != b}
        assert changed <= set(masked.extra["places"])


def test_of_a_hundred_masked_80_are_the_mask_10_random_10_left() -> None:
    made = family(512)
    [feature] = made.features([{"id": "0", "text": "the river runs past the old mill " * 60}], train=True)
    steps = [prepared(made, [feature], seed)[0] for seed in range(100)]
    now = np.concatenate([np.asarray(f.pieces)[f.extra["places"]] for f in steps])
    true = np.concatenate([f.labels for f in steps])
    assert len(now) > 4000
    assert np.mean(now == made.mask) == pytest.approx(0.8, abs=0.02)
    assert np.mean(now == true) == pytest.approx(0.1, abs=0.02)
    drawn = now[(now != made.mask) & (now != true)]
    assert len(set(drawn.tolist())) > 0.5 * len(made.vocabulary)
    assert not set(drawn.tolist()) & set(TOKENIZER.all_special_ids)


def test_the_share_can_be_set() -> None:
    made = family(512, mask=0.5)
    [feature] = made.features(EXAMPLES[4:5], train=True)[:1]
    assert len(prepared(made, [feature], 1)[0].labels) == round(0.5 * (len(feature) - 2))


def test_the_decoder_is_the_encoders_embeddings_and_not_the_heads() -> None:
    run = Run(family(), tiny_encoder(TOKENIZER), TOKENIZER)
    assert set(run.head.state_dict()) == {"dense.weight", "dense.bias", "norm.weight", "norm.bias", "bias"}
    batch = prepared(run.family, run.family.features(EXAMPLES, train=True), 1)
    _, gradients = run.gradients([batch])
    through_decoder = gradients["encoder.embeddings.word_embeddings.weight"]
    absent = [p for p in range(len(TOKENIZER)) if p not in {q for f in batch for q in f.pieces} and p != 1]
    assert absent
    assert bool((through_decoder[absent].abs().sum(1) > 0).all())  # a piece that is not read is still scored


def test_a_cut_batch_has_the_same_loss() -> None:
    run = Run(family(), tiny_encoder(TOKENIZER), TOKENIZER)
    batch = prepared(run.family, run.family.features(EXAMPLES, train=True), 1)
    assert_cut_changes_nothing(run, batch, [batch[3:], batch[:3]])


def test_unprepared_features_are_refused() -> None:
    run = Run(family(), tiny_encoder(TOKENIZER), TOKENIZER)
    with pytest.raises(ValueError, match="prepare"):
        run.loss(run.family.features(EXAMPLES, train=True))


def test_figures_of_a_passage_are_over_its_blocks() -> None:
    made = family()
    features = prepared(made, made.features(EXAMPLES, train=False), 1)
    outputs = [np.array([2.0 * len(f.labels), 1.0, len(f.labels)]) for f in features]
    figures = made.decode(EXAMPLES, features, outputs)
    assert len(figures) == len(EXAMPLES)
    masked = sum(len(f.labels) for f in features if f.example == 4)
    blocks = sum(f.example == 4 for f in features)
    assert figures[4] == {"loss": 2.0, "accuracy": pytest.approx(blocks / masked), "masked": masked}
    assert figures[5] == {"loss": 0.0, "accuracy": 0.0, "masked": 0.0}


def test_outputs_agree_with_the_loss() -> None:
    from jobs.train import predict
    from tests.tiny import cpu

    run = Run(family(), tiny_encoder(TOKENIZER), TOKENIZER)
    batch = prepared(run.family, run.family.features(EXAMPLES, train=True), 1)
    outputs = predict(run.encoder, run.head, run.family, batch, device=cpu(), pad=run.pad, budget=128)
    assert sum(figures[0] for figures in outputs) == pytest.approx(run.loss(batch).item(), rel=1e-4)
    assert [int(figures[2]) for figures in outputs] == [len(f.labels) for f in batch]


def test_a_vocabulary_without_a_mask_is_refused() -> None:
    class NoMask:
        is_fast = True
        mask_token_id = None
        name_or_path = "gpt"

        def __getattr__(self, name: str) -> Any:
            return getattr(TOKENIZER, name)

        def __call__(self, *args: Any, **more: Any) -> Any:
            return TOKENIZER(*args, **more)

    with pytest.raises(ModelError, match="gpt: its tokenizer has no mask"):
        MaskedLM("mlm", NoMask(), {"length": 32})
