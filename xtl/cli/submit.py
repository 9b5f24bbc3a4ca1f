"""`xtl submit`: the study on a cluster."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from xtl.cli.common import DataPlace, GridFile, Output, OutputFormat, StoreUrl

if TYPE_CHECKING:
    from xtl.cli.next_steps import Next
    from xtl.cluster import Cluster
    from xtl.estimate import Estimate
    from xtl.grid import Grid
    from xtl.plan import Plan
    from xtl.store.base import Store
    from xtl.submit import Standing, Submitted
    from xtl.waiting import Waiting

Context = Annotated[str | None, typer.Option("--context", help="The kubeconfig's context; default: the current one.")]

#: From so many Jobs on, a terminal sees a bar.
MANY = 30


class Command(TyperCommand):
    """Takes `--dry-run=server` as `--dry-run`, for those who know it from kubectl: Typer has no optional values."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, ["--dry-run" if word == "--dry-run=server" else word for word in args])


def submit(
    grid_file: GridFile,
    store: StoreUrl = None,
    data: DataPlace = None,
    context: Context = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Have the API server check every Job; write nothing anywhere.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Stay until all has ended, and release Jobs where no controller does.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Take the grid's name over from another grid.")] = False,
    output: OutputFormat = Output.table,
) -> None:
    """Submit a study to a cluster: one Job a stage. The same command again finds what is there and makes what is not.

    With --wait the exit status is 0 if all is done, 1 if something failed; Ctrl-C stops the waiting, not the Jobs.
    --dry-run is --dry-run=server, as kubectl has it; without a cluster, see `xtl plan` and `xtl render`.

    Example: xtl submit my-study.yaml --store s3://bucket/prefix --dry-run
    """
    from xtl import inputs
    from xtl.cli.common import load_grid
    from xtl.cli.next_steps import Next
    from xtl.cluster import Cluster
    from xtl.cluster_parts import endpoint
    from xtl.forecast import planned, timed
    from xtl.submit import preflight, standing
    from xtl.submit import submit as create

    grid = load_grid(grid_file, data, store)
    opened = cluster_store(grid, context)
    # Where nodes are chosen by the name of their GPU (as NVIDIA's feature discovery labels them), it is known.
    plan, estimate = planned(grid, opened, gpu=" ".join(grid.cluster.get("nodeSelector", {}).values()))
    cluster = Cluster(context=context, namespace=grid.cluster.get("namespace"))
    now = standing(plan, opened)
    plan = timed(plan, estimate, now.done)
    missing = preflight(plan, opened, cluster, now)
    print(_preview(plan, now, missing, cluster, estimate), file=sys.stderr)
    if (address := endpoint(cluster, grid)) and address.state != "ok":
        print(f"warning: {address.detail}", file=sys.stderr)
    if dry_run:
        inputs.upload(plan, opened, now.done, _say, dry_run=True)
    else:
        if missing and not yes and sys.stdin.isatty():
            typer.confirm("Submit?", abort=True, err=True)
        plan = prepare(plan, opened, now, replace=replace)
    with _Bar(len(plan.stages)) as bar:
        result = create(plan, opened, cluster, now, dry_run=dry_run, on_progress=bar.show)
    after = Next(grid_file, plan, cluster, {"--store": store, "--data": data, "--context": context})
    if dry_run or not wait:
        _tell(result, after, opened.url, output, dry_run=dry_run)
        return
    print(_summary(result), file=sys.stderr)
    _wait(plan, opened, cluster, result, output)


def cluster_store(grid: Grid, context: str | None, *, creates: bool = True) -> Store:
    """The grid's store, which pods must reach. Raises UserError for a folder, for a grid that does not say where it
    runs, and, where Jobs are to be created, for one without an image."""
    from xtl.cli.common import open_grid_store
    from xtl.cluster_check import no_image
    from xtl.errors import UserError

    if not (grid.cluster or context):
        raise UserError(
            f"{grid.name} does not say where it runs: give it `cluster: {{namespace: ..., image: ...}}`, or run it on "
            "this machine with `xtl run`"
        )
    if creates and (why := no_image(grid)):
        raise UserError(why)
    opened = open_grid_store(grid)
    if not opened.url.startswith("s3://"):
        raise UserError(f"store: {opened.url} is a folder, which pods do not see; a cluster needs s3://bucket/prefix")
    return opened


def _preview(plan: Plan, now: Standing, missing: int, cluster: Cluster, estimate: Estimate) -> str:
    left = [stage.kind for key, stage in plan.stages.items() if key not in now.done]
    kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(left).items())
    hours = estimate.hours(plan.stages.keys() - now.done)
    return (
        f"{plan.grid.name}: {len(left)} of {len(plan.stages)} stages to run"
        + (f" ({kinds}), about {hours:.1f} GPU hours on {estimate.gpu}" if left else "")
        + f"; {missing} Jobs to create in {cluster.namespace} on {cluster.host}"
    )


