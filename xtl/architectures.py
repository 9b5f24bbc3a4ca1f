"""What differs between the models of a study: one line an architecture, by transformers' `model_type`. Pure.

A model whose architecture is not here runs on the plain path: padded, read where a probe of its attention says
(jobs/model.py), with a line in the log. No model's own code is ever run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

Reads = Literal["first", "last"]


@dataclass(frozen=True, kw_only=True)
class Published:
    """Settings with which a model's authors fine-tuned it on targets, under the grid's names, and where they say so.
    hidden: the size of the model that they are of, where sizes differ."""

    tasks: tuple[str, ...]
    settings: Mapping[str, Any]
    source: str
    hidden: int | None = None


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
    published: what `preset: authors` takes.
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
    published: tuple[Published, ...] = ()


def _decoder(title: str, **more: Any) -> Architecture:
    return replace(
        Architecture(title=title, causal=True, reads="last", packed=True, gated=True, bidirectional=True), **more
    )


#: Every model but XLM-R large, for which the preset `xtreme` stands: scripts/train_xnli.sh of google-research/xtreme.
def _smaller(hidden: int | None = None) -> tuple[Published, ...]:
    return (Published(tasks=("xnli",), settings={"lr": 2e-5}, source="XTREME, scripts/train_xnli.sh", hidden=hidden),)


#: https://github.com/Nicolas-BZRD/EuroBERT/issues/3, by one of the authors; they stop early, and use a second beta of
#: 0.95, which xtl does not.
def _eurobert(hidden: int, pawsx: float, xnli: float) -> Iterator[Published]:
    common = {"steps": 10_000, "batch": 32, "warmup": 0.1, "weight_decay": 0.1, "adam_eps": 1e-5}
    for task, lr in (("pawsx", pawsx), ("xnli", xnli)):
        where = "EuroBERT's authors, issue 3 of Nicolas-BZRD/EuroBERT"
        yield Published(tasks=(task,), settings={"lr": lr, **common}, source=where, hidden=hidden)


#: The model card of microsoft/mdeberta-v3-base: 8 GPUs with 4 examples each.
_MDEBERTA = Published(
    tasks=("xnli",),
    settings={"lr": 2e-5, "epochs": 6, "batch": 32, "warmup": 3000, "length": 256},
    source="mDeBERTa-v3-base's model card",
)


#: mmBERT's paper gives ranges that it chose from; its README names izhx/nlu-evals as what its evaluation is based on.
def _mmbert(tasks: tuple[str, ...], **settings: Any) -> Published:
    more = {"batch": 32, "length": 128, "warmup": 0, "weight_decay": 0.0, **settings}
    return Published(tasks=tasks, settings=more, source="izhx/nlu-evals, which mmBERT's evaluation is based on")


_MMBERT = (
    _mmbert(("xnli",), lr=2e-5, epochs=3, warmup=0.06),
    _mmbert(("pawsx",), lr=2e-5, epochs=2),
    _mmbert(("udpos", "panx"), lr=2e-5, epochs=10),
    _mmbert(("xquad", "mlqa", "tydiqa"), lr=3e-5, epochs=3, length=384, weight_decay=0.0001),
)

ARCHITECTURES: Mapping[str, Architecture] = {
    "xlm-roberta": Architecture(
        title="XLM-R, Glot500", packed=True, padded_positions=True, position_table=True, published=_smaller(hidden=768)
    ),
    "xlm-roberta-xl": Architecture(title="XLM-R XL", packed=True, padded_positions=True, position_table=True),
    "roberta": Architecture(title="RoBERTa", packed=True, padded_positions=True, position_table=True),
    "camembert": Architecture(title="CamemBERT", packed=True, padded_positions=True, position_table=True),
    "bert": Architecture(title="BERT, mBERT", packed=True, position_table=True, published=_smaller()),
    "modernbert": Architecture(
        title="ModernBERT, mmBERT", packed=True, gated=True, drops=("head.", "decoder."), published=_MMBERT
    ),
    "eurobert": Architecture(
        title="EuroBERT",
        packed=True,
        gated=True,
        published=(*_eurobert(768, 3.6e-5, 3.6e-5), *_eurobert(1152, 4.6e-5, 3.6e-5), *_eurobert(2304, 3.6e-5, 2.8e-5)),
    ),
    # Their attention is their own (relative positions inside it; transformers' interface is not asked).
    "deberta-v2": Architecture(title="DeBERTa v3, mDeBERTa", published=(_MDEBERTA,)),
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


def published(config: Mapping[str, Any], task: str) -> Published | None:
    """What the authors of the model that a config.json describes have published for a target; None where they have
    not, or the model is not known."""
    known = architecture_of(str(config.get("model_type") or ""))
    fits = (one for one in (known.published if known else ()) if task in one.tasks)
    return next((one for one in fits if one.hidden in (None, config.get("hidden_size"))), None)


def architecture_of(model_type: str) -> Architecture | None:
    """None for one that is not in the table."""
    return ARCHITECTURES.get(model_type)
