"""The scores table: manifests of target stages in long form, one figure a row.

Columns: model, intermediate, seed, task, language, metric, checkpoint (the rule: last, english-dev, target-dev; for
retrieval at the fixed layer, and layer-dev or layer-oracle at the chosen one, with -last-piece behind it where last
pieces stand for sentences instead of means), value (percent), n (items), split (what
it was scored on), zero_shot (whether the task itself was trained in other languages alone, by the intermediate too),
stage (the key that made it), setting (the study's). Beside it stands a table of retrieval's layers, the same columns up
to `language`, then pooling (of a sentence's pieces: mean or last), layer, value, the split that it was swept on, stage
and setting.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

COLUMNS = ("model", "intermediate", "seed", "task", "language", "metric", "checkpoint", "value", "n", "split",
           "zero_shot", "stage", "setting")  # fmt: skip
SWEEP = ("model", "intermediate", "seed", "task", "language", "pooling", "layer", "value", "split", "stage", "setting")
#: What a manifest calls a sweep over layers, and the best layer of it, by how pieces are pooled; last pieces are swept
#: of models that are read at the end of an input.
SWEEPS = {"mean": ("sweep", "chosen_layer"), "last": ("sweep_last", "chosen_last")}
Score = dict[str, Any]


def scores_of(row: Mapping[str, Any], manifest: Mapping[str, Any]) -> list[Score]:
    """One target stage's figures, for one row of the study (model, arm, seed, task)."""
    metrics = manifest["metrics"]
    rules = dict(metrics["scores"])
    for pooling, (_, best) in SWEEPS.items():
        if chosen := metrics.get(best):
            rules[f"layer-{chosen['rule']}{'-last-piece' if pooling == 'last' else ''}"] = chosen["scores"]
    return [
        {
            **_of(row, language),
            "metric": metric,
            "checkpoint": rule,
            "value": value,
            "n": metrics["n"][language],
            "split": metrics["split"],
            "zero_shot": language not in metrics.get("seen", ()),
            "stage": manifest["key"],
        }
        for rule, languages in rules.items()
        for language, figures in languages.items()
        for metric, value in figures.items()
    ]


def sweep_of(row: Mapping[str, Any], manifest: Mapping[str, Any]) -> list[Score]:
    """Retrieval's headline metric at each layer, 0 being the embeddings; BUCC's on dev, where the layer is chosen."""
    metrics = manifest["metrics"]
    split = "dev" if row["task"] == "bucc2018" else metrics["split"]
    return [
        {**_of(row, language), "pooling": how, "layer": layer, "value": value, "split": split, "stage": manifest["key"]}
        for how, (sweep, _) in SWEEPS.items()
        for language, figures in metrics.get(sweep, {}).items()
        for layer, value in enumerate(figures)
    ]


def _of(row: Mapping[str, Any], language: str) -> Score:
    return {
        "model": row["model"],
        "intermediate": row["arm"],
        "seed": row["seed"],
        "task": row["task"],
        "language": language,
    }


def gather(
    rows: Iterable[Mapping[str, Any]], manifests: Mapping[str, Mapping[str, Any] | None]
) -> tuple[list[Score], list[Score]]:
    """The table of every row (model, arm, seed, task, key) whose manifest is there, and the degenerate runs among
    them (model, intermediate, seed, task, and the languages in which one class is predicted for everything)."""
    scores: list[Score] = []
    degenerate: list[Score] = []
    for row in rows:
        manifest = manifests.get(row["key"])
        if manifest is not None:
            scores += scores_of(row, manifest)
            if stuck := manifest["metrics"]["degenerate"]:
                own = {"model": row["model"], "intermediate": row["arm"], "seed": row["seed"], "task": row["task"]}
                degenerate.append({**own, "languages": list(stuck)})
    return scores, degenerate


def to_csv(scores: Iterable[Score], setting: str, columns: Sequence[str] = COLUMNS) -> bytes:
    """RFC 4180 in UTF-8; a value is written so that it reads back as the very same float. setting: the study's."""
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({**score, "value": repr(float(score["value"])), "setting": setting} for score in scores)
    return out.getvalue().encode()


def to_parquet(scores: Sequence[Score], setting: str, path: Any) -> None:
    """The same table as Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: [score[name] for score in scores] for name in COLUMNS if name != "setting"}
    columns["setting"] = [setting] * len(scores)
    kinds = {"seed": pa.int64(), "value": pa.float64(), "n": pa.int64(), "zero_shot": pa.bool_()}
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in COLUMNS])
    pq.write_table(pa.table(columns, schema=schema), path)
