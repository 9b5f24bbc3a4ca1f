"""Small real models for tests, made as `model: tiny` makes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from transformers import PreTrainedTokenizerFast, XLMRobertaModel

from jobs import tiny


def tiny_tokenizer(texts: Iterable[str], vocab_size: int = 2000) -> PreTrainedTokenizerFast:
    return tiny.train_tokenizer(texts, vocab_size)


def tiny_encoder(tokenizer: PreTrainedTokenizerFast, *, seed: int = 0, **sizes: Any) -> XLMRobertaModel:
    return tiny.make_encoder(tokenizer, seed=seed, **sizes)
