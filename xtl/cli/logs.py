"""`xtl logs`: a stage's log: from its pod while that lives, else from the store, while it runs and after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from xtl.cli.common import GridFile, StoreUrl
from xtl.cli.submit import Context
from xtl.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from xtl.cluster import Cluster
    from xtl.store.base import Store

FOLLOW_SECONDS = 1.0


def logs(
    grid_file: GridFile,
    stage: Annotated[
        str,
        typer.Argument(
            metavar="STAGE",
            help="The beginning of its key, a part of its title, its Job's name, or target/xnli/mnli/1.",
        ),
    ],
    store: StoreUrl = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Keep printing until the stage ends.")] = False,
    context: Context = None,
) -> None:
    """Print the log of a stage's latest attempt.

    Example: xtl logs my-study.yaml "xnli after none" --follow
    """
    import sys

    from xtl.cli.common import load_grid, open_grid_store
    from xtl.cli.status import reach
    from xtl.errors import XtlError
    from xtl.stage_names import find
    from xtl.store import grids

    grid = load_grid(grid_file, None, store)
    opened = open_grid_store(grid)
    stages = grids.read(opened, grid.name)["stages"]
    key = find(stages, stage, opened.url)
    cluster = reach(grid, opened, context)
    if isinstance(cluster, str):
        print(f"note: the store's copy, for the cluster is not there: {cluster}", file=sys.stderr)
    elif cluster is not None:
        try:
            if _from_pods(cluster, opened, key, stages[key], follow):
                return
            follow = False  # it has ended
        except XtlError as error:
            print(f"note: the store's copy, for the cluster does not tell: {error}", file=sys.stderr)
    try:
        _from_store(opened, key, follow)
    except _NoLog as error:
        raise _NoLog(str(error) + _why(grid.name, stages, opened, cluster, key)) from None


class _NoLog(UserError):
    """No attempt at the stage has begun."""


def _from_pods(cluster: Cluster, store: Store, key: str, stage: Mapping[str, Any], follow: bool) -> bool:
    """Print what the stage's pod says; with `follow`, to its end, and its successors', until the stage has ended. False
    where no pod says anything and the store has to."""
    import sys
    import time

    from xtl.pod_states import over
    from xtl.render import job_name

    name, shown, told = job_name(stage["kind"], key, store.url), dict[str, int](), False
    while True:
        ended = not follow or _committed(store, key) or _settled(cluster, name)
        pod = _newest_pod(cluster, name)
        uid = str(pod["metadata"]["uid"]) if pod else ""
        in_store = pod is not None and over(pod) and not shown and _has_log(store, key, uid)
        if pod and not in_store and (uid not in shown or not over(pod)):
            name_of_pod = pod["metadata"]["name"]
            lines = cluster.follow(name_of_pod) if follow else cluster.log(name_of_pod).splitlines(True)
            if said := _say(lines, shown.get(uid, 0)):
                shown[uid] = shown.get(uid, 0) + said
        if not (ended or shown or told):
            told = True
            print("note: nothing is printed yet; waiting for its pod (`xtl status` says why)", file=sys.stderr)
        if ended:
            return bool(shown)
        time.sleep(FOLLOW_SECONDS)


def _say(lines: Iterable[str], skip: int) -> int:
    """Print all but the first `skip` lines, with nothing that a terminal would obey; how many that were."""
    from itertools import islice

    from xtl.cli.common import plain

    count = 0
    for line in islice(lines, skip, None):
        typer.echo(plain(line), nl=False)
        count += 1
    return count


def _newest_pod(cluster: Cluster, job: str) -> dict[str, Any] | None:
    from xtl.cluster import PODS

    pods = cluster.list(PODS, selector=f"batch.kubernetes.io/job-name={job}")
    return max(pods, key=lambda pod: pod["metadata"]["creationTimestamp"], default=None)


def _settled(cluster: Cluster, name: str) -> bool:
    """The Job makes no more pods: it has ended, or is not there."""
    from xtl.cluster import JOBS
    from xtl.submit import condition

    job = cluster.get(JOBS, name)
    return job is None or bool(condition(job, "Complete") or condition(job, "Failed"))


def _committed(store: Store, key: str) -> bool:
    from xtl.store import layout

    return store.head(layout.manifest_name(key)) is not None or store.head(layout.failed_name(key)) is not None


def _has_log(store: Store, key: str, attempt: str) -> bool:
    from xtl.store import layout

    return store.head(layout.log_name(key, attempt)) is not None


def _why(grid: str, stages: Mapping[str, Any], store: Store, cluster: Cluster | str | None, key: str) -> str:
    """Why a stage has not started, as `xtl status` says it."""
    from xtl.errors import XtlError
    from xtl.observe import look

    if cluster is None:
        return ""
    try:
        found = next(one for one in look(stages, grid, store, cluster).stages if one.key == key)
    except XtlError:
        return ""
    return f" ({found.state}: {found.reason})"


def _from_store(store: Store, key: str, follow: bool) -> None:
    """The newest attempt's log; with `follow`, what is added to it and the logs of later attempts, until one commits,
    fails for good or is stopped."""
    import time

    from xtl.cli.common import plain

    shown, last = 0, None
    while True:
        ended = not follow or _ended(store, key)  # asked before the log is read, so that its end is not missed
        name = _newest(store, key)
        if name is None and ended:
            raise _NoLog(f"stage {key[:12]} has no log yet: it has not started")
        if name is not None:
            shown, last = (shown if name == last else 0), name
            data = store.get(name)[0]
            whole = data.rfind(b"\n") + 1 if not ended else len(data)
            typer.echo(plain(data[shown:whole].decode("utf-8", "replace")), nl=False)
            shown = max(shown, whole)
        if ended:
            return
        time.sleep(FOLLOW_SECONDS)


def _ended(store: Store, key: str) -> bool:
    from xtl.store import commit, layout

    if commit.get_json(store, layout.failed_name(key)):
        return True
    beat = commit.get_json(store, layout.progress_name(key)) or {}
    return bool(beat.get("ended")) and beat.get("state") in ("committed", "stopped")


def _newest(store: Store, key: str) -> str | None:
    from xtl.store import layout

    entries = [entry for entry in store.list(layout.attempts_prefix(key)) if entry.name.endswith("/log.txt")]
    return max(entries, key=lambda entry: entry.modified).name if entries else None