def prepare(plan: Plan, store: Store, now: Standing, *, replace: bool) -> Plan:
    """All that pods will read, before the first Job: the grid's name, local inputs, specs. The plan as pods see it."""
    from xtl import inputs, local
    from xtl.store import commit, grids

    grids.register(store, plan.grid, plan, replace=replace)
    for key, problem in now.broken.items():
        if commit.discard(store, key):
            _say(f"{plan.stages[key].title} will run again: {problem}")
    plan = inputs.upload(plan, store, now.done, _say)
    local.prepare(plan, store)
    for key, stage in plan.stages.items():
        if stage.kind == "fetch" and key not in now.done:  # an earlier spec may name a folder that pods do not see
            local.put_spec(store, stage)
    return plan


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class _Bar:
    """A progress bar on a terminal where there are many Jobs; nothing elsewhere."""

    def __init__(self, count: int) -> None:
        self._shown = count >= MANY and sys.stderr.isatty()

    def __enter__(self) -> _Bar:
        if self._shown:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
            self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
            self._task = self._progress.add_task("Jobs", total=None)
            self._progress.start()
        return self

    def show(self, done: int, of: int) -> None:
        if self._shown:
            self._progress.update(self._task, completed=done, total=of)

    def __exit__(self, *error: object) -> None:
        if self._shown:
            self._progress.stop()


def _summary(result: Submitted) -> str:
    counts = [(len(result.created), "created"), (len(result.found) + len(result.labelled), "found")]
    text = f"Jobs: {', '.join(f'{count} {what}' for count, what in counts)}"
    if result.done:
        text += f"; {len(result.done)} stages need none, being done"
    if result.labelled:
        text += f"; {len(result.labelled)} are shared with another grid"
    return text


def _tell(result: Submitted, after: Next, store_url: str, output: Output, *, dry_run: bool) -> None:
    from dataclasses import asdict

    from xtl.cli.common import print_json
    from xtl.waiting import controller

    alive = controller(after.cluster)
    if output == Output.json:
        print_json({**asdict(result), "dry_run": dry_run, "controller": alive, "next": after.commands()})
        return
    print(("If submitted: " if dry_run else "") + _summary(result))
    if result.failed:
        print(f"{len(result.failed)} stages have failed for good: mend the cause, then\n  {after.retry()}")
    if dry_run:
        return
    if alive is None and len(result.done) < len(after.plan.stages):
        print(after.no_controller(), file=sys.stderr)
    if left := after.stale(store_url):
        print(left, file=sys.stderr)
    print("Next:\n" + "\n".join(f"  {line}" for line in after.commands()))


def _wait(plan: Plan, store: Store, cluster: Cluster, result: Submitted, output: Output) -> None:
    """Follow to the end; the scores table, or JSON, and the exit status."""
    from xtl.cli.common import plain
    from xtl.waiting import Waiting

    waiting = Waiting(plan, store, cluster, lambda line: print(plain(line), file=sys.stderr, flush=True))
    try:
        complete = waiting.run()
    except KeyboardInterrupt:
        count = Counter(waiting.states.values())
        out = count["released"] + count["queued"]
        print(
            f"\nStopped waiting, with {count['done']} of {len(plan.stages)} stages done. The Jobs stay: "
            f"{out} are released and go on; the others need a controller, or this command again.",
            file=sys.stderr,
        )
        raise typer.Exit(130) from None
    _finish(plan, store, waiting, result, output)
    if not complete:
        raise typer.Exit(1)


def _finish(plan: Plan, store: Store, waiting: Waiting, result: Submitted, output: Output) -> None:
    from dataclasses import asdict

    from xtl.cli.common import plain, print_json
    from xtl.cli.results import print_study, where

    results = f"{store.url}/grids/{plan.grid.name}"
    if output == Output.json:
        stages: dict[str, Any] = {
            key: {"state": state, "reason": waiting.reasons.get(key, "")} for key, state in waiting.states.items()
        }
        print_json({**asdict(result), "stages": stages, "results": results})
        return
    some = print_study(plan, store)
    sys.stdout.flush()
    for key in [key for key, state in waiting.states.items() if state in ("failed", "missing")]:
        reason = waiting.reasons.get(key, "")
        print(plain(f"{waiting.states[key].upper()} {plan.stages[key].title}: {reason}"), file=sys.stderr)
    count = Counter(waiting.states.values())
    if count["failed"]:
        print("Mend the cause, then run `xtl retry` with this grid.", file=sys.stderr)
    if some:
        print(plain(where(plan, store)))
