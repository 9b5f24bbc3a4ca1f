"""Sentence vectors of every layer from one pass of the encoder: the mean over a sentence's word pieces, special ones
included, as XTREME pools them; or the last piece, at which alone a causal model has seen the whole sentence.

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
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from jobs import packed
from jobs import stop as signals
from jobs.batch import inputs_of
from jobs.batching import micro_batches
from jobs.families.base import Feature
from jobs.families.tokens import Frame
from jobs.model import longest_input, pad
from xtl.architectures import Reads
from xtl.errors import TrainingFailed

IN_MEMORY_BYTES = 2 * 2**30
_TOKENIZED_AT_ONCE = 4096

Autocast = Callable[[], contextlib.AbstractContextManager[Any]]


class View(NamedTuple):
    """What a sentence's vector is taken from; layer 0 is the embeddings."""

    layer: int
    pooling: Literal["mean", "last"] = "mean"


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """vectors: (views, sentences, hidden size) float32. cut: word pieces that the length limit dropped."""

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
    views: Sequence[View] | None = None,
    reads: Reads = "first",
    autocast: Autocast = contextlib.nullcontext,
    stop: Callable[[], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Encoded:
    """Each text's vector in `views` (the means of all layers for None), in the order of `texts`.

    reads: where the encoder has read an input. length: word pieces, special ones included; never more than the encoder
    has positions for. micro_tokens: pieces of a batch, padding counted. stop is called before each batch and may
    raise; progress after it, with the sentences and word pieces that the batch held. Raises TrainingFailed where the
    encoder gives values that are not numbers."""
    wanted = list(map(View, range(encoder.config.num_hidden_layers + 1))) if views is None else list(views)
    unique = dict.fromkeys(texts)
    longest = min(length, longest_input(encoder), tokenizer.model_max_length)
    features, cut = _tokenize(Frame(tokenizer, longest, reads), list(unique))
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


def _tokenize(frame: Frame, texts: list[str]) -> tuple[list[Feature], int]:
    features: list[Feature] = []
    cut = 0
    for start in range(0, len(texts), _TOKENIZED_AT_ONCE):
        for text in frame.encode(texts[start : start + _TOKENIZED_AT_ONCE]).values():
            cut += max(0, len(text) - frame.room_one)
            pieces, _ = frame.one(text[: frame.room_one])
            # An array: a list of ints takes nine times the memory, which a million sentences feel.
            features.append(Feature(example=len(features), pieces=np.asarray(pieces, dtype=np.int32)))
    return features, cut


def _pooled(
    encoder: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    batch: Sequence[Feature],
    views: Sequence[View],
    device: torch.device,
) -> NDArray[np.float32]:
    inputs, real = inputs_of(encoder, batch, pad(tokenizer))
    found = encoder(**{name: value.to(device) for name, value in inputs.items()}, output_hidden_states=True)
    lengths = torch.tensor([len(feature) for feature in batch], device=device)
    last = lengths.cumsum(0) - 1
    vectors = []
    for view in views:
        row = found.hidden_states[view.layer].flatten(0, 1)
        row = (row if real is None else row[real.to(device)]).float()
        vectors.append(row[last] if view.pooling == "last" else torch.segment_reduce(row, "mean", lengths=lengths))
    stacked = torch.stack(vectors)
    if not bool(torch.isfinite(stacked).all()):
        raise TrainingFailed("the encoder gives sentence vectors that are not numbers: its training diverged")
    return stacked.cpu().numpy()


def _room(shape: tuple[int, int, int]) -> NDArray[np.float32]:
    if 4 * int(np.prod(shape)) <= IN_MEMORY_BYTES:
        return np.empty(shape, dtype=np.float32)
    with tempfile.TemporaryFile(prefix="xtl-vectors-") as file:  # has no name: the mapping keeps it alive
        return np.memmap(file, dtype=np.float32, mode="w+", shape=shape)
