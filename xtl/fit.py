"""What the models of a grid can do of what it asks, as far as their configurations tell. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from xtl.architectures import Architecture, architecture_of
from xtl.arms import PROMPTED
from xtl.grid import Grid
from xtl.grid_models import StudyModel
from xtl.inventory import Inventory, Model
from xtl.prompts import prompts
from xtl.settings import lengths
from xtl.tasks import TASKS

QUANTISED = "its weights are quantised, which xtl does not train or ask: name the model as it was before"
NO_HEAD = (
    "its weights have no language-model head, and it does not write with its embeddings, so the arm `prompted` cannot "
    "ask it: name a folder or a hub id that holds the whole model, or leave the arm out"
)


def misfits(grid: Grid, inventory: Inventory) -> Iterator[str]:
    """A line for each thing that a model cannot do."""
    masked = [arm.spelling for arm in grid.arms if any(TASKS[part.task].form == "text" for part in arm.parts)]
    prompted = any(arm.prompted for arm in grid.arms)
    if prompted and not any(asks(model, inventory) for model in grid.models):
        yield "intermediates: `prompted` asks decoders, and no model of this grid is one: leave it out"
    if prompted and not any(target.task in prompts() for target in grid.targets):
        them = " ".join(prompts())
        yield f"intermediates: `prompted` is asked {them}, and none of them is a target of this grid: leave it out"
    yield from _never_compared(grid, inventory)
    for model in grid.models:
        held, kind = inventory.models[model.place], inventory.models[model.place].architecture
        known = architecture_of(kind)
        if held.config.get("quantization_config"):
            yield f"model {model.name}: {QUANTISED}"
        yield from _without_layers(model, held)
        if model.attention == "bidirectional" and kind and known is None:
            yield (
                f"model {model.name}: attention: bidirectional is not for {kind}, which is no architecture that xtl "
                "knows; leave it out"
            )
        asked = prompted and asks(model, inventory)
        if asked and _headless(held):
            yield f"model {model.name}: {NO_HEAD}"
        if asked and (name := _bends(held.config)):
            yield (
                f"model {model.name}: {name} bends its scores, which the arm `prompted` does not follow: leave the arm "
                "out, or give this model a grid of its own"
            )
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


def _without_layers(model: StudyModel, held: Model) -> Iterator[str]:
    """Layers that are to have adapters and that the model has not, as far as its weights are at hand."""
    if model.lora is None or isinstance(model.lora.targets, str) or not held.weights:
        return
    layers = [name.removesuffix(".weight") for name, shape in held.weights.items() if len(shape) == 2]
    for target in model.lora.targets:
        if not any(layer == target or layer.endswith(f".{target}") for layer in layers):
            there = sorted({layer.rpartition(".")[2] for layer in layers if "embed" not in layer})
            yield f"model {model.name}: train: targets: no layer of it is called {target!r}; it has {' '.join(there)}"


def _headless(held: Model) -> bool:
    """Known to write with a head that is not among its weights."""
    text = held.config.get("text_config") or held.config
    apart = text.get("tie_word_embeddings", held.config.get("tie_word_embeddings")) is False
    return apart and bool(held.weights) and not held.weights.keys() & {"lm_head.weight", "model.lm_head.weight"}


def _bends(config: Mapping[str, Any]) -> str:
    """What makes a decoder's scores other than hidden states times its head; empty where nothing does."""
    text = config.get("text_config") or config
    return next(
        (
            name
            for name in ("final_logit_softcapping", "logits_scaling", "logit_scale")
            if text.get(name) not in (None, 1, 1.0)
        ),
        "",
    )


def cut_short(grid: Grid, inventory: Inventory) -> Iterator[str]:
    """A line for each model with what is read of inputs that it has no positions for."""
    for model in grid.models:
        config = inventory.models[model.place].config
        most = _positions(config)
        longer = dict.fromkeys(
            f"{length} of {name}" for name, length, _ in lengths(grid, model, config) if length > most
        )
        if most and longer:
            told = ", ".join(longer)
            yield f"{model.name}: has positions for {most} word pieces: a length of more is cut to that ({told})"


def _positions(config: Mapping[str, Any]) -> int:
    """Word pieces that a model has positions for; 0 where its configuration does not say."""
    text = config.get("text_config") or config
    known = architecture_of(str(config.get("model_type") or ""))
    first = int(text.get("pad_token_id") or 0) + 1 if known and known.padded_positions else 0
    return max(int(text.get("max_position_embeddings") or 0) - first, 0)


def _never_compared(grid: Grid, inventory: Inventory) -> Iterator[str]:
    """Contrasts with the arm `prompted` on what it is never asked."""
    asked = {model.name for model in grid.models if asks(model, inventory)}
    names = [model.name for model in grid.models]
    for one in grid.contrasts:
        if PROMPTED not in (one.arm, one.against):
            continue
        sides = [(name, one.against_model or name) for name in ([one.model] if one.model else names)]
        can = any(
            all(arm != PROMPTED or name in asked for name, arm in zip(side, (one.arm, one.against), strict=True))
            for side in sides
        )
        tasks = one.tasks or tuple(target.task for target in grid.targets)
        if not can or not any(task in prompts() for task in tasks):
            yield (
                f"contrasts: {one.name!r} compares the arm `prompted` on what it is never asked: decoders are, on "
                f"{' '.join(prompts())}"
            )


def asks(model: StudyModel, inventory: Inventory) -> bool:
    """Whether the arm `prompted` asks it: decoders, and what may be one."""
    known = architecture_of(inventory.models[model.place].architecture)
    return known is None or known.causal


def special(model: StudyModel, inventory: Inventory) -> dict[str, Any]:
    """What a stage's spec says of its model beyond XTREME's way with encoders: where it is read, if not at its first
    piece, and how it is trained; nothing for encoders' attention, which sees all as it is."""
    found = dict(model.differs)
    kind = inventory.models[model.place].architecture
    known: Architecture | None = architecture_of(kind)
    if known is not None and not known.causal:
        found.pop("attention", None)
    if kind and (known is None or known.reads != "first"):
        found["reads"] = "probed" if known is None else known.reads
    return found
