"""Repositories as a hub has them, in a folder that XTL_HUB_ROOT names: Parquet files, and a card that names
configurations, splits and class labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

NLI = ["entailment", "neutral", "contradiction"]


def repository(
    root: Path,
    name: str,
    splits: Mapping[tuple[str, str], list[dict[str, Any]]],
    labels: Mapping[str, list[str]] | None = None,
    lists: bool = False,
) -> None:
    """A data set repository: CONFIG/SPLIT-*.parquet, and a card that says so and names the class labels (of lists, if
    `lists`)."""
    folder = root / name
    for (config, split), rows in splits.items():
        path = folder / config / f"{split}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        table = pa.Table.from_pylist(rows)
        pq.write_table(_with_features(table, labels or {}, lists), path)
    configs = [
        {
            "config_name": config,
            "data_files": [
                {"split": split, "path": f"{config}/{split}-*"} for other, split in splits if other == config
            ],
        }
        for config in dict.fromkeys(config for config, _ in splits)
    ]
    (folder / "README.md").write_text("---\n" + yaml.safe_dump({"configs": configs}) + "---\n# Card\n")


def _with_features(table: pa.Table, labels: Mapping[str, list[str]], lists: bool) -> pa.Table:
    """Class labels as the hub's Parquet files carry them: in the schema's metadata."""
    import datasets

    features = datasets.Features.from_arrow_schema(table.schema)
    for column, names in labels.items():
        label = datasets.ClassLabel(names=names)
        features[column] = datasets.List(label) if lists else label
    return table.cast(features.arrow_schema)
