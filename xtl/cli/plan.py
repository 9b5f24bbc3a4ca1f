"""`xtl plan`: what will run, what is shared, what is done, every setting in force, and what it will cost."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from xtl.cli.common import DataPlace, GridFile, Output, OutputFormat, StoreUrl

if TYPE_CHECKING:
    from xtl.grid import Grid
    from xtl.plan import Plan

#: What a GPU is taken to do when hours are estimated: an assumption, a sixth of an A100's bf16 peak (312 TFLOP/s by its
#: data sheet), for short texts in small steps.
FLOPS_A_SECOND = 50e12


def plan(
    grid_file: GridFile, store: StoreUrl = None, data: DataPlace = None, output: OutputFormat = Output.table
) -> None:
    """Show what a grid will run, and every setting in force; changes nothing.

    Example: xtl plan grids/quickstart.yaml
    """
    import sys

    from xtl.cli.common import load_grid, open_grid_store, print_json
    from xtl.inventory import look
    from xtl.plan import build
    from xtl.store import commit

    grid = load_grid(grid_file, data, store)
    inventory = look(grid, must_know=False)
    found = build(grid, inventory)
    if inventory.unknown:
        print("note: the hub does not answer, so commits are not known and keys are provisional", file=sys.stderr)
    done = commit.manifests(open_grid_store(grid)) & set(found.stages) if grid.store else set()
    if output == Output.json:
        print_json(as_json(grid, found, done))
    else:
        show(grid, found, done)


def as_json(grid: Grid, plan: Plan, done: set[str]) -> dict[str, Any]:
    """The whole plan for a program."""
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
                "tokens": stage.tokens,
                "gpu_hours": stage.flops / FLOPS_A_SECOND / 3600,
                "spec": stage.spec,
            }
            for stage in plan.stages.values()
        ],
        "rows": [{"model": r.model, "arm": r.arm, "seed": r.seed, "task": r.task, "key": r.key} for r in plan.rows],
        "settings": settings_in_force(grid),
        "gpu_hours": gpu_hours(plan, done),
    }


def gpu_hours(plan: Plan, done: set[str]) -> float:
    """What is left to run, in hours of the GPU that FLOPS_A_SECOND describes."""
    return sum(stage.flops for stage in plan.stages.values() if stage.key not in done) / FLOPS_A_SECOND / 3600


def settings_in_force(grid: Grid) -> list[dict[str, Any]]:
    """One entry a task and role: every value and where it comes from."""
    from xtl.settings import resolve

    found = []
    for arm in grid.arms:
        if len(arm.parts) > 1:
            whole = resolve(grid, "intermediate", None, arm)
            found.append(
                {"role": "intermediate", "name": arm.spelling, "values": whole.values, "sources": whole.sources}
            )
        for part in arm.parts:
            one = resolve(grid, "intermediate", part.task, arm)
            name = arm.spelling if len(arm.parts) == 1 else f"{arm.spelling}: {part.task}"
            found.append({"role": "intermediate", "name": name, "values": one.values, "sources": one.sources})
    for target in grid.targets:
        one = resolve(grid, "target", target.task)
        found.append({"role": "target", "name": target.task, "values": one.values, "sources": one.sources})
    return found


def show(grid: Grid, plan: Plan, done: set[str]) -> None:
    """The plan for a person."""
    from rich.table import Table
    from rich.text import Text

    from xtl.cli.common import console, plain

    out = console()
    users = Counter(row.key for row in plan.rows)
    table = Table(title=f"{grid.name}: {len(plan.stages)} stages, {len(done)} done", title_justify="left")
    for name, justify in (("stage", "left"), ("key", "left"), ("state", "left"), ("needed by", "left"),
                          ("tokens", "right"), ("GPU hours", "right")):  # fmt: skip
        table.add_column(name, justify=justify, no_wrap=name != "needed by")  # type: ignore[arg-type]
    children = Counter(parent for stage in plan.stages.values() for parent in stage.parents)
    for stage in plan.stages.values():
        several = f"{users[stage.key]} rows" if users[stage.key] > 1 else ""
        several = several or (f"{children[stage.key]} stages" if children[stage.key] > 1 else "")
        table.add_row(
            Text(plain(stage.title)),
            stage.key[:12],
            "done" if stage.key in done else "to run",
            several,
            _short(stage.tokens),
            f"{stage.flops / FLOPS_A_SECOND / 3600:.2f}" if stage.flops else "",
        )
    out.print(table)
    out.print(_settings_table(grid))
    shared = sum(count - 1 for count in users.values())
    out.print(
        f"{len(plan.rows)} results from {len(users)} target stages"
        + (f"; {shared} shared, run once" if shared else "")
        + f". To run: about {gpu_hours(plan, done):.1f} GPU hours at {FLOPS_A_SECOND / 1e12:.0f} TFLOP/s sustained "
        "(an estimate)."
    )
    _say_missing(plan)


def _settings_table(grid: Grid) -> Any:
    from rich.table import Table
    from rich.text import Text

    from xtl.cli.common import plain

    table = Table(title="settings in force", title_justify="left")
    for name in ("role", "task", "values", "from"):
        table.add_column(name)
    for entry in settings_in_force(grid):
        by_source: dict[str, list[str]] = {}
        for name, value in entry["values"].items():
            by_source.setdefault(entry["sources"][name], []).append(f"{name} {value}")
        for index, (source, values) in enumerate(by_source.items()):
            head = (entry["role"], entry["name"]) if index == 0 else ("", "")
            table.add_row(*(Text(plain(cell)) for cell in (*head, ", ".join(values), source)))
    return table


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
