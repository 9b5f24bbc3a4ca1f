"""A report in a folder and in a bucket: two writers at once, and figures that are gone."""

from __future__ import annotations

from dataclasses import replace
from threading import Barrier, Thread

from tests.reports import report
from xtl.report.model import Report
from xtl.report.write import files, stored, to_store
from xtl.store.base import Store


def test_whoever_writes_at_the_same_time_the_whole_report_stands_with_its_files(store: Store) -> None:
    whole = report(seeds=(1, 2), tasks=("xnli",), holes=frozenset())
    holes = report(seeds=(1, 2), tasks=("xnli",), holes=frozenset({("mnli", 2, "xnli")}))
    barrier = Barrier(2)

    def write(one: Report) -> None:
        barrier.wait()
        to_store(one, store)

    for _ in range(3):
        to_store(replace(holes, key="of another study"), store)
        threads = [Thread(target=write, args=(one,)) for one in (whole, holes)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert stored(store, "fixed").report == whole
        found = files(whole)
        assert {name: store.get(f"grids/fixed/{name}")[0] for name in found} == found
        assert {entry.name.removeprefix("grids/fixed/") for entry in store.list("grids/fixed/")} == set(found)
