"""The heads that families share. Weights start as BERT's and XLM-R's do: normal, 0.02, biases at zero.

Heads compute in their own precision whatever the encoder's is: under autocast a bf16 encoder is met as torch sees fit,
without it by casting the few vectors that a head reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from jobs.families.base import Feature
from xtl.architectures import Reads

DROPOUT = 0.1  # BERT's and XLM-R's
_STD = 0.02


def linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer with BERT's first weights, from torch's current generator."""
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=_STD)
    nn.init.zeros_(layer.bias)
    return layer


class SentenceHead(nn.Module):
    """RoBERTa's classification head: one piece's vector (`summaries`), a tanh layer of the same size, a projection."""

    def __init__(self, size: int, outputs: int) -> None:
        super().__init__()
        self.dense = linear(size, size)
        self.out = linear(size, outputs)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, vectors: Tensor) -> Tensor:
        """The pieces' vectors, (features, size), to (features, outputs), float32."""
        read = self.dropout(vectors.to(self.dense.weight.dtype))
        return self.out(self.dropout(torch.tanh(self.dense(read)))).float()


class PieceHead(nn.Module):
    """A projection of each vector given: tags of words, start and end of answers."""

    def __init__(self, size: int, outputs: int, *, dropout: float = DROPOUT) -> None:
        super().__init__()
        self.out = linear(size, outputs)
        self.dropout = nn.Dropout(dropout)

    def forward(self, vectors: Tensor) -> Tensor:
        """(..., size) to (..., outputs), float32."""
        return self.out(self.dropout(vectors.to(self.out.weight.dtype))).float()


def starts(batch: Sequence[Feature]) -> np.ndarray:
    """Where each feature's pieces begin among the batch's, (features,) int64."""
    lengths = np.array([len(feature) for feature in batch], dtype=np.int64)
    return np.cumsum(lengths) - lengths


def summaries(batch: Sequence[Feature], reads: Reads) -> np.ndarray:
    """Where the piece that stands for the whole of each feature is among the batch's, (features,) int64."""
    if reads == "first":
        return starts(batch)
    return np.cumsum([len(feature) for feature in batch]) - 1


def places(batch: Sequence[Feature], inside: Iterable[Sequence[int]]) -> np.ndarray:
    """Places inside each feature as places among the batch's pieces, (n,) int64."""
    found = [start + np.asarray(own, dtype=np.int64) for start, own in zip(starts(batch), inside, strict=True)]
    return np.concatenate(found)
