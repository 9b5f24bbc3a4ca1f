"""What a task family is to the trainer: features, a head, a loss, a decoding.

The trainer owns steps, micro-batches and optimisation; the encoder is plain (`AutoModel`). A family file has one class
that is made once for a (task, tokenizer, settings) and holds no state that training changes: the head is a separate
`nn.Module`. `units` is what the loss is averaged over (sentences, labelled words, windows): the trainer divides by the
units of the whole optimiser step, so that cutting a step into micro-batches changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

if TYPE_CHECKING:
    from jobs.families.tokens import Frame


@dataclass(slots=True)
class Feature:
    """One encoder input: one window of one example.

    example: the example's position in its listing. pieces: input ids, special tokens included. segments: token type
    ids, or None where the encoder has none. labels and extra are the family's own; labels is None where nothing is to
    be learned, and units (see the module) is then 0.
    """

    example: int
    pieces: Sequence[int] | np.ndarray
    segments: Sequence[int] | np.ndarray | None = None
    labels: Any = None
    units: float = 1.0
    extra: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.pieces)


class Family(Protocol):
    """Families inherit from this class, for its defaults."""

    frame: Frame
    cut: int  # word pieces dropped by truncation so far: goes into the manifest, never silent
    together: bool = False  # features of one example stay in one micro-batch when training

    def head(self, encoder: PreTrainedModel) -> nn.Module:
        """A new head for this encoder; its weights come from torch's current generator."""
        ...

    def features(self, examples: Sequence[dict[str, Any]], *, train: bool) -> list[Feature]:
        """All windows of all examples, in order; `example` counts from 0. An example may give several features, next
        to each other, or none. With `train`, every example must carry a label that can be learned (DataError)."""
        ...

    def prepare(self, batch: Sequence[Feature], random: np.random.Generator) -> list[Feature]:
        """The features of one optimiser step as the encoder will see them, one for one: called once a step, before it
        is cut into micro-batches. What is random (masks) comes from `random`."""
        return list(batch)

    def tensors(self, batch: Sequence[Feature]) -> dict[str, np.ndarray]:
        """What `loss` and `outputs` read of a micro-batch beside hidden states (labels, places), made ahead of them:
        what is made in the step itself makes a GPU wait for its copy."""
        ...

    def loss(self, head: nn.Module, hidden: Tensor, given: Mapping[str, Tensor]) -> Tensor:
        """Summed loss (float32 scalar) over the batch's units. hidden: (pieces, size), of the real pieces of all its
        features one after another; given: what `tensors` made."""
        ...

    def outputs(
        self, head: nn.Module, hidden: Tensor, given: Mapping[str, Tensor], batch: Sequence[Feature]
    ) -> list[Any]:
        """What decoding needs of each feature, small and on the CPU (numpy)."""
        ...

    def decode(
        self, examples: Sequence[dict[str, Any]], features: Sequence[Feature], outputs: Sequence[Any]
    ) -> list[Any]:
        """One prediction an example: a label word, a list of tags, an answer string, a choice's position."""
        ...


__all__ = ["Family", "Feature", "PreTrainedModel", "Tensor", "nn", "torch"]
