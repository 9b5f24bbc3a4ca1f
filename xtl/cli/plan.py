"""`xtl plan`: what will run, what is shared, what is done, every setting in force, and what it will cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xtl.cli.common import DataPlace, GridFile, Output, OutputFormat, StoreUrl

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from xtl.estimate import Estimate
    from xtl.forecast import Need
    from xtl.grid import Grid
    from xtl.grid_models import StudyModel
    from xtl.inventory import Inventory
    from xtl.plan import Plan

#: Settings in force: role, name, values and, by the values' names, sources.
Entry = dict[str, Any]


def plan(
    grid_file: GridFile,
    store: StoreUrl = None,
    data: DataPlace = None,
    gpu: Annotated[
        str | None,
        typer.Option(help="What to estimate for, as in H100; default: what the store's stages ran on, else A100."),
    ] = None,
    output: OutputFormat = Output.table,
) -> None:
    """Show what a grid will run, every setting in force, and about how long it takes; changes nothing.

    Example: xtl plan grids/quickstart.yaml --gpu H100
    """
    import sys

    from xtl.cli.common import load_grid, open_grid_store, print_json
    from xtl.fit import cut_short
    from xtl.forecast import forecast, needs
    from xtl.inventory import look
    from xtl.plan import build
    from xtl.store import commit

    grid = load_grid(grid_file, data, store)
    inventory = look(grid, must_know=False)
    found = build(grid, inventory)
    if inventory.unknown:
        print(
            "note: the hub does not answer, so commits are not known, keys are provisional, and what its models can do "
            "is not looked at",
            file=sys.stderr,
        )
    opened = open_grid_store(grid) if grid.store else None
    done = commit.manifests(opened) & set(found.stages) if opened else set()
    estimate = forecast(found, inventory, opened, gpu)
    settings = settings_in_force(grid, inventory)
    memory = list(needs(grid, inventory, estimate.gpu))
    cut = list(cut_short(grid, inventory))
    if output == Output.json:
        print_json({**as_json(grid, found, done, estimate, settings, memory), "cut_short": cut})
    else:
        show(grid, found, done, estimate, settings, memory)
        for line in cut:
            print(f"Length: {line}")


def as_json(
    grid: Grid,
    plan: Plan,
    done: set[str],
    estimate: Estimate,
    settings: Sequence[Entry],
    memory: Sequence[Need] = (),
) -> dict[str, Any]:
    """The whole plan for a program. Of a stage without an encoder, tokens are 0 and seconds null."""
    from xtl.work import model_of

    users = Counter(row.key for row in plan.rows)
    return {
        "grid": grid.name,
        "stages": [
            {
                "key": stage.key,
                "kind": stage.kind,
                "title": stage.title,
                "done": stage.key in done,
                "rows": users.get(stage.key, 0),
                "parents": list(stage.parents),
                "labels": dict(stage.labels),
                "tokens": round(estimate.works[stage.key].training + estimate.works[stage.key].evaluating),
                "tokens_trained": round(estimate.works[stage.key].training),
                "seconds": estimate.seconds.get(stage.key),
                "seconds_from": estimate.source(stage.key, model_of(plan, stage)),
                "gpu_hours": estimate.hours([stage.key]),
                "spec": stage.spec,
            }
            for stage in plan.stages.values()
        ],
        "rows": [{"model": r.model, "arm": r.arm, "seed": r.seed, "task": r.task, "key": r.key} for r in plan.rows],
        "settings": list(settings),
        "gpu": estimate.gpu,
        "gpu_hours": estimate.hours(plan.stages.keys() - done),
        "memory": [
            {"model": one.model, "gpu": one.gpu, "needs_gb": one.needs, "has_gb": one.has, "fits": one.fits}
            for one in memory
        ],
        "not_estimated": _not_estimated(plan, done, estimate),
    }


def settings_in_force(grid: Grid, inventory: Inventory) -> list[Entry]:
    """One entry a task and role, and again for each model with settings of its own: every value and where it comes
    from."""
    from xtl.authors import published

    configs = {model.name: inventory.models[model.place].config for model in grid.models}

    def theirs(model: StudyModel) -> bool:
        return grid.train.preset == "authors" and any(published(configs[model.name], x.task) for x in grid.targets)

    own = [model for model in grid.models if model.lora or model.hyper or theirs(model)]
    models = [*([None] if len(own) < len(grid.models) else []), *own]
    how = [model for model in grid.models if model.special]
    return [
        *({"role": "model", "name": m.name, "values": m.special, "sources": m.sources} for m in how),
        *(entry for model in models for entry in _settings_of(grid, model, configs[model.name] if model else {})),
        *_asked(grid),
    ]


def _asked(grid: Grid) -> Iterator[Entry]:
    if any(arm.prompted for arm in grid.arms):
        values = grid.prompted.model_dump()
        sources = {name: "grid" if name in grid.prompted.model_fields_set else "xtl default" for name in values}
        yield {"role": "intermediate", "name": "prompted", "values": values, "sources": sources}


def _settings_of(grid: Grid, model: StudyModel | None, config: Mapping[str, Any]) -> Iterator[Entry]:
    from xtl.settings import resolve

    of = f" of {model.name}" if model and len(grid.models) > 1 else ""
    for arm in grid.arms:
        if len(arm.parts) > 1:
            whole = resolve(grid, "intermediate", None, arm, model)
            name = arm.spelling + of
            yield {"role": "intermediate", "name": name, "values": whole.values, "sources": whole.sources}
        for part in arm.parts:
            one = resolve(grid, "intermediate", part.task, arm, model)
            name = (arm.spelling if len(arm.parts) == 1 else f"{arm.spelling}: {part.task}") + of
            yield {"role": "intermediate", "name": name, "values": one.values, "sources": one.sources}
    for target in grid.targets:
        one = resolve(grid, "target", target.task, model=model, config=config)
        yield {"role": "target", "name": target.task + of, "values": one.values, "sources": one.sources}


def show(
    grid: Grid,
    plan: Plan,
    done: set[str],
    estimate: Estimate,
    settings: Sequence[Entry],
    memory: Sequence[Need] = (),
) -> None:
    """The plan for a person."""
    from xtl.cli.common import console

    out = console()
    out.print(f"{grid.name}: {len(plan.stages)} stages, {len(done)} done", style="bold")
    tables = (_stages_table(plan, done, estimate, keys=keys) for keys in (True, False))
    out.print(next((table for table in tables if _fits(out, table)), _stages_table(plan, done, estimate, keys=False)))
    out.print("\nsettings in force", style="bold")
    out.print(_settings_table(settings))
    users = Counter(row.key for row in plan.rows)
    shared = sum(count - 1 for count in users.values())
    out.print(
        f"\n{len(plan.rows)} results from {len(users)} target stages"
        + (f"; {shared} shared, run once" if shared else "")
        + f". {_to_run(plan, done, estimate)}"
    )
    for line in _estimated_from(plan, done, estimate):
        out.print(line, style="dim")
    for one in memory:
        out.print(f"Memory: {one.told}", style="dim" if one.fits else "red")
    _say_missing(plan)


def _fits(out: Console, table: Table) -> bool:
    return out.measure(table, options=out.options.update(width=1000)).maximum <= out.width


def _stages_table(plan: Plan, done: set[str], estimate: Estimate, *, keys: bool) -> Table:
    """A row a stage. Without `keys` it fits 80 columns: titles name stages as well, and wrap where they must."""
    from rich.table import Table
    from rich.text import Text

    from xtl.cli.common import duration, plain

    users = Counter(row.key for row in plan.rows)
    children = Counter(parent for stage in plan.stages.values() for parent in stage.parents)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("stage")
    for name in (*(["key"] if keys else []), "state", "needed by"):
        table.add_column(name, no_wrap=True)
    for name in ("tokens", "time"):
        table.add_column(name, justify="right", no_wrap=True)
    for stage in plan.stages.values():
        several = f"{users[stage.key]} rows" if users[stage.key] > 1 else ""
        several = several or (f"{children[stage.key]} stages" if children[stage.key] > 1 else "")
        work, seconds = estimate.works[stage.key], estimate.seconds.get(stage.key)
        table.add_row(
            Text(plain(stage.title)),
            *([stage.key[:12]] if keys else []),
            "done" if stage.key in done else "to run",
            several,
            _short(round(work.training + work.evaluating)),
            duration(seconds) if seconds is not None else "",
        )
    return table


def _settings_table(settings: Sequence[Entry]) -> Table:
    """A block a set of settings, headed by all that have the very same, from the same sources."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    from xtl.cli.common import plain

    alike: dict[tuple[Any, ...], list[str]] = {}
    for entry in settings:
        by_source: dict[str, list[str]] = {}
        for name, value in entry["values"].items():
            by_source.setdefault(entry["sources"][name], []).append(f"{name} {value}")
        block = tuple((", ".join(values), source) for source, values in by_source.items())
        alike.setdefault((entry["role"], block), []).append(entry["name"])
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column("values", ratio=3)
    table.add_column("from", ratio=2, style="dim")
    for (role, block), names in alike.items():
        table.add_row(Text(plain(f"{role} {', '.join(names)}"), style="bold"), "")
        for values, source in block:
            table.add_row(Padding(Text(plain(values)), (0, 0, 0, 2)), Text(plain(source)))
    return table


