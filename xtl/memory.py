"""Whether a model fits a GPU: its weights counted from its configuration, and the memory that training takes. Pure.

What training keeps a weight: 4 bytes of the weight, 4 of its gradient and 8 of AdamW's two moments, all float32, and 2
of the bf16 copy that autocast makes (Rajbhandari et al. 2020, arXiv 1910.02054, section 3.1, count the same). Adapters
leave the model's own weights frozen, in bf16 alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xtl.architectures import architecture_of

#: GB (10^9 bytes) by the vendor's data sheets, as in `estimate.GPUS`; of an A100, the larger one's.
MEMORY_GB: Mapping[str, float] = {
    "A100": 80, "H100": 80, "H200": 141, "A10": 24, "A30": 24, "A40": 48, "L4": 24, "L40S": 48,
    "RTX A6000": 48, "RTX 3090": 24, "RTX 4090": 24,
}  # fmt: skip
#: Of it, what a process can have beside CUDA's own context and what the allocator cannot use.
USABLE = 0.9
_TRAINED, _COPY, _FROZEN = 16, 2, 2


@dataclass(frozen=True, kw_only=True)
class _Shape:
    """A text encoder's sizes. queries, keys: of all heads together; inner: of a feed-forward layer, which has
    `matrices` of them; embeddings: weights of the table of pieces and that of positions."""

    layers: float
    hidden: float
    queries: float
    keys: float
    inner: float
    matrices: int
    embeddings: float


def _shape(config: Mapping[str, Any]) -> _Shape | None:
    """None where a config.json does not say."""
    text = config.get("text_config") or config

    def first(*names: str) -> float:
        found = (text.get(name) for name in names)
        return next((float(value) for value in found if isinstance(value, int | float) and value), 0.0)

    known = architecture_of(str(config.get("model_type") or ""))
    hidden = first("hidden_size", "d_model", "n_embed")
    layers = first("num_hidden_layers", "num_layers", "n_layer")
    heads = first("num_attention_heads", "num_heads", "n_head")
    if not (hidden and layers and heads):
        return None
    size = first("head_dim", "d_kv") or hidden / heads
    positions = first("max_position_embeddings") if known and known.position_table else 0
    return _Shape(
        layers=layers,
        hidden=hidden,
        queries=heads * size,
        keys=(first("num_key_value_heads") or heads) * size,
        inner=first("intermediate_size", "d_ff") or 4 * hidden,
        matrices=3 if known and known.gated else 2,
        embeddings=(first("vocab_size") + positions) * (first("input_embedding_size") or hidden),
    )


def parameters(config: Mapping[str, Any]) -> tuple[float, float]:
    """Weights of embeddings, and of all layers, of the text encoder that a config.json describes; 0 where it does not
    say. Biases and norms are left out: a thousandth."""
    if (of := _shape(config)) is None:
        return 0.0, 0.0
    attention = 2 * of.hidden * (of.queries + of.keys)
    return of.embeddings, of.layers * (attention + of.matrices * of.hidden * of.inner)


def resident(config: Mapping[str, Any], *, rank: int | None = None, half: bool = True, merged: bool = False) -> float:
    """Bytes that training holds from its first step to its last, without activations; 0 where the configuration does
    not tell. rank: of adapters in all linear layers, None where all weights are trained. half: bf16 autocast. merged:
    frozen weights hold earlier adapters, and so are float32."""
    embeddings, layers = parameters(config)
    if not layers:
        return 0.0
    if rank is None:
        return _TRAINED * (embeddings + layers) + (_COPY * layers if half else 0)
    frozen = (_FROZEN if half and not merged else 4) * (embeddings + layers)
    return frozen + (_TRAINED + (_COPY if half else 0)) * adapters(config, rank)


def adapters(config: Mapping[str, Any], rank: int) -> float:
    """Weights of adapters in all linear layers; 0 where the configuration does not tell."""
    if (of := _shape(config)) is None:
        return 0.0
    sides = 2 * (of.hidden + of.queries) + 2 * (of.hidden + of.keys) + of.matrices * (of.hidden + of.inner)
    return rank * sides * of.layers


def activations(config: Mapping[str, Any], length: int) -> float:
    """Bytes of one input of `length` word pieces with gradient checkpointing: each layer's input in bf16, one layer's
    inner states in a backward pass, and the head's. The least that a step needs; 0 where the configuration does not
    tell."""
    if (of := _shape(config)) is None:
        return 0.0
    return length * (2 * of.hidden * of.layers + 4 * (8 * of.hidden + 4 * of.inner))
