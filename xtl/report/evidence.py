"""What a report is made from, read from the store: manifests, and the test items of the runs that are compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from xtl.report.build import Manifest, build, rows_of
from xtl.report.contrasts import Noise, no_items
from xtl.report.model import Report
from xtl.scoring.resample import Comparison, ItemNoise, item_noise
from xtl.scoring.run_items import Items, read_items
from xtl.store import commit
from xtl.store.base import Store
from xtl.store.parallel import each


def collect(store: Store, spec: Mapping[str, Any]) -> dict[str, Manifest | None]:
    """The manifests of the study's rows, None where there is none, and of every stage that they stand on."""
    found: dict[str, Manifest | None] = {}
    wanted = list(dict.fromkeys(row["key"] for row in rows_of(spec)))
    while wanted:
        found |= zip(wanted, each(lambda key: commit.read_manifest(store, key), wanted), strict=True)
        parents = (key for manifest in found.values() if manifest for key in _keys(manifest["spec"].get("parents", {})))
        wanted = [key for key in dict.fromkeys(parents) if key not in found]
    return found


def _keys(parents: Any) -> Iterator[str]:
    if isinstance(parents, str):
        yield parents
    else:
        for one in parents.values() if isinstance(parents, Mapping) else parents:
            yield from _keys(one)


def make(store: Store, spec: Mapping[str, Any], key: str, manifests: Mapping[str, Manifest | None]) -> Report:
    """The whole report, intervals over test items included. spec, key: of the reduce stage; manifests: as `collect`
    gives them. Raises UserError, StoreError."""
    return build(spec, key, manifests, noise=noise_of(store, spec, manifests))


def noise_of(store: Store, spec: Mapping[str, Any], manifests: Mapping[str, Manifest | None]) -> Noise:
    """Resamples the stored test items of a task when asked for it; what a task needs is read once and let go."""
    keys = {(row["model"], row["task"], row["arm"], row["seed"]): row["key"] for row in rows_of(spec)}

    def noise(model: str, task: str, comparisons: Mapping[str, Comparison]) -> Mapping[str, ItemNoise]:
        if not comparisons:
            return no_items(model, task, comparisons)
        of = {(arm, seed): key for (m, t, arm, seed), key in keys.items() if (m, t) == (model, task)}
        return item_noise(task, _Runs(store, task, of, manifests), comparisons)

    return noise


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
        with TemporaryDirectory(prefix="xtl-items-") as folder:
            commit.pull(self._store, dict(manifest), Path(folder), ["items.parquet"])
            data = (Path(folder) / "items.parquet").read_bytes()
        return read_items(self._task, data, of=f"{self._task} after {run[0]} seed {run[1]}")

    def __iter__(self) -> Iterator[tuple[str, int]]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)
