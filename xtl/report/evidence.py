"""What a report is made from, read from the store: manifests, and the test items of the runs that are compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from xtl.errors import Corrupt, NotFound, UserError
from xtl.keys import parent_keys
from xtl.report.build import build, cautioned, check, rows_of
from xtl.report.model import Report
from xtl.report.pairs import of_model
from xtl.report.runs import Evidence, Manifest
from xtl.scoring.resample import Comparison, ItemNoise, item_noise
from xtl.scoring.run_items import Items, read_items
from xtl.store import commit, layout
from xtl.store.base import Store
from xtl.store.parallel import each


def collect(store: Store, spec: Mapping[str, Any], key: str) -> Evidence:
    """The manifests of the study's rows, None where there is none, and of every stage that they stand on, by the grid's
    plan where the store still has the one of this study. spec, key: of the reduce stage. Raises UserError for a spec of
    another version."""
    check(spec)
    plan = commit.get_json(store, f"{layout.grid_prefix(spec['grid'])}plan.json") or {}
    stages = {x: plan["stages"][x] for x in plan["order"]} if plan.get("reduce") == key else {}
    stages.pop(key, None)
    found: dict[str, Manifest | None] = {}
    wanted = list(dict.fromkeys([*(row["key"] for row in rows_of(spec)), *stages]))
    while wanted:
        found |= zip(wanted, each(lambda key: commit.read_manifest(store, key), wanted), strict=True)
        parents = (parent for manifest in found.values() if manifest for parent in parent_keys(manifest["spec"]))
        wanted = [key for key in dict.fromkeys(parents) if key not in found]
    return Evidence(manifests=found, stages=stages, failed=_failed(store, {x for x, m in found.items() if m is None}))


def _failed(store: Store, missing: Set[str]) -> dict[str, str]:
    """Why stages without a result failed for good."""
    if not missing:
        return {}
    known = [key for entry in store.list(layout.FAILED) if (key := layout.key_of(entry.name)) and key in missing]
    notes = each(lambda key: commit.get_json(store, layout.failed_name(key)) or {}, known)
    return {key: str(note.get("reason", "")) for key, note in zip(known, notes, strict=True)}


def make(store: Store, spec: Mapping[str, Any], key: str, evidence: Evidence) -> Report:
    """The whole report, intervals over test items included; where items are lost or broken, without these and with a
    caution. spec, key: of the reduce stage; evidence: as `collect` gives it. Raises UserError, StoreError."""
    noise = StoredItems(store, spec, evidence.manifests)
    report = build(spec, key, evidence, noise=noise)
    return cautioned(report, noise.problems)


class StoredItems:
    """Resamples the stored test items of a task when asked for it; what a task needs is read once and let go.

    problems: a sentence for every task whose items cannot be had or are not what they should be. A store that is away
    is none: it raises.
    """

    def __init__(self, store: Store, spec: Mapping[str, Any], manifests: Mapping[str, Manifest | None]) -> None:
        self._store, self._manifests = store, manifests
        self._keys = {(row["model"], row["task"], row["arm"], row["seed"]): row["key"] for row in rows_of(spec)}
        self._several = len({model for model, *_ in self._keys}) > 1
        self.problems: list[str] = []

    def __call__(self, model: str, task: str, comparisons: Mapping[str, Comparison]) -> Mapping[str, ItemNoise]:
        if not comparisons:
            return {}
        there = {(m, arm, seed): key for (m, t, arm, seed), key in self._keys.items() if t == task}
        keys = {(of_model(m, arm), seed): key for (m, arm, seed), key in there.items()}
        keys |= {(arm, seed): key for (m, arm, seed), key in there.items() if m == model}
        try:
            return item_noise(task, _Runs(self._store, task, keys, self._manifests), comparisons)
        except (UserError, NotFound, Corrupt) as error:
            of = f" of {model}" if self._several else ""
            self.problems.append(f"No interval over test items on {task}{of}: {error}.")
            return {}


class _Runs(Mapping[tuple[str, int], Mapping[str, Items]]):
    """(arm, seed) to its items by language, read from the store when it is looked up. A stage that several seeds share
    is read again: nothing is kept."""

    def __init__(
        self, store: Store, task: str, keys: Mapping[tuple[str, int], str], manifests: Mapping[str, Manifest | None]
    ) -> None:
        self._store, self._task, self._keys, self._manifests = store, task, keys, manifests

    def __getitem__(self, run: tuple[str, int]) -> Mapping[str, Items]:
        manifest = self._manifests[self._keys[run]]
        if manifest is None:
            raise KeyError(run)
        from pyarrow import ArrowException

        with TemporaryDirectory(prefix="xtl-items-") as folder:
            commit.pull(self._store, dict(manifest), Path(folder), ["items.parquet"])
            data = (Path(folder) / "items.parquet").read_bytes()
        of = f"{self._task} after {run[0]} seed {run[1]}"
        try:
            return read_items(self._task, data, of=of)
        except ArrowException as error:
            raise UserError(f"{of}: its items.parquet cannot be read ({error}): run the stage again") from error

    def __iter__(self) -> Iterator[tuple[str, int]]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)
