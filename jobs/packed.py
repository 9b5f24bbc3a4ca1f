"""Encoders without padding: a micro-batch is one row of all its sequences, one after another.

Positions start anew with each sequence and attention stays inside it, so every sequence sees what it sees alone; what
is per token (embeddings, projections, feed-forward) runs on real word pieces only. It goes through transformers' own
attention interface: the model's code is as it is. On a CPU neighbours of equal length share one attention call, for
micro-batches are sorted by length; a GPU has kernels for sequences of many lengths.

Only architectures that are known to take positions from outside and to attend through that interface run packed
(`xtl.architectures`); the others are padded, and the log says so. The result is that of the padded path within
rounding (dropout draws other numbers)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel

from jobs.families.base import Feature
from xtl.architectures import ARCHITECTURES, architecture_of

ATTENTION = "xtl_packed"

Runs = tuple[tuple[int, int], ...]  # (sequences, their length), one after another


@dataclass(frozen=True, kw_only=True)
class Row:
    """Where the sequences of a row lie. edges: (sequences + 1,) int32, where each begins and the last ends, on the
    device; the rest is known without asking the device."""

    runs: Runs
    edges: Tensor
    shortest: int
    longest: int

    def to(self, device: torch.device, *, non_blocking: bool = False) -> Row:
        return replace(self, edges=self.edges.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Row:
        return replace(self, edges=self.edges.pin_memory())


def pack(encoder: PreTrainedModel) -> bool:
    """Make the encoder run packed; False for an architecture that is not known to."""
    known = architecture_of(encoder.config.model_type)
    if known is None or not known.packed:
        return False
    encoder.set_attn_implementation(ATTENTION)
    return True


def is_packed(encoder: PreTrainedModel) -> bool:
    return encoder.config._attn_implementation == ATTENTION


def inputs(encoder: PreTrainedModel, features: Sequence[Feature]) -> dict[str, Any]:
    """What a packed encoder is called with: one row, (1, word pieces) int64 each, and how it is cut; on the CPU."""
    lengths = np.array([len(feature) for feature in features])
    edges = np.concatenate([[0], np.cumsum(lengths)])
    positions = np.arange(edges[-1]) - np.repeat(edges[:-1], lengths)
    if ARCHITECTURES[encoder.config.model_type].padded_positions:
        positions += int(encoder.config.pad_token_id) + 1
    row = {"input_ids": np.concatenate([feature.pieces for feature in features]), "position_ids": positions}
    if features[0].segments is not None:
        row["token_type_ids"] = np.concatenate([feature.segments for feature in features])
    shape = Row(
        runs=runs_of(lengths),
        edges=torch.from_numpy(edges.astype(np.int32)),
        shortest=int(lengths.min()),
        longest=int(lengths.max()),
    )
    return {**{name: torch.from_numpy(np.asarray(x, dtype=np.int64))[None] for name, x in row.items()}, "row": shape}


def runs_of(lengths: Sequence[int] | np.ndarray) -> Runs:
    return tuple((len(list(same)), int(length)) for length, same in groupby(lengths))


def _attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: None,
    *,
    row: Row,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """query: (1, heads, word pieces, size); key, value: the same, or of fewer heads, each of which serves several of
    the query's. Gives (1, word pieces, heads, size). sliding_window: a piece sees those less than so many places off.
    """
    if sliding_window is not None and getattr(module.config, "is_causal", None) is False:
        sliding_window += 1  # transformers' mask of a decoder that was opened shows one place more
    sees = Sees(causal=bool(getattr(module, "is_causal", False)), window=sliding_window, dropout=dropout, scale=scaling)
    shared = query.shape[1] // key.shape[1]
    if shared > 1:
        key, value = (x.repeat_interleave(shared, dim=1) for x in (key, value))
    attend = _by_runs if query.device.type == "cpu" else _by_edges
    return attend(query[0], key[0], value[0], row, sees)[None], None


@dataclass(frozen=True, kw_only=True)
class Sees:
    """What a piece sees of its own sequence, and how."""

    causal: bool
    window: int | None
    dropout: float
    scale: float | None

    @property
    def reach(self) -> tuple[int, int]:
        """Places that it sees before itself and behind, as flash-attention has them: -1 for all."""
        far = -1 if self.window is None else self.window - 1
        return far, 0 if self.causal else far

    def mask(self, length: int, device: torch.device) -> Tensor | None:
        """(length, length) bool of a sequence that is longer than the window, else None."""
        if self.window is None or length <= self.window:
            return None
        place = torch.arange(length, device=device)
        behind = place[:, None] - place
        return ((behind >= 0) if self.causal else True) & (behind.abs() < self.window)


def _by_runs(query: Tensor, key: Tensor, value: Tensor, row: Row, sees: Sees) -> Tensor:
    """One call for neighbours of equal length. (heads, word pieces, size) to (word pieces, heads, size)."""
    # split, not slices: the gradient of a slice is a whole row of zeros, one for every call.
    sizes = [count * length for count, length in row.runs]
    found = []
    for (count, length), *part in zip(row.runs, *(x.split(sizes, dim=1) for x in (query, key, value)), strict=True):
        q, k, v = (x.unflatten(1, (count, length)).transpose(0, 1) for x in part)
        mask = sees.mask(length, q.device)
        causal = sees.causal and mask is None
        seen = scaled_dot_product_attention(
            q, k, v, attn_mask=mask, dropout_p=sees.dropout, is_causal=causal, scale=sees.scale
        )
        found.append(seen.transpose(0, 1).flatten(1, 2))
    return torch.cat(found, dim=1).transpose(0, 1)


def _by_edges(query: Tensor, key: Tensor, value: Tensor, row: Row, sees: Sees) -> Tensor:
    """One call for all. flash-attention where it is installed; else torch's kernel for sequences of many lengths, which
    knows no dropout; else torch's attention over jagged tensors, which does, and which takes float32 too."""
    q, k, v = (x.transpose(0, 1).contiguous() for x in (query, key, value))
    half = q.dtype in (torch.bfloat16, torch.float16)
    limits = (row.edges, row.edges, row.longest, row.longest)
    if half and (flash := _flash_attention()) is not None:
        more = {"softmax_scale": sees.scale, "causal": sees.causal, "window_size": sees.reach}
        return flash(q, k, v, *limits, dropout_p=sees.dropout, **more)
    if half and not sees.dropout:
        from torch.nn.attention.varlen import varlen_attn

        return varlen_attn(q, k, v, *limits, scale=sees.scale, window_size=sees.reach)  # type: ignore
    if sees.mask(row.longest, q.device) is not None:
        return _by_runs(query, key, value, row, sees)
    q, k, v = (
        torch.nested.nested_tensor_from_jagged(x, row.edges, min_seqlen=row.shortest, max_seqlen=row.longest)
        for x in (q, k, v)
    )
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    seen = scaled_dot_product_attention(q, k, v, dropout_p=sees.dropout, is_causal=sees.causal, scale=sees.scale)
    return seen.transpose(1, 2).values()


@cache
def _flash_attention() -> Any:
    try:
        from flash_attn import flash_attn_varlen_func
    except ImportError:
        return None
    return flash_attn_varlen_func


def _no_mask(*_: Any, **__: Any) -> None:
    """Nothing to mask: there is no padding, and the row's layout keeps sequences apart."""


AttentionInterface.register(ATTENTION, _attention)
AttentionMaskInterface.register(ATTENTION, _no_mask)
