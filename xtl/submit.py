"""Puts a plan onto a cluster: specs into the store, then one suspended, gated Job a stage.

Jobs have deterministic names and are created, never applied: a second submit finds them and writes nothing, two people
at once make one Job a stage, and a client that dies half way is completed by the next submit.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from xtl import render
from xtl.cluster import JOBS, OURS, Cluster
from xtl.plan import Plan
from xtl.store import commit
from xtl.store.base import Store

IN_FLIGHT = 10


@dataclass(frozen=True, kw_only=True)
class Submitted:
    """Names of Jobs created, found (there already), and labelled (another grid's Job that this one shares); keys of
    stages that are done and have no Job."""

    created: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    labelled: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)


def submit(
    plan: Plan,
    store: Store,
    cluster: Cluster,
    *,
    dry_run: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, of: None,
) -> Submitted:
    """Create what is missing. A stage whose manifest is there needs no Job; a Job that completed without its manifest
    being there (any more) is deleted and created again."""
    committed = commit.manifests(store) & set(plan.stages)
    there = {job["metadata"]["name"]: job for job in cluster.list(JOBS, selector=OURS)}
    result = Submitted()
    wanted = []
    for key, manifest in render.render(plan, store.url).items():
        name = manifest["metadata"]["name"]
        if name in there:
            result.found.append(name)
            _share(cluster, there[name], plan, key in committed, manifest, result, dry_run)
        elif key in committed:
            result.done.append(key)
        else:
            wanted.append(manifest)
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        for number, created in enumerate(pool.map(lambda m: cluster.create(JOBS, m, dry_run=dry_run), wanted), 1):
            (result.created if created else result.found).append(wanted[number - 1]["metadata"]["name"])
            on_progress(number, len(wanted))
    return result


def _share(
    cluster: Cluster,
    job: dict[str, Any],
    plan: Plan,
    committed: bool,
    manifest: dict[str, Any],
    result: Submitted,
    dry_run: bool,
) -> None:
    """An existing Job: give it this grid's label if it lacks it; run it again if it ended and its result is gone."""
    name = job["metadata"]["name"]
    if condition(job, "Complete") and not committed:
        if not dry_run:
            cluster.delete(JOBS, name)
            cluster.wait_gone(JOBS, name, 60.0)
            cluster.create(JOBS, manifest)
        result.found.remove(name)
        result.created.append(name)
        return
    label = f"{render.GRID_PREFIX}{plan.grid.name}"
    if label not in job["metadata"].get("labels", {}):
        if not dry_run:
            cluster.patch(JOBS, name, {"metadata": {"labels": {label: "true"}}})
        result.labelled.append(name)


def condition(job: dict[str, Any], kind: str) -> dict[str, Any] | None:
    """The Job's condition of that type, if it holds."""
    conditions = job.get("status", {}).get("conditions") or []
    return next((x for x in conditions if x["type"] == kind and x["status"] == "True"), None)
