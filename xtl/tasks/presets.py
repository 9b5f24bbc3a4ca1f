"""The published hyperparameters, one function a kind of task, each figure with its source.

"jiant" is the code of Phang et al. (2020), "xtreme" the scripts of google-research/xtreme for XLM-R large: their
learning rate, epochs, batch and length from scripts/train_*.sh; no warm-up and no weight decay where a script names
none (the defaults of third_party/run_classify.py and run_tag.py); for QA scripts/train_qa.sh, which is one for SQuAD
and TyDiQA: 500 warm-up steps, weight decay 0.0001. Published figures for intermediates are jiant's alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from xtl.tasks.base import Settings

_JIANT = "jiant (Phang et al. 2020)"


def intermediate(length: int = 256) -> Settings:
    """jiant's defaults for an intermediate task. length: word pieces (384 for span QA)."""
    return Settings(lr=1e-5, epochs=3, batch=32, length=length, source=f"{_JIANT}, defaults for intermediates")


def for_intermediate(length: int = 256) -> Mapping[str, Settings]:
    """The settings of a data set that is an intermediate only: the same under each preset."""
    return dict.fromkeys(("jiant", "xtreme"), intermediate(length))


def for_target(*, epochs: int, xtreme_lr: float, script: str) -> Mapping[str, Settings]:
    """Pair classification and tagging: jiant `epochs` at batch 32 and 256 word pieces; XTREME at 128."""
    xtreme_epochs = 10 if script in ("udpos", "panx") else 5
    return {
        "jiant": Settings(lr=1e-5, epochs=epochs, batch=32, length=256, source=_JIANT),
        "xtreme": Settings(
            lr=xtreme_lr,
            epochs=xtreme_epochs,
            batch=32,
            length=128,
            warmup=0,
            weight_decay=0.0,
            source=f"XTREME, scripts/train_{script}.sh for XLM-R large",
        ),
    }


def for_span_target() -> Mapping[str, Settings]:
    """XQuAD, MLQA and TyDiQA-GoldP."""
    return {
        "jiant": Settings(lr=1e-5, epochs=2, batch=16, length=384, source=_JIANT),
        "xtreme": Settings(
            lr=3e-5,
            epochs=3,
            batch=32,
            length=384,
            warmup=500,
            weight_decay=0.0001,
            source="XTREME, scripts/train_qa.sh",
        ),
    }
