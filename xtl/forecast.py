"""What an estimate is made from: the store's manifests, the data's lengths, and a tokenizer where there is one.

It looks, and leaves the reckoning to `work.py` and `estimate.py`. Nothing that is missing here is an error: an estimate
then stands on what is assumed, and says so.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from xtl import estimate, memory, spent
from xtl.errors import StoreError, UserError
from xtl.grid import Grid
from xtl.inventory import Inventory, local_data, look
from xtl.plan import Plan, build
from xtl.settings import lengths
from xtl.store import commit
from xtl.store.base import Store
from xtl.store.parallel import each
from xtl.tasks import source
from xtl.work import MEAN, Density, works

#: So many characters of a language tell how it is cut.
ENOUGH = 20_000
_TOKENIZER = "encoder/tokenizer.json"


def planned(grid: Grid, store: Store, *, gpu: str = "") -> tuple[Plan, estimate.Estimate]:
    """Look at the data and models, plan, and estimate. gpu: what stages will run on, where that is known; raises
    UserError for models that it cannot train."""
    inventory = look(grid)
    plan = build(grid, inventory)
    if large := too_large(grid, inventory, gpu):
        raise UserError("\n".join(large))
    return plan, forecast(plan, inventory, store)


def forecast(plan: Plan, inventory: Inventory, store: Store | None, gpu: str | None = None) -> estimate.Estimate:
    """The estimate of a plan. gpu: as the user calls it; None for what the store's stages ran on. Raises UserError for
    a name that is none."""
    found = spent.done(store) if store else []
    inventory = _fetched(plan, inventory, store)
    device = estimate.choose(gpu, found)
    counted = works(plan, inventory, _densities(plan, inventory, store))
    return estimate.estimate(plan, counted, parameters(plan, inventory), found, device)


def timed(plan: Plan, found: estimate.Estimate, done: Collection[str]) -> Plan:
    """The plan whose stages carry their seconds, to be held against what they will have taken: not those that are done,
    of which the estimate knows."""
    stages = {
        key: stage if key in done else replace(stage, seconds=found.seconds.get(key))
        for key, stage in plan.stages.items()
    }
    return replace(plan, stages=stages)


def _fetched(plan: Plan, inventory: Inventory, store: Store | None) -> Inventory:
    """What has been fetched from a hub is as long, and as many, as its manifest says."""
    wanted = {
        (stage.spec["task"], stage.spec["part"]): key
        for key, stage in plan.stages.items()
        if stage.spec.get("what") == "data" and not inventory.units[stage.spec["task"], stage.spec["part"]].shapes
    }
    if store is None or not wanted:
        return inventory
    units = dict(inventory.units)
    there = commit.manifests(store)
    known = {place: key for place, key in wanted.items() if key in there}
    for place, manifest in zip(known, each(partial(_manifest, store), list(known.values())), strict=True):
        with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):
            metrics = manifest["metrics"]["listings"]
            listings = {(x, split): one for x, splits in metrics.items() for split, one in splits.items()}
            counts = {listing: int(one["examples"]) for listing, one in listings.items()}
            shapes = {
                listing: [list(map(int, one["characters"]))] for listing, one in listings.items() if counts[listing]
            }
            units[place] = replace(units[place], listings=counts, shapes=shapes)
    return replace(inventory, units=units)


def _manifest(store: Store, key: str) -> dict[str, Any]:
    try:
        return commit.read_manifest(store, key) or {}
    except StoreError:
        return {}


def parameters(plan: Plan, inventory: Inventory) -> dict[str, float]:
    """Weights that a word piece passes through, by base model's key, as its configuration has them, else about 12
    hidden^2 a layer (Kaplan et al. 2020, section 2.1); 0 where the model's shape is not known."""
    models = {key: inventory.models[name] for key, name in _models(plan).items()}
    return {
        key: memory.parameters(model.config)[1] or 12.0 * model.layers * model.hidden**2
        for key, model in models.items()
    }


@dataclass(frozen=True, kw_only=True)
class Need:
    """What a study takes of a GPU's memory for a model, in GB (10^9 bytes). trains: it is trained, not scored alone.
    has: the GPU's; with_adapters: what adapters would take, None where no weights are trained but theirs."""

    model: str
    gpu: str
    trains: bool
    needs: float
    has: float
    with_adapters: float | None

    @property
    def fits(self) -> bool:
        return self.needs <= self.has * memory.USABLE

    @property
    def told(self) -> str:
        large = "" if self.fits else "too large: "
        what = "training" if self.trains else "scoring"
        about = f"{self.model}: {large}{what} needs {_gigabytes(self.needs)} of a GPU's memory, and {self.gpu} has"
        if self.fits or self.with_adapters is None:
            return f"{about} {self.has:g}"
        return f"{about} {self.has:g}; `train: {{method: lora}}` needs {_gigabytes(self.with_adapters)}"