def _to_run(plan: Plan, done: set[str], estimate: Estimate) -> str:
    if done >= plan.stages.keys():
        return "All is done."
    hours = estimate.hours(plan.stages.keys() - done)
    about = "less than 0.1" if hours < 0.05 else f"about {hours:.1f}"
    kind = "CPU" if estimate.gpu == "cpu" else "GPU"
    if unknown := _not_estimated(plan, done, estimate):
        return f"To run: {about} {kind} hours on {estimate.gpu}, and {unknown} stages that are not estimated."
    return f"To run: {about} {kind} hours on {estimate.gpu} (an estimate)."


def _not_estimated(plan: Plan, done: set[str], estimate: Estimate) -> int:
    """Stages with a GPU of whose time nothing tells."""
    from xtl.work import model_of

    return sum(
        estimate.seconds.get(key) is None and bool(model_of(plan, stage))
        for key, stage in plan.stages.items()
        if key not in done
    )


def _estimated_from(plan: Plan, done: set[str], estimate: Estimate) -> list[str]:
    """A line on the stages whose like was done, a line a model on the others: where their times come from."""
    from xtl.cli.common import plain
    from xtl.work import model_of

    left = [stage for key, stage in plan.stages.items() if key not in done and model_of(plan, stage)]
    alike = sum(stage.key in estimate.alike for stage in left)
    lines = [f"{alike} of {len(left)} take as long as done stages of the same work"] if alike else []
    for base in dict.fromkeys(model_of(plan, stage) for stage in left if stage.key not in estimate.alike):
        name = plan.stages[base].title.removeprefix("fetch model ")
        lines.append(f"{'the others: ' if alike else ''}{name}: {estimate.sources[base]}")
    return [plain(f"Time: {line}.") for line in lines]


def _say_missing(plan: Plan) -> None:
    """Languages that a target is not scored in, for the data hold none; and targets scored on dev. Once a target: arms,
    seeds and models do not differ in it."""
    from xtl.cli.common import console

    out = console()
    specs = {row.task: plan.stages[row.key].spec for row in plan.rows}
    for asked in plan.grid.targets:
        spec = specs[asked.task]
        missing = [language for language in asked.languages if language not in spec["languages"]]
        if missing:
            count = f"{len(asked.languages) - len(missing)} of {len(asked.languages)}"
            out.print(f"{asked.task}: {count} languages; the data lack {' '.join(missing)}")
        if spec["split"] == "dev":
            out.print(f"{asked.task}: scored on dev, for the data hold no test set")


def _short(count: int) -> str:
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= limit:
            return f"{count / limit:.1f}{unit}"
    return str(count) if count else ""
