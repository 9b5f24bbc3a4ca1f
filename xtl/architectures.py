"""What differs between the models of a study: one line an architecture, by transformers' `model_type`. Pure.

A model whose architecture is not here runs on the plain path: padded, read where a probe of its attention says
(jobs/model.py), with a line in the log. No model's own code is ever run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

Reads = Literal["first", "last"]


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """causal: a word piece sees those before it alone.

    reads: the piece that stands for a whole input (sentence and choice heads, "no answer") and, of a word's pieces, the
    one that its tag is read at. first: the mark in front; last: the last real piece.
    packed: runs without padding (jobs/packed.py): it takes positions from outside and attends through transformers'
    attention interface, and nothing else mixes pieces. padded_positions: position ids count from the padding piece's
    id + 1, as fairseq's models do, else from 0.
    bidirectional: a causal model that `attention: bidirectional` can open, as LLM2Vec does (BehnamGhader et al. 2024,
    arXiv 2404.05961).
    position_table: positions have vectors of their own. gated: a feed-forward layer has a gate, three matrices for two.
    inner: where the text model lies in what AutoModel loads, "" where it is that; encoder_only: AutoModel would load a
    decoder, too; drops: how the names of weights begin that are no part of the encoder, beside those of common heads.
    """

    title: str
    causal: bool = False
    reads: Reads = "first"
    packed: bool = False
    padded_positions: bool = False
    position_table: bool = False
    gated: bool = False
    bidirectional: bool = False
    inner: str = ""
    encoder_only: bool = False
    drops: tuple[str, ...] = ()


def _decoder(title: str, **more: Any) -> Architecture:
    return replace(
        Architecture(title=title, causal=True, reads="last", packed=True, gated=True, bidirectional=True), **more
    )


ARCHITECTURES: Mapping[str, Architecture] = {
    "xlm-roberta": Architecture(title="XLM-R, Glot500", packed=True, padded_positions=True, position_table=True),
    "xlm-roberta-xl": Architecture(title="XLM-R XL", packed=True, padded_positions=True, position_table=True),
    "roberta": Architecture(title="RoBERTa", packed=True, padded_positions=True, position_table=True),
    "camembert": Architecture(title="CamemBERT", packed=True, padded_positions=True, position_table=True),
    "bert": Architecture(title="BERT, mBERT", packed=True, position_table=True),
    "modernbert": Architecture(title="ModernBERT, mmBERT", packed=True, gated=True, drops=("head.", "decoder.")),
    "eurobert": Architecture(title="EuroBERT", packed=True, gated=True),
    # Their attention is their own (relative positions inside it; transformers' interface is not asked).
    "deberta-v2": Architecture(title="DeBERTa v3, mDeBERTa"),
    "rembert": Architecture(title="RemBERT", position_table=True),
    # T5's inputs have no mark in front, and one, </s>, at their end.
    "mt5": Architecture(title="mT5's encoder", reads="last", gated=True, encoder_only=True, drops=("decoder.",)),
    "umt5": Architecture(title="umT5's encoder", reads="last", gated=True, encoder_only=True, drops=("decoder.",)),
    "qwen2": _decoder("Qwen 2 and 2.5"),
    "qwen3": _decoder("Qwen 3"),
    "gemma3_text": _decoder("Gemma 3"),
    "gemma3": _decoder("Gemma 3", inner="language_model"),  # sees pictures, too: its text model alone is taken
    "llama": _decoder("Llama 2 and 3"),
    "mistral": _decoder("Mistral"),
    "apertus": _decoder("Apertus", gated=False),
    "smollm3": _decoder("SmolLM3"),
    # ALiBi weighs the distance to what came before: there is none for what follows.
    "bloom": _decoder("BLOOM", gated=False, packed=False, bidirectional=False),
}


def architecture_of(model_type: str) -> Architecture | None:
    """None for one that is not in the table."""
    return ARCHITECTURES.get(model_type)
