"""The settings with which models were fine-tuned on targets by their authors, where they say: `preset: authors`. Pure.

Values that they do not name are the XTREME scripts'. Nothing is here of models for which no such settings were found:
XLM-R XL, RemBERT, mT5 with a head, decoders (but for the rate of adapters: xtl/settings.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Published:
    """Settings with which a model was fine-tuned on targets, under the grid's names, and where that is said. sizes:
    what its configuration says and that of another model of its architecture does not."""

    model: str
    tasks: tuple[str, ...]
    settings: Mapping[str, Any]
    source: str
    sizes: Mapping[str, int]


#: google-research/xtreme, scripts/train_xnli.sh: of these two; XLM-R large is what the preset `xtreme` is of.
def _xtreme(model: str, **sizes: int) -> Published:
    source = "XTREME, scripts/train_xnli.sh"
    return Published(model=model, tasks=("xnli",), settings={"lr": 2e-5}, source=source, sizes=sizes)


#: https://github.com/Nicolas-BZRD/EuroBERT/issues/3, by one of the authors; they stop early, and use a second beta of
#: 0.95, which xtl does not.
def _eurobert(model: str, hidden: int, *, pawsx: float, xnli: float) -> Iterator[Published]:
    common = {"steps": 10_000, "batch": 32, "warmup": 0.1, "weight_decay": 0.1, "adam_eps": 1e-5}
    source, sizes = "EuroBERT's authors, issue 3 of Nicolas-BZRD/EuroBERT", {"hidden_size": hidden}
    for task, lr in (("pawsx", pawsx), ("xnli", xnli)):
        yield Published(model=model, tasks=(task,), settings={"lr": lr, **common}, source=source, sizes=sizes)


#: The model card of microsoft/mdeberta-v3-base: 8 GPUs with 4 examples each.
_MDEBERTA = Published(
    model="mDeBERTa-v3-base",
    tasks=("xnli",),
    settings={"lr": 2e-5, "epochs": 6, "batch": 32, "warmup": 3000, "length": 256},
    source="mDeBERTa-v3-base's model card",
    sizes={"hidden_size": 768, "vocab_size": 251_000},
)


#: mmBERT's README names izhx/nlu-evals as what its evaluation is based on, and has no values of its own.
def _mmbert(*tasks: str, **settings: Any) -> Published:
    more = {"batch": 32, "length": 128, "warmup": 0, "weight_decay": 0.0, **settings}
    source = "izhx/nlu-evals, which mmBERT's evaluation is based on"
    return Published(model="mmBERT", tasks=tasks, settings=more, source=source, sizes={"vocab_size": 256_000})


_MMBERT = (
    _mmbert("xnli", lr=2e-5, epochs=3, warmup=0.06),
    _mmbert("pawsx", lr=2e-5, epochs=2),
    _mmbert("udpos", "panx", lr=2e-5, epochs=10),
    _mmbert("xquad", "mlqa", "tydiqa", lr=3e-5, epochs=3, length=384, weight_decay=0.0001),
)
_EUROBERT = (
    *_eurobert("EuroBERT-210m", 768, pawsx=3.6e-5, xnli=3.6e-5),
    *_eurobert("EuroBERT-610m", 1152, pawsx=4.6e-5, xnli=3.6e-5),
    *_eurobert("EuroBERT-2.1B", 2304, pawsx=3.6e-5, xnli=2.8e-5),
)
_XLMR_BASE = _xtreme("XLM-R base", hidden_size=768, vocab_size=250_002)
_MBERT = _xtreme("mBERT", hidden_size=768, vocab_size=119_547)
AUTHORS: Mapping[str, tuple[Published, ...]] = {
    "xlm-roberta": (_XLMR_BASE,),
    "bert": (_MBERT,),
    "modernbert": _MMBERT,
    "eurobert": _EUROBERT,
    "deberta-v2": (_MDEBERTA,),
}


def published(config: Mapping[str, Any], task: str) -> Published | None:
    """What is known of the model that a config.json describes, for a target; None where nothing is."""
    fits = (one for one in AUTHORS.get(str(config.get("model_type")), ()) if task in one.tasks)
    return next((one for one in fits if one.sizes.items() <= config.items()), None)
