"""Whether a model fits a GPU: its weights counted from its configuration, and the memory that training takes. Pure.

What training keeps a weight: 4 bytes of the weight, 4 of its gradient and 8 of AdamW's two moments, all float32, and 2
of the bf16 copy that autocast makes (Rajbhandari et al. 2020, arXiv 1910.02054, section 3.1, count the same). Adapters
leave the model's own weights frozen, in bf16 alone.
"""

from __future__ import annotations

from collections.abc import Mapping
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
#: Architectures whose feed-forward layers have a gate: three matrices for two.
_GATED = (
    "modernbert",
    "eurobert",
    "mt5",
    "umt5",
    "qwen2",
    "qwen3",
    "gemma3",
    "gemma3_text",
    "llama",
    "mistral",
    "smollm3",
)


def parameters(config: Mapping[str, Any]) -> tuple[float, float]:
    """Weights of embeddings, and of all layers, of the text encoder that a config.json describes; 0 where it does not
    say. Biases and norms are left out: a thousandth."""
    kind = str(config.get("model_type") or "")
    text = config.get("text_config") or config
    hidden = _first(text, "hidden_size", "d_model", "n_embed")
    layers = _first(text, "num_hidden_layers", "num_layers", "n_layer")
    heads = _first(text, "num_attention_heads", "num_heads", "n_head")
    if not (hidden and layers and heads):
        return 0.0, 0.0
    size = _first(text, "head_dim", "d_kv") or hidden / heads
    shared = _first(text, "num_key_value_heads") or heads
    inner = _first(text, "intermediate_size", "d_ff") or 4 * hidden
    attention = 2 * hidden * heads * size + 2 * hidden * shared * size
    forward = (3 if kind in _GATED else 2) * hidden * inner
    known = architecture_of(kind)
    positions = _first(text, "max_position_embeddings") if known and not known.causal and not _turns(kind) else 0
    wide = _first(text, "input_embedding_size") or hidden
    return (_first(text, "vocab_size") + positions) * wide, layers * (attention + forward)


def _turns(kind: str) -> bool:
    """Positions are turned into the vectors or stand in the attention: no table of them."""
    return kind in ("modernbert", "eurobert", "mt5", "umt5", "deberta-v2")


def _first(config: Mapping[str, Any], *names: str) -> float:
    found = (config.get(name) for name in names)
    return next((float(value) for value in found if isinstance(value, int | float) and value), 0.0)


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
    """Weights of adapters in all linear layers."""
    kind = str(config.get("model_type") or "")
    text = config.get("text_config") or config
    hidden = _first(text, "hidden_size", "d_model", "n_embed")
    heads = _first(text, "num_attention_heads", "num_heads", "n_head")
    size = _first(text, "head_dim", "d_kv") or hidden / heads
    shared = _first(text, "num_key_value_heads") or heads
    inner = _first(text, "intermediate_size", "d_ff") or 4 * hidden
    sides = 2 * (hidden + heads * size) + 2 * (hidden + shared * size)
    sides += (3 if kind in _GATED else 2) * (hidden + inner)
    return rank * sides * _first(text, "num_hidden_layers", "num_layers", "n_layer")


def activations(config: Mapping[str, Any], length: int) -> float:
    """Bytes of one input of `length` word pieces with gradient checkpointing: each layer's input in bf16, one layer's
    inner states in a backward pass, and the head's. The least that a step needs."""
    text = config.get("text_config") or config
    hidden = _first(text, "hidden_size", "d_model", "n_embed")
    inner = _first(text, "intermediate_size", "d_ff") or 4 * hidden
    layers = _first(text, "num_hidden_layers", "num_layers", "n_layer")
    return length * (2 * hidden * layers + 4 * (8 * hidden + 4 * inner))
