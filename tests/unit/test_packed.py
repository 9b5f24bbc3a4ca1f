"""Packed sequences against padded ones: outputs, gradients and a curve of losses, for every family."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel, PreTrainedModel

from jobs import families, packed
from jobs.batch import encode, make_batch
from jobs.families.base import Feature
from jobs.model import save_encoder
from jobs.pooling import encode as pooled
from jobs.train import Part, Trainer, predict
from tests.tiny import cpu, tiny_encoder, tiny_tokenizer
from xtl.tasks import TASKS

WORDS = ["the", "a", "cat", "dog", "mat", "sat", "ran", "on", "under", "and", "who", "what", "slept", "here"]


def examples(key: str, count: int = 24) -> list[dict[str, Any]]:
    """Of many lengths."""
    rng = np.random.default_rng(3)

    def words(low: int, high: int) -> list[str]:
        return [str(word) for word in rng.choice(WORDS, size=rng.integers(low, high))]

    def one(n: int) -> dict[str, Any]:
        text = " ".join(words(3, 60))
        return {
            "mnli": {"text_a": text, "text_b": " ".join(words(1, 9)), "label": ("neutral", "entailment")[n % 2]},
            "udpos": {"tokens": (tokens := words(1, 40)), "tags": [("DET", "NOUN")[n % 2]] * len(tokens)},
            "squad_v2": {"question": "who ?", "context": text, "answers": [{"text": text[:3], "start": 0}][: n % 3]},
            "csqa": {"context": "", "question": "who ?", "choices": [" ".join(words(1, 9)) for _ in "ab"], "label": 1},
            "mlm": {"text": text},
        }[key]

    return [{"id": str(n), **one(n)} for n in range(count)]


KEYS = ("mnli", "udpos", "squad_v2", "csqa", "mlm")
TOKENIZER = tiny_tokenizer([" ".join(WORDS)] * 3)


def bert() -> PreTrainedModel:
    config = BertConfig(vocab_size=len(TOKENIZER), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
                        intermediate_size=64, pad_token_id=1)  # fmt: skip
    return BertModel(config, add_pooling_layer=False)


def without_dropout(module: Any) -> Any:
    for one in module.modules():
        if isinstance(one, torch.nn.Dropout):
            one.p = 0.0
    return module


def losses_of(trainer: Trainer) -> list[float]:
    losses: list[float] = []
    trainer.run(on_progress=lambda _: losses.append(trainer.loss or 0.0))
    return losses


@pytest.mark.parametrize("make", [lambda: tiny_encoder(TOKENIZER), bert], ids=["xlm-r", "bert"])
@pytest.mark.parametrize("key", KEYS)
def test_outputs_and_gradients_are_the_padded_ones(key: str, make: Any) -> None:
    torch.manual_seed(0)
    encoder = make().eval()
    family = families.make(TASKS[key], TOKENIZER, {"length": 128})
    head = family.head(encoder).eval()
    features = family.prepare(family.features(examples(key), train=True), np.random.default_rng(1))
    features.sort(key=len, reverse=True)
    gradients = []
    for packs in (False, True):
        assert not packs or packed.pack(encoder)
        encoder.zero_grad()
        head.zero_grad()
        batch = make_batch(encoder, family, features, 1)
        assert (batch.real is None) == packs
        hidden = encode(encoder, batch)
        loss = family.loss(head, hidden, batch.given)
        loss.backward()
        named = {**dict(encoder.named_parameters()), **{f"head.{n}": p for n, p in head.named_parameters()}}
        gradients.append({"loss": loss, "hidden": hidden}
                         | {name: p.grad.clone() for name, p in named.items() if p.grad is not None})  # fmt: skip
    assert gradients[0].keys() == gradients[1].keys()
    for name, expected in gradients[0].items():
        scale = float(expected.detach().abs().max())
        assert torch.allclose(gradients[1][name], expected, rtol=1e-3, atol=2e-5 * max(scale, 1.0)), name


@pytest.mark.parametrize("key", KEYS)
def test_a_curve_of_200_losses_is_the_padded_one(key: str) -> None:
    """Without dropout, whose draws differ."""
    curves = []
    for packs in (False, True):
        torch.manual_seed(0)
        encoder = without_dropout(tiny_encoder(TOKENIZER))
        assert not packs or packed.pack(encoder)
        family = families.make(TASKS[key], TOKENIZER, {"length": 128})
        head = without_dropout(family.head(encoder))
        settings = {"lr": 1e-3, "batch": 8, "steps": 200, "warmup": 0.1, "weight_decay": 0.01, "adam_eps": 1e-8,
                    "clip": 1.0, "micro_tokens": 512}  # fmt: skip
        part = Part(name=key, family=family, head=head, features=family.features(examples(key, 64), train=True),
                    settings=settings)  # fmt: skip
        trainer = Trainer(encoder, [part], seed=1, device=cpu(), pad=1)
        curves.append(losses_of(trainer))
    assert len(curves[0]) == 200
    assert curves[0][-1] < curves[0][0] - 0.2, "it learns"
    assert np.abs(np.subtract(*curves)).max() < 0.02
    assert np.abs(np.subtract(*curves))[:50].max() < 1e-4


def test_predictions_and_sentence_vectors_are_the_padded_ones(tmp_path: Any) -> None:
    encoder = tiny_encoder(TOKENIZER).eval()
    other = copy.deepcopy(encoder)
    assert packed.pack(other)
    family = families.make(TASKS["udpos"], TOKENIZER, {"length": 64})
    head, found = family.head(encoder), examples("udpos")
    features = family.features(found, train=False)
    both = [predict(x, head, family, features, device=cpu(), pad=1, budget=512) for x in (encoder, other)]
    assert family.decode(found, features, both[0]) == family.decode(found, features, both[1])
    texts = [example["text"] for example in examples("mlm")]
    vectors = [pooled(x, TOKENIZER, texts, micro_tokens=512).vectors for x in (encoder, other)]
    assert np.abs(vectors[0] - vectors[1]).max() < 1e-5
    save_encoder(other, TOKENIZER, tmp_path)
    assert packed.ATTENTION not in (tmp_path / "config.json").read_text()


def test_attention_never_crosses_a_boundary() -> None:
    """What stands beside a sequence changes nothing of it, to the last bit."""
    encoder = tiny_encoder(TOKENIZER).eval()
    assert packed.pack(encoder)
    one, two, three = (Feature(example=0, pieces=[0, *pieces, 2]) for pieces in ([5, 6, 7], [8, 9, 10], [11]))
    with torch.no_grad():
        beside = encoder(**packed.inputs(encoder, [one, two, three])).last_hidden_state
        other = encoder(**packed.inputs(encoder, [one, one, three])).last_hidden_state
    assert torch.equal(beside[:, :5], other[:, :5])
    assert torch.equal(beside[:, 10:], other[:, 10:])
    assert not torch.equal(beside[:, 5:10], other[:, 5:10])


def test_other_architectures_are_padded() -> None:
    from transformers import DistilBertConfig, DistilBertModel

    encoder = DistilBertModel(DistilBertConfig(vocab_size=30, dim=8, n_layers=1, n_heads=1, hidden_dim=8))
    assert not packed.pack(encoder)
    assert not packed.is_packed(encoder)


def test_neighbours_of_equal_length_share_a_call() -> None:
    assert packed.runs_of([9, 9, 7, 5, 5, 5]) == ((2, 9), (1, 7), (3, 5))


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")  # of the way that jagged ones take on a CPU
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_the_call_for_all_sequences_attends_as_the_call_for_each_length(dropout: float) -> None:
    """What a GPU runs, on torch's own jagged tensors, which compute on a CPU too."""
    features = [Feature(example=0, pieces=[5] * length) for length in (9, 9, 4, 1)]
    row = packed.inputs(tiny_encoder(TOKENIZER), features)["row"]
    torch.manual_seed(1)
    states = [torch.randn(2, 23, 8, requires_grad=True) for _ in range(3)]
    found = []
    for attend in (packed._by_runs, packed._by_edges):
        out = attend(*states, row, packed.Sees(causal=False, window=None, dropout=dropout, scale=None))
        assert out.shape == (23, 2, 8)
        found.append((out, *torch.autograd.grad(out.square().sum(), states)))
    if dropout:  # other draws, but draws
        assert not torch.allclose(found[1][0], found[0][0])
        assert bool(found[1][0].isfinite().all())
        return
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, atol=1e-5)
