"""The reduce stage: gathers a grid's target manifests into one scores table, the study's table, its report and a
submission folder an arm. Runs over what there is: at full coverage it commits; short of it, it writes to
`grids/<name>/` alone. The report goes there in any case: it tells how long stages took, and is never twice alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.context import Context, log
from xtl.arms import label
from xtl.report.build import rows_of, tables
from xtl.report.evidence import collect, make
from xtl.report.study import markdown, study
from xtl.report.write import to_store
from xtl.scoring.table import SWEEP, to_csv, to_parquet
from xtl.store import commit, layout


def run(context: Context) -> dict[str, Any] | None:
    """The manifest's body, or None where rows are missing."""
    spec = context.spec
    with context.phase("gathering"):
        evidence = collect(context.store, spec, context.key)
        rows, found = rows_of(spec), tables(spec, evidence.manifests)
        for row in rows:
            if (manifest := evidence.manifests[row["key"]]) is not None:
                _submission(context, row, manifest)
    table = study(rows, found.scores, found.degenerate, spec["setting"])
    (context.out / "scores.csv").write_bytes(to_csv(found.scores, spec["setting"]))
    to_parquet(found.scores, spec["setting"], context.out / "scores.parquet")
    if found.sweep:
        (context.out / "layers.csv").write_bytes(to_csv(found.sweep, spec["setting"], SWEEP))
    (context.out / "scores.md").write_text(markdown(table), encoding="utf-8")
    log.info("%d of %d rows are there", table.rows_done, table.rows)
    # Before the comparison, which reads test items: whatever becomes of that, the scores are there.
    commit.upload_folder(context.store, context.out, layout.grid_prefix(spec["grid"]))
    with context.phase("comparing"):
        report = make(context.store, spec, context.key, evidence)
        to_store(report, context.store)
    if report.missing:
        return None
    return {"metrics": {"rows": table.rows, "degenerate": found.degenerate}}


def _submission(context: Context, row: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
    """This row's predictions, into its arm's folder in XTREME's submission layout."""
    names = [name for name in manifest["files"] if name.startswith("predictions/")]
    folder = context.pull(manifest["key"], names)
    arm = f"{label(row['model'].lower())}.{label(row['arm'])}.seed{row['seed']}"
    for name in names:
        goal = context.out / "submissions" / arm / name.removeprefix("predictions/")
        goal.parent.mkdir(parents=True, exist_ok=True)
        goal.write_bytes((folder / name).read_bytes())
