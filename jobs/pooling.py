"""Sentence vectors of every layer from one pass of the encoder: the mean over a sentence's word pieces, special ones
included, as XTREME pools them.

Sentences are sorted by length and batched by a token budget, so little of a batch is padding. Equal texts are encoded
once and have equal vectors. Which sentences share a batch changes a vector within rounding only; the same call twice
gives the same bytes on a CPU. What does not fit in memory (25 layers of a hundred thousand sentences) goes to a
temporary file that is gone with the array; whoever needs one layer of a large corpus asks for that one.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from jobs import packed
from jobs import stop as signals
from jobs.batch import padded
from jobs.batching import micro_batches
from jobs.families.base import Feature
from jobs.model import longest_input
from xtl.errors import TrainingFailed

IN_MEMORY_BYTES = 2 * 2**30
_TOKENIZED_AT_ONCE = 4096

Autocast = Callable[[], contextlib.AbstractContextManager[Any]]


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """vectors: (layers, sentences, hidden size) float32. cut: word pieces that the length limit dropped."""

    vectors: NDArray[np.float32]
    cut: int


def encode(
    encoder: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    *,
    length: int = 512,
    micro_tokens: int = 16384,
    device: torch.device | str = "cpu",
    layers: Sequence[int] | None = None,
    autocast: Autocast = contextlib.nullcontext,
    stop: Callable[[], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Encoded:
    """Mean-pooled hidden states of `layers` (all of them for None; 0 is the embeddings), in the order of `texts`.

    length: word pieces, special ones included; never more than the encoder has positions for. micro_tokens: pieces of
    a batch, padding counted. stop is called before each batch and may raise; progress after it, with the sentences and
    word pieces that the batch held. Raises TrainingFailed where the encoder gives values that are not numbers.
    """
    wanted = list(range(encoder.config.num_hidden_layers + 1)) if layers is None else list(layers)
    unique = dict.fromkeys(texts)
    features, cut = _tokenize(tokenizer, list(unique), min(length, longest_input(encoder)))
    vectors = _room((len(wanted), len(unique), encoder.config.hidden_size))
    was_training = encoder.training
    encoder.eval()
    with torch.inference_mode():
        for batch in micro_batches([[feature] for feature in features], micro_tokens, packed=packed.is_packed(encoder)):
            (stop or signals.check)()
            with autocast():
                pooled = _pooled(encoder, tokenizer, batch, wanted, torch.device(device))
            vectors[:, [feature.example for feature in batch]] = pooled
            if progress is not None:
                progress(len(batch), sum(map(len, batch)))
    encoder.train(was_training)
    if len(unique) < len(texts):
        place = {text: index for index, text in enumerate(unique)}
        vectors = vectors[:, [place[text] for text in texts]]
    return Encoded(vectors=vectors, cut=cut)


def _tokenize(tokenizer: PreTrainedTokenizerBase, texts: list[str], length: int) -> tuple[list[Feature], int]:
    features: list[Feature] = []
    cut = 0
    for start in range(0, len(texts), _TOKENIZED_AT_ONCE):
        chunk = texts[start : start + _TOKENIZED_AT_ONCE]
        for text, pieces in zip(chunk, tokenizer(chunk, truncation=False, verbose=False)["input_ids"], strict=True):
            kept = pieces
            if len(pieces) > length:
                kept = tokenizer(text, truncation=True, max_length=length)["input_ids"]
                cut += len(pieces) - len(kept)
            # An array: a list of ints takes nine times the memory, which a million sentences feel.
            features.append(Feature(example=len(features), pieces=np.asarray(kept, dtype=np.int32)))
    return features, cut


def _pooled(
    encoder: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    batch: Sequence[Feature],
    layers: Sequence[int],
    device: torch.device,
) -> NDArray[np.float32]:
    pad = int(tokenizer.pad_token_id or 0)
    inputs, real = (packed.inputs(encoder, batch), None) if packed.is_packed(encoder) else padded(batch, pad)
    found = encoder(**{name: value.to(device) for name, value in inputs.items()}, output_hidden_states=True)
    lengths = torch.tensor([len(feature) for feature in batch], device=device)
    rows = (found.hidden_states[layer].flatten(0, 1) for layer in layers)
    whole = (row if real is None else row[real.to(device)] for row in rows)
    means = torch.stack([torch.segment_reduce(row.float(), "mean", lengths=lengths) for row in whole])
    if not bool(torch.isfinite(means).all()):
        raise TrainingFailed("the encoder gives sentence vectors that are not numbers: its training diverged")
    return means.cpu().numpy()


def _room(shape: tuple[int, int, int]) -> NDArray[np.float32]:
    if 4 * int(np.prod(shape)) <= IN_MEMORY_BYTES:
        return np.empty(shape, dtype=np.float32)
    with tempfile.TemporaryFile(prefix="xtl-vectors-") as file:  # has no name: the mapping keeps it alive
        return np.memmap(file, dtype=np.float32, mode="w+", shape=shape)
