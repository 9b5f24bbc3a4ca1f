"""Every architecture of the table: loaded whole, packed as padded, read where it has read."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from jobs import adapters, families, finetune, packed
from jobs.batch import encode, make_batch
from jobs.families.base import Family, Feature
from jobs.model import is_causal, load_encoder, load_tokenizer, longest_input, pad, reads, save_encoder, see_all
from jobs.pooling import View
from jobs.pooling import encode as vectors
from jobs.train import predict
from tests.architectures import KINDS, LAYERS, make, tokenizer_for
from tests.readme import ROOT
from tests.tiny import cpu
from tests.unit.test_packed import WORDS, examples
from xtl.architectures import ARCHITECTURES
from xtl.errors import ModelError, UserError
from xtl.tasks import TASKS

TEXTS = tuple([" ".join(WORDS)] * 3)
FORMS = ("mnli", "udpos", "squad_v2", "csqa")
PACKED = [kind for kind in KINDS if ARCHITECTURES[kind].packed]
CAUSAL = [kind for kind in KINDS if ARCHITECTURES[kind].causal]
OPENED = [kind for kind in KINDS if ARCHITECTURES[kind].bidirectional]


def model_of(kind: str) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    tokenizer = tokenizer_for(kind, TEXTS)
    return make(kind, len(tokenizer)), tokenizer


def family_of(key: str, kind: str, tokenizer: PreTrainedTokenizerFast) -> Family:
    return families.make(TASKS[key], tokenizer, {"length": 96}, reads=ARCHITECTURES[kind].reads)


@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_is_accounted_for(kind: str, tmp_path: Path) -> None:
    model, tokenizer = model_of(kind)
    model.save_pretrained(tmp_path / "hub")
    tokenizer.save_pretrained(tmp_path / "hub")
    fetched = load_encoder(tmp_path / "hub", fetched=True)
    save_encoder(fetched, load_tokenizer(tmp_path / "hub"), tmp_path / "stage")
    again = load_encoder(tmp_path / "stage")
    assert type(again) is type(model)
    wanted, found = model.state_dict(), again.state_dict()
    assert wanted.keys() == found.keys()
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_says_what_its_attention_does(kind: str) -> None:
    model, _ = model_of(kind)
    assert is_causal(model) == ARCHITECTURES[kind].causal
    assert longest_input(model) >= 512


@pytest.mark.parametrize("kind", OPENED)
def test_attention_can_be_opened(kind: str) -> None:
    model, _ = model_of(kind)
    see_all(model)
    assert not is_causal(model)


@pytest.mark.parametrize(
    ("kind", "opened"), [*((kind, False) for kind in PACKED), *((kind, True) for kind in PACKED if kind in OPENED)]
)
def test_packed_is_padded(kind: str, opened: bool) -> None:
    """Hidden states and gradients, on texts longer than the sliding windows of those that have them."""
    model, tokenizer = model_of(kind)
    if opened:
        see_all(model)
    family = family_of("mnli", kind, tokenizer)
    features = family.features(examples("mnli"), train=True)
    assert max(map(len, features)) > 40
    found = []
    for packs in (False, True):
        assert not packs or packed.pack(model)
        model.zero_grad()
        hidden = encode(model, make_batch(model, family, features, pad(tokenizer)))
        # A fixed direction: the length of what a norm gives is the same whatever stands before it.
        (hidden @ torch.randn(hidden.shape[-1], generator=torch.Generator().manual_seed(2))).mean().backward()
        found.append((hidden.detach(), {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}))
    (hidden, wanted), (other, gradients) = found
    assert torch.allclose(hidden, other, atol=1e-4 * float(hidden.abs().max()))
    assert wanted.keys() == gradients.keys()
    most = max(float(gradient.abs().max()) for gradient in wanted.values())
    for name, gradient in wanted.items():
        scale = max(1e-3 * most, float(gradient.abs().max()))  # a key's bias has none, but for rounding
        assert torch.allclose(gradients[name], gradient, atol=2e-3 * scale), name


@pytest.mark.parametrize("key", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_side_that_a_tokenizer_pads_on_changes_nothing(kind: str, key: str) -> None:
    model, tokenizer = model_of(kind)
    found = examples(key)
    answers = []
    for side in ("left", "right"):
        one = copy.deepcopy(tokenizer)
        one.padding_side = side
        family = family_of(key, kind, one)
        torch.manual_seed(1)
        head = family.head(model).eval()
        features = family.features(found, train=False)
        outputs = predict(model, head, family, features, device=cpu(), pad=pad(one), budget=256)
        answers.append(family.decode(found, features, outputs))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("kind", ["qwen3", "bloom"])
def test_what_stands_beside_an_input_changes_nothing(kind: str) -> None:
    """Alone, or padded beside longer ones."""
    model, tokenizer = model_of(kind)
    family = family_of("mnli", kind, tokenizer)
    features = sorted(family.features(examples("mnli"), train=True), key=len)
    with torch.inference_mode():
        alone = encode(model, make_batch(model, family, features[:1], pad(tokenizer)))
        beside = encode(model, make_batch(model, family, features, pad(tokenizer)))
    assert torch.allclose(alone, beside[: len(alone)], atol=1e-4 * float(alone.abs().max()))


def test_a_decoders_inputs_end_in_its_end_mark_and_nothing_of_a_text_becomes_a_mark() -> None:
    tokenizer = tokenizer_for("qwen3", TEXTS)
    family = family_of("mnli", "qwen3", tokenizer)
    (feature,) = family.features(
        [{"id": "1", "text_a": "a cat", "text_b": "<|im_start|>", "label": "neutral"}], train=True
    )
    end, start = tokenizer.convert_tokens_to_ids(["<|end|>", "<|im_start|>"])
    assert feature.pieces[-1] == end
    assert list(feature.pieces).count(end) == 1
    assert start not in feature.pieces
    assert tokenizer.decode(feature.pieces[:-1]) == "a cat\n<|im_start|>"
    assert family.tensors([feature])["read"].tolist() == [len(feature) - 1]


def test_a_word_is_read_at_its_last_piece_by_what_has_not_seen_the_rest() -> None:
    tokenizer = tokenizer_for("qwen3", TEXTS)
    family = family_of("udpos", "qwen3", tokenizer)
    (feature,) = family.features([{"id": "1", "tokens": ["xyz", "cat"], "tags": ["NOUN", "NOUN"]}], train=True)
    first, second = feature.extra["read"]
    assert tokenizer.decode(feature.pieces[: first + 1]) == " xyz"
    assert tokenizer.decode(feature.pieces[first + 1 : second + 1]) == " cat"
    assert first > 0, "several pieces"


def test_no_answer_is_pointed_at_where_the_question_has_been_read() -> None:
    tokenizer = tokenizer_for("qwen3", TEXTS)
    family = family_of("squad_v2", "qwen3", tokenizer)
    (feature,) = family.features([{"id": "1", "question": "who ?", "context": "a cat", "answers": []}], train=True)
    assert feature.labels == (len(feature) - 1, len(feature) - 1)


@pytest.mark.parametrize("kind", CAUSAL)
def test_sentences_are_told_apart_at_their_last_piece(kind: str) -> None:
    model, tokenizer = model_of(kind)
    views = [View(layer, how) for how in ("mean", "last") for layer in range(LAYERS + 1)]  # type: ignore[arg-type]
    texts = ["the cat sat", "the cat ran", "a dog slept on a mat under here"]
    found = vectors(model, tokenizer, texts, views=views, reads="last", micro_tokens=64).vectors
    alone = vectors(model, tokenizer, texts[:1], views=views, reads="last").vectors
    assert found.shape == (2 * (LAYERS + 1), 3, model.config.hidden_size)
    assert np.allclose(found[:, :1], alone, atol=1e-4 * np.abs(alone).max())
    ends = found[LAYERS + 1 :]
    assert np.allclose(ends[0, 0], ends[0, 1]), "the end mark's own embedding"
    assert not np.allclose(ends[-1, 0], ends[-1, 1], atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_adapters_merged_are_adapters_apart(kind: str, tmp_path: Path) -> None:
    model, tokenizer = model_of(kind)
    plain = copy.deepcopy(model)
    features = [Feature(example=0, pieces=list(range(3, 20)))]
    family = family_of("mnli", kind, tokenizer)

    def hidden(of: PreTrainedModel) -> torch.Tensor:
        with torch.inference_mode():
            return encode(of, make_batch(of, family, features, pad(tokenizer)))

    adapters.add(model, {"rank": 4, "alpha": 8, "targets": "all-linear"}, seed=1)
    assert torch.equal(hidden(model), hidden(plain)), "new adapters change nothing"
    trained = {name: value for name, value in model.named_parameters() if value.requires_grad}
    assert trained
    assert all("lora_" in name for name in trained)
    with torch.no_grad():
        for value in trained.values():
            value.add_(0.05 * torch.randn(value.shape, generator=torch.Generator().manual_seed(1)))
    apart = hidden(model)
    adapters.save(model, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(adapters.FILES)
    merged = adapters.merge(copy.deepcopy(plain), tmp_path)
    assert type(merged) is type(plain)
    assert not any("lora" in name for name in merged.state_dict())
    scale = float(apart.abs().max())
    assert not torch.allclose(apart, hidden(plain), atol=1e-3 * scale)
    assert torch.allclose(hidden(merged), apart, atol=1e-5 * scale)
    adapters.go_on(plain, tmp_path)
    assert torch.allclose(hidden(plain), apart, atol=1e-6 * scale)
    assert {n for n, p in plain.named_parameters() if p.requires_grad} == trained.keys()


@pytest.mark.parametrize(
    ("spec", "adapted", "narrow"),
    [
        ({"settings": {"lr": 1e-4}}, False, False),
        ({"settings": {"lr": 1e-4}, "lora": {"carry": "continue"}}, False, True),
        ({"settings": {"lr": 1e-4}, "lora": {"carry": "continue"}}, True, True),
        ({"settings": {"lr": 1e-4}, "lora": {"carry": "merge"}}, False, True),
        ({"settings": {"lr": 1e-4}, "lora": {"carry": "merge"}}, True, False),
        ({"optimiser": {"lr": 1e-4}, "lora": {}}, False, True),
        ({"settings": {"length": 512}, "lora": {}}, True, False),
        ({"settings": {"length": 512}}, False, False),
        ({"settings": {"length": 512}, "prompt": {}}, False, True),
    ],
)
def test_weights_that_stay_as_they_are_are_narrow_on_a_gpu(spec: Any, adapted: bool, narrow: bool) -> None:
    for kind, precision in (("cuda", "bf16"), ("cuda", "fp32"), ("cpu", "bf16")):
        device: Any = SimpleNamespace(torch=torch.device(kind), precision=precision)
        expected = torch.bfloat16 if narrow and (kind, precision) == ("cuda", "bf16") else torch.float32
        assert finetune.width(spec, device, adapted=adapted) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_adapters_are_wide_on_narrow_weights_and_both_can_be_loaded_so(kind: str, tmp_path: Path) -> None:
    tokenizer = tokenizer_for(kind, [" ".join(WORDS)] * 3)
    save_encoder(make(kind, len(tokenizer)), tokenizer, tmp_path)
    narrow = load_encoder(tmp_path, dtype=torch.bfloat16)
    assert {value.dtype for value in narrow.parameters()} == {torch.bfloat16}
    adapters.add(narrow, {"rank": 4, "alpha": 8, "targets": "all-linear"}, seed=0)
    assert {value.dtype for value in narrow.parameters() if value.requires_grad} == {torch.float32}


def test_the_documentation_has_every_architecture() -> None:
    text = (ROOT / "docs/models.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip(" `") for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| `")
    ][1:]
    opens = {True: {True: "yes", False: "no"}, False: {False: "sees all as it is"}}
    assert rows == [
        [
            kind,
            known.title,
            known.reads,
            "none" if known.packed else "by length",
            opens[known.causal][known.bidirectional],
        ]
        for kind, known in ARCHITECTURES.items()
    ]


def test_an_architecture_that_is_not_known_runs_the_plain_way() -> None:
    """Its attention is tried, its positions are looked at."""
    from transformers import GPT2Config, GPT2Model, MPNetConfig, MPNetModel

    decoder = GPT2Model(GPT2Config(vocab_size=50, n_embd=16, n_layer=1, n_head=2, n_positions=64))
    assert reads(decoder) == "last"
    assert not packed.pack(decoder)
    encoder = MPNetModel(
        MPNetConfig(vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    )
    assert reads(encoder) == "first"
    assert longest_input(encoder) == encoder.config.max_position_embeddings - encoder.config.pad_token_id - 1


def test_what_cannot_be_opened_says_so() -> None:
    with pytest.raises(UserError, match="a model of type bloom cannot be made bidirectional"):
        see_all(model_of("bloom")[0])


def test_layers_that_are_not_there_cannot_have_adapters() -> None:
    with pytest.raises(
        UserError, match=r"train: targets: no_such_layer: no layer is called so, .* linear layers: .* q_proj"
    ):
        adapters.add(model_of("qwen3")[0], {"rank": 4, "alpha": 8, "targets": ["no_such_layer"]}, seed=1)


def test_adapters_that_are_damaged_are_not_half_loaded(tmp_path: Path) -> None:
    model, _ = model_of("qwen3")
    adapters.add(model, {"rank": 4, "alpha": 8, "targets": "all-linear"}, seed=1)
    adapters.save(model, tmp_path)
    file = tmp_path / adapters.FILES[1]
    tensors = load_file(file)
    tensors.pop(next(iter(tensors)))
    save_file(tensors, file)
    with pytest.raises(ModelError, match="1 adapter weights missing or unexpected"):
        adapters.merge(model_of("qwen3")[0], tmp_path)
