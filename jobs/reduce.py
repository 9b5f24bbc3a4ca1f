"""The reduce stage: gathers a grid's target manifests into one scores table, the study's table and a submission folder
an arm. Runs over what there is: at full coverage it commits; short of it, it writes to `grids/<name>/` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.context import Context, log
from xtl.arms import label
from xtl.report.study import markdown, study
from xtl.scoring.table import gather, to_csv, to_parquet
from xtl.store import commit, layout


def run(context: Context) -> dict[str, Any] | None:
    """The manifest's body, or None where rows are missing."""
    spec = context.spec
    rows = [{**row, "key": key} for row, key in zip(spec["rows"], spec["parents"]["rows"], strict=True)]
    manifests = {key: commit.read_manifest(context.store, key) for key in dict.fromkeys(row["key"] for row in rows)}
    scores, degenerate = gather(rows, manifests)
    for row in rows:
        if (manifest := manifests[row["key"]]) is not None:
            _submission(context, row, manifest)
    (context.out / "scores.csv").write_bytes(to_csv(scores))
    to_parquet(scores, context.out / "scores.parquet")
    found = study(rows, scores, degenerate, spec["setting"])
    (context.out / "scores.md").write_text(markdown(found), encoding="utf-8")
    log.info("%d of %d rows are there", found.rows_done, found.rows)
    commit.upload_folder(context.store, context.out, layout.grid_prefix(spec["grid"]))
    if found.rows_done < found.rows:
        return None
    return {"metrics": {"rows": found.rows, "degenerate": degenerate}}


def _submission(context: Context, row: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
    """This row's predictions, into its arm's folder in XTREME's submission layout."""
    names = [name for name in manifest["files"] if name.startswith("predictions/")]
    folder = context.pull(manifest["key"], names)
    arm = f"{label(row['model'].lower())}.{label(row['arm'])}.seed{row['seed']}"
    for name in names:
        goal = context.out / "submissions" / arm / name.removeprefix("predictions/")
        goal.parent.mkdir(parents=True, exist_ok=True)
        goal.write_bytes((folder / name).read_bytes())
