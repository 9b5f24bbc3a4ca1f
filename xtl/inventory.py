"""What a grid's data and models are right now: the digests and revisions that enter the keys.

This is the edge that `plan.py` is kept free of: it looks at folders, asks the hub for commits, and hands over plain
values. `Inventory` is what the planner sees; tests build one by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One fetch stage's worth of data: part "" is a task's dev and test sets and its own English train; part `de` is
    its German train.

    origin: what names the bytes, and enters the key. listings: (language, split) to the number of examples, an
    estimate (for hours, never for keys); absent means that the data holds no such listing.
    """

    task: str
    part: str
    origin: Mapping[str, Any]
    listings: Mapping[tuple[str, str], int]

    @property
    def name(self) -> str:
        return f"{self.task}@{self.part}" if self.part else self.task


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model. identity enters the key; layers and hidden (of the encoder) serve estimates, 0 if unknown."""

    name: str
    identity: Mapping[str, Any]
    layers: int = 0
    hidden: int = 0


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """Everything a plan needs to know of the world. A missing unit was looked for and is not there: `absent` says
    what a user can do about it."""

    units: Mapping[tuple[str, str], Unit]
    models: Mapping[str, Model]
    source: Mapping[str, Any]  # where fetch stages read: {"folder": ...} or {"hub": true}; not in any key
    absent: Mapping[tuple[str, str], str] = field(default_factory=dict)


#: Encoder shapes of the models that the published studies use (layers, hidden size): Conneau et al. 2020, table of
#: model sizes; Devlin et al. 2019. For estimates where no config.json is at hand.
SHAPES = {
    "FacebookAI/xlm-roberta-base": (12, 768),
    "FacebookAI/xlm-roberta-large": (24, 1024),
    "google-bert/bert-base-multilingual-cased": (12, 768),
}


def folder_of(name: str) -> Path | None:
    """The folder a grid means by this model or data name, or None for a hub id."""
    path = Path(name).expanduser()
    return path if path.is_absolute() or name.startswith((".", "~")) else None
