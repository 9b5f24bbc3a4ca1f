"""A micro-batch as tensors: made ahead of its step, by another thread, so that a step neither makes nor waits.

Whatever the encoder, heads see the hidden states of real word pieces alone, (pieces, size), one feature after another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from jobs import packed
from jobs.families.base import Family, Feature


@dataclass(frozen=True, kw_only=True)
class Batch:
    """inputs: what the encoder is called with; given: what the family's loss and outputs read beside hidden states;
    real: the places of real pieces in a padded batch, (pieces,) int64, None where it is packed."""

    features: Sequence[Feature]
    inputs: Mapping[str, Any]
    given: Mapping[str, Tensor]
    real: Tensor | None

    @property
    def pieces(self) -> int:
        """Real word pieces."""
        return sum(map(len, self.features))

    def to(self, device: torch.device) -> Batch:
        """On the device; to a GPU from pinned memory, so that nobody waits for the copy."""
        if device.type == "cpu":
            return self

        def move(value: Any) -> Any:
            return value.pin_memory().to(device, non_blocking=True)

        return replace(
            self,
            inputs={name: move(value) for name, value in self.inputs.items()},
            given={name: move(value) for name, value in self.given.items()},
            real=None if self.real is None else move(self.real),
        )


def make_batch(encoder: PreTrainedModel, family: Family, features: Sequence[Feature], pad: int) -> Batch:
    """On the CPU, packed where the encoder runs so, else padded on the right with `pad`."""
    inputs, real = inputs_of(encoder, features, pad)
    given = {name: torch.from_numpy(np.asarray(value)) for name, value in family.tensors(features).items()}
    return Batch(features=features, inputs=inputs, given=given, real=real)


def inputs_of(encoder: PreTrainedModel, features: Sequence[Feature], pad: int) -> tuple[dict[str, Any], Tensor | None]:
    """What the encoder is called with, as it runs, and the places of real pieces in it, None where it is packed."""
    return (packed.inputs(encoder, features), None) if packed.is_packed(encoder) else padded(features, pad)


def padded(features: Sequence[Feature], pad: int) -> tuple[dict[str, Tensor], Tensor]:
    """Encoder inputs, (features, longest) int64 each, and the places of real pieces in them."""
    lengths = np.array([len(feature) for feature in features])
    mask = np.arange(lengths.max()) < lengths[:, None]
    pieces = np.full(mask.shape, pad, dtype=np.int64)
    pieces[mask] = np.concatenate([feature.pieces for feature in features])
    inputs = {"input_ids": torch.from_numpy(pieces), "attention_mask": torch.from_numpy(mask.astype(np.int64))}
    if features[0].segments is not None:
        segments = np.zeros(mask.shape, dtype=np.int64)
        segments[mask] = np.concatenate([feature.segments for feature in features])
        inputs["token_type_ids"] = torch.from_numpy(segments)
    return inputs, torch.from_numpy(np.flatnonzero(mask))


def encode(encoder: PreTrainedModel, batch: Batch) -> Tensor:
    """The last hidden states of the batch's real pieces, (pieces, size)."""
    hidden = encoder(**batch.inputs).last_hidden_state.flatten(0, 1)
    return hidden if batch.real is None else hidden[batch.real]
