"""Encoders without padding: a micro-batch is one row of all its sequences, one after another.

Positions start anew with each sequence and attention stays inside it, so every sequence sees what it sees alone; what
is per token (embeddings, projections, feed-forward) runs on real word pieces only. It goes through transformers' own
attention interface: the model's code is as it is. Neighbours of equal length share one attention call, for micro-
batches are sorted by length.

Only architectures that are known to take positions from outside and to attend through that interface run packed; the
others are padded, and the log says so. The result is that of the padded path within rounding (dropout draws other
numbers).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel

from jobs.families.base import Feature

ATTENTION = "xtl_packed"

#: By `model_type`: whether positions count from the padding piece's id + 1, as fairseq's models do, or from 0.
_FROM_PADDING = {"xlm-roberta": True, "roberta": True, "camembert": True, "bert": False}

Runs = tuple[tuple[int, int], ...]  # (sequences, their length), one after another


def pack(encoder: PreTrainedModel) -> bool:
    """Make the encoder run packed; False for an architecture that is not known to."""
    if encoder.config.model_type not in _FROM_PADDING:
        return False
    encoder.set_attn_implementation(ATTENTION)
    return True


def is_packed(encoder: PreTrainedModel) -> bool:
    return encoder.config._attn_implementation == ATTENTION


def hidden_states(encoder: PreTrainedModel, features: Sequence[Feature], device: torch.device, **options: Any) -> Any:
    """The encoder's output over one row, (1, word pieces, hidden size)."""
    lengths = np.array([len(feature) for feature in features])
    starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
    positions = np.arange(lengths.sum()) - starts
    if _FROM_PADDING[encoder.config.model_type]:
        positions += int(encoder.config.pad_token_id) + 1
    inputs = {"input_ids": np.concatenate([feature.pieces for feature in features]), "position_ids": positions}
    if features[0].segments is not None:
        inputs["token_type_ids"] = np.concatenate([feature.segments for feature in features])
    row = {name: torch.from_numpy(np.asarray(x, dtype=np.int64))[None].to(device) for name, x in inputs.items()}
    return encoder(**row, runs=runs_of(lengths), **options)


def encode(encoder: PreTrainedModel, features: Sequence[Feature], device: torch.device) -> tuple[Tensor, Tensor]:
    """What heads see: the last hidden states as (features, longest, size), and the mask, (features, longest) int64."""
    row = hidden_states(encoder, features, device).last_hidden_state[0]
    lengths = torch.tensor([len(feature) for feature in features], device=device)
    mask = (torch.arange(int(lengths.max()), device=device) < lengths[:, None]).long()
    return unpacked(row, mask), mask


def runs_of(lengths: Sequence[int] | np.ndarray) -> Runs:
    return tuple((len(list(same)), int(length)) for length, same in groupby(lengths))


def unpacked(row: Tensor, mask: Tensor) -> Tensor:
    """(word pieces, size) as (features, longest, size), zeros where `mask` (features, longest) is 0: what heads see."""
    whole = row.new_zeros(*mask.shape, row.shape[-1])
    return whole.masked_scatter(mask.bool()[..., None], row)


def _attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: None,
    *,
    runs: Runs,
    dropout: float = 0.0,
    scaling: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """query, key, value: (1, heads, word pieces, size). Gives (1, word pieces, heads, size)."""
    # split, not slices: the gradient of a slice is a whole row of zeros, one for every call.
    sizes = [count * length for count, length in runs]
    found = []
    for (count, length), *row in zip(runs, *(x[0].split(sizes, dim=1) for x in (query, key, value)), strict=True):
        q, k, v = (x.unflatten(1, (count, length)).transpose(0, 1) for x in row)
        seen = scaled_dot_product_attention(q, k, v, dropout_p=dropout, scale=scaling)
        found.append(seen.transpose(1, 2).flatten(0, 1))
    return torch.cat(found)[None], None


def _no_mask(*_: Any, **__: Any) -> None:
    """Nothing to mask: there is no padding, and `runs` keeps sequences apart."""


AttentionInterface.register(ATTENTION, _attention)
AttentionMaskInterface.register(ATTENTION, _no_mask)