def _gigabytes(value: float) -> str:
    return "under 0.1 GB" if value < 0.1 else f"about {value:.1f} GB" if value < 10 else f"about {value:.0f} GB"


def needs(grid: Grid, inventory: Inventory, gpu: str) -> Iterator[Need]:
    """One for each model whose configuration is at hand; nothing for a GPU whose memory is not known."""
    name = next((known for known in memory.MEMORY_GB if estimate.is_named(gpu, known)), None)
    if name is None:
        return
    half = grid.precision == "bf16"
    before = any(arm.parts for arm in grid.arms)
    trains = before or (any(not arm.prompted for arm in grid.arms) and any(x.train_languages for x in grid.targets))
    asked = all(arm.prompted for arm in grid.arms)
    for model in grid.models:
        config = inventory.models[model.place].config
        if not (weights := sum(memory.parameters(config))):
            continue
        rank = model.lora.rank if model.lora else None
        merged = before and model.lora is not None and model.lora.carry == "merge"
        longest = max((length for _, length, trained in lengths(grid, model, config) if trained), default=0)
        step = memory.activations(config, longest)
        held = memory.resident(config, rank=rank, half=half, merged=merged)
        lora = memory.resident(config, rank=16, half=half)
        yield Need(
            model=model.name,
            gpu=name,
            trains=trains,
            needs=((held + step) if trains else weights * (2 if asked and half else 4)) / 1e9,
            has=memory.MEMORY_GB[name],
            with_adapters=(lora + step) / 1e9 if trains and not model.lora else None,
        )


def too_large(grid: Grid, inventory: Inventory, gpu: str) -> list[str]:
    """A line for each model that a GPU of that name cannot hold."""
    return [f"model {need.told}" for need in needs(grid, inventory, gpu) if not need.fits]


def _models(plan: Plan) -> dict[str, str]:
    """Base models' names by the key of the stage that fetches them."""
    return {key: str(stage.where["model"]) for key, stage in plan.stages.items() if stage.spec.get("what") == "model"}


def _densities(plan: Plan, inventory: Inventory, store: Store | None) -> dict[str, Density]:
    """Word pieces a character by model and language, of models whose tokenizer is at hand: in their folder, or in the
    store once they are fetched."""
    if "folder" not in inventory.source:
        return {}
    try:
        import tokenizers  # noqa: F401
    except ImportError:
        return {}
    found: dict[str, Density] = {}
    for key, name in _models(plan).items():
        if tokenizer := _tokenizer(key, name, inventory, store):
            found[name] = _density(inventory, *tokenizer)
    source.flush()
    return found


def _tokenizer(
    key: str, name: str, inventory: Inventory, store: Store | None
) -> tuple[str, Callable[[], bytes]] | None:
    """What names a tokenizer's bytes, and how to get them."""
    file = Path(name) / "tokenizer.json"
    if name.startswith("/") and file.is_file():
        return str(inventory.models[name].identity["digest"]), file.read_bytes
    try:
        manifest = commit.read_manifest(store, key) if store else None
        blob = commit.blobs(manifest).get(_TOKENIZER) if manifest else None
    except (StoreError, KeyError, TypeError, ValueError):
        return None
    return (blob.sha256, lambda: store.get(blob.name)[0]) if store and blob else None


def _density(inventory: Inventory, digest: str, read: Callable[[], bytes]) -> Density:
    @cache
    def tokenizer() -> Any:
        from tokenizers import Tokenizer

        made = Tokenizer.from_buffer(read())
        made.no_truncation()
        return made

    def measure(text: str) -> int:
        return len(tokenizer().encode(text, add_special_tokens=False).ids)

    characters: dict[str, int] = defaultdict(int)
    pieces: dict[str, int] = defaultdict(int)
    folder = local_data(inventory.source["folder"])
    for task, part in inventory.units:
        for listing in source.unit_listings(task, part, folder):
            language = "en" if listing.split.endswith(".en") else listing.language
            if listing.form == "gold" or characters[language] >= ENOUGH:
                continue
            try:
                some = source.pieces(listing, digest, measure)
            except Exception:  # whatever the library says of a file that is no tokenizer: the model's loading tells
                return {}
            characters[language] += some[0]
            pieces[language] += some[1]
    found = {language: pieces[language] / count for language, count in characters.items() if count}
    return {**found, MEAN: sum(pieces.values()) / max(1, sum(characters.values()))}
