"""What the models of a grid can do of what it asks, as far as their configurations tell. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from xtl.architectures import Architecture, architecture_of
from xtl.grid import Grid
from xtl.grid_models import StudyModel
from xtl.inventory import Inventory
from xtl.tasks import TASKS


def misfits(grid: Grid, inventory: Inventory) -> Iterator[str]:
    """A line for each thing that a model cannot do."""
    masked = [arm.spelling for arm in grid.arms if any(TASKS[part.task].form == "text" for part in arm.parts)]
    if any(arm.prompted for arm in grid.arms) and not any(asks(model, inventory) for model in grid.models):
        yield "intermediates: `prompted` asks decoders, and no model of this grid is one: leave it out"
    for model in grid.models:
        kind = inventory.models[model.place].architecture
        known = architecture_of(kind)
        if known is None or not known.causal:
            continue
        if model.attention == "bidirectional" and not known.bidirectional:
            yield (
                f"model {model.name}: attention: bidirectional is not for {known.title}, whose attention weighs what "
                "came before alone; leave it out"
            )
        if masked:
            yield (
                f"model {model.name}: {known.title} is a decoder without a mask, so masked LM cannot train on it: "
                f"leave out {', '.join(masked)}, or give the decoder a grid of its own"
            )


def asks(model: StudyModel, inventory: Inventory) -> bool:
    """Whether the arm `prompted` asks it: decoders, and what may be one."""
    known = architecture_of(inventory.models[model.place].architecture)
    return known is None or known.causal


def special(model: StudyModel, inventory: Inventory) -> dict[str, Any]:
    """What a stage's spec says of its model's training beyond the published way; nothing for encoders' attention, which
    sees all as it is."""
    found = dict(model.differs)
    known: Architecture | None = architecture_of(inventory.models[model.place].architecture)
    if known is not None and not known.causal:
        found.pop("attention", None)
    return found
