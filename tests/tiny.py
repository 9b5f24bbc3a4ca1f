"""Small real models for tests, made as `model: tiny` makes them, and what a family gives on one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast, XLMRobertaModel

from jobs import tiny
from jobs.batch import encode, make_batch
from jobs.device import Device, open_device
from jobs.families.base import Family, Feature
from jobs.train import predict


def tiny_tokenizer(texts: Iterable[str], vocab_size: int = 2000) -> PreTrainedTokenizerFast:
    return tiny.train_tokenizer(texts, vocab_size)


def tiny_encoder(tokenizer: PreTrainedTokenizerFast, *, seed: int = 0, **sizes: Any) -> XLMRobertaModel:
    return tiny.make_encoder(tokenizer, seed=seed, **sizes)


@cache
def cpu() -> Device:
    return open_device("fp32", 1)


class Run:
    """A family with a head on an encoder, without dropout."""

    def __init__(self, family: Family, encoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        torch.manual_seed(7)
        self.family, self.encoder = family, encoder.eval()
        self.head: nn.Module = family.head(encoder).eval()
        self.pad = int(tokenizer.pad_token_id)  # type: ignore[call-overload]

    def loss(self, batch: Sequence[Feature]) -> Tensor:
        made = make_batch(self.encoder, self.family, batch, self.pad)
        return self.family.loss(self.head, encode(self.encoder, made), made.given)

    def decode(self, examples: Sequence[dict[str, Any]], *, budget: int = 512) -> list[Any]:
        features = self.family.features(examples, train=False)
        outputs = predict(self.encoder, self.head, self.family, features, device=cpu(), pad=self.pad, budget=budget)
        return self.family.decode(examples, features, outputs)

    def gradients(self, batches: Sequence[Sequence[Feature]]) -> tuple[float, dict[str, Tensor]]:
        """Summed loss and every gradient after a backward pass of each batch on its own."""
        modules = nn.ModuleDict({"encoder": self.encoder, "head": self.head})
        modules.zero_grad(set_to_none=True)
        total = 0.0
        for batch in batches:
            loss = self.loss(batch)
            assert loss.dtype == torch.float32
            assert loss.shape == ()
            loss.backward()
            total += loss.item()
        return total, {n: p.grad.clone() for n, p in modules.named_parameters() if p.grad is not None}


def assert_cut_changes_nothing(run: Run, whole: Sequence[Feature], cuts: Sequence[Sequence[Feature]]) -> None:
    """The sum over micro-batches, of the loss and of each gradient, is the whole batch's."""
    total, gradients = run.gradients([whole])
    assert total > 0
    cut_total, cut_gradients = run.gradients(cuts)
    assert abs(cut_total - total) < 1e-4 * total
    assert gradients.keys() == cut_gradients.keys()
    for name, gradient in gradients.items():
        assert torch.allclose(cut_gradients[name], gradient, rtol=1e-3, atol=1e-5), name
