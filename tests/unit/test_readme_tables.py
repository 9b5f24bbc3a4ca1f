"""README's tables against the code: every key, setting, default, file, column and exit status, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from tests.readme import ROOT, bare, section, table
from xtl import errors, grid_cluster, grid_schema
from xtl.grid import REQUIRED, Grid, load
from xtl.report.study import Cell, cell_text
from xtl.scoring.table import COLUMNS
from xtl.settings import resolve
from xtl.store import layout
from xtl.tasks import TASKS
from xtl.tasks.base import Settings, Task

#: Each mapping of a grid, and where its keys stand in the reference.
MAPPINGS: Mapping[str, type[BaseModel]] = {
    "": grid_schema.Sheet,
    "model.": grid_schema.ModelSheet,
    "prompted.": grid_schema.Prompted,
    "intermediates.": grid_schema.Mixture,
    "intermediates.mix.": grid_schema.Mix,
    "targets.": grid_schema.TargetSheet,
    "contrasts.": grid_schema.ContrastSheet,
    "train.": grid_schema.TrainSheet,
    "cluster.": grid_cluster.Cluster,
    "cluster.gpu.": grid_cluster.Gpu,
    "cluster.store.": grid_cluster.StoreAccess,
    "cluster.hub.": grid_cluster.HubAccess,
}
#: What a mapping cannot do without (the whole file: xtl.grid.REQUIRED).
NEEDED = {"model.model", "intermediates.name", "intermediates.tasks", "targets.task"} | {
    f"contrasts.{key}" for key in ("name", "arm", "against")
}


BASIC = """
name: x
model: tiny
seeds: [1]
intermediates: [none, mnli, squad_v2, mlm@de]
targets: all
"""


def basic(folder: Path) -> Grid:
    path = folder / "grid.yaml"
    path.write_text(BASIC, encoding="utf-8")
    return load(path)


def test_the_grids_reference_has_every_key_and_its_default() -> None:
    rows = {bare(key): (bare(default), about) for key, default, about in table("The grid", "key")}
    fields = {prefix + name: field for prefix, model in MAPPINGS.items() for name, field in model.model_fields.items()}
    assert set(rows) == set(fields)
    for key, field in fields.items():
        required = key in REQUIRED or key in NEEDED
        written = "required" if required else rows[key][0]
        assert rows[key][0] == written, key
        if not required:
            assert (None if written == "none" else yaml.safe_load(written)) == field.default, key


def test_the_settings_table_has_every_setting_and_its_default(tmp_path: Path) -> None:
    rows = {bare(name): bare(default) for name, default, _ in table("The grid", "setting")}
    assert set(rows) == set(grid_schema.Hyper.model_fields)
    grid = basic(tmp_path)
    found = {
        **resolve(grid, "target", "bucc2018").values,
        **resolve(grid, "intermediate", "mlm").values,
        **resolve(grid, "intermediate", "squad_v2").values,
        **resolve(grid, "intermediate", "mnli").values,
    }
    for name, default in rows.items():
        if name == "steps":
            assert (default, name in found) == ("unset", False)
        elif name == "layer":
            assert found[name] == default
        else:
            assert float(found[name]) == float(default), name


def test_the_lengths_and_sources_that_the_settings_table_tells(tmp_path: Path) -> None:
    rows = {bare(name): about for name, _, about in table("The grid", "setting")}
    grid = basic(tmp_path)
    span = resolve(grid, "intermediate", "squad_v2").values["length"]
    retrieval = resolve(grid, "target", "tatoeba").values["length"]
    assert f"{span} for span QA" in rows["length"]
    assert f"Retrieval {retrieval}" in rows["length"]
    words = {"jiant (Phang et al. 2020), defaults for intermediates": "jiant", "xtreme scripts": "XTREME"}
    for role, task in (("intermediate", "mlm"), ("intermediate", "squad_v2"), ("target", "bucc2018")):
        for name, source in resolve(grid, role, task).sources.items():  # type: ignore[arg-type]
            if name != "length":
                word = words.get(source, source.removesuffix(" default"))
                assert word in rows[name], f"{name}: {source}"


def jiant(settings: Settings) -> str:
    return f"{settings.lr:g} / {settings.epochs} / {settings.batch} / {settings.length}".replace("e-0", "e-")


def xtreme(settings: Settings) -> str:
    warmup = f"{settings.warmup:g} steps" if settings.warmup else "0"
    return f"{jiant(settings)} / {warmup} / {settings.weight_decay:g}"


def preset_rows() -> list[list[str]]:
    return [
        [f"`{task.key}`", jiant(task.settings["jiant"]), xtreme(task.settings["xtreme"])]
        for task in TASKS.values()
        if task.target and task.settings
    ]


def test_the_presets_table_is_the_tasks_own() -> None:
    assert table("The grid", "target") == preset_rows()


def hub_ids(task: Task) -> list[str]:
    splits = ("train", "dev", "test")
    if task.form == "sentence":
        splits = ("dev.en", "test.en")  # type: ignore[assignment]
    languages = dict.fromkeys((*task.train_languages, *task.languages))
    found = [one.id for split in splits for language in languages for one in task.hub(language, split)]
    return list(dict.fromkeys(found))


def data_rows() -> list[list[str]]:
    """What the data folder's table has to say, from the tasks themselves."""
    rows = []
    for task in TASKS.values():
        files = "<br>".join(f"{split}: {path}" for split, path in task.layout.items()).replace("*", r"\*")
        hub = ", ".join(hub_ids(task)) or "by hand"
        rows.append([f"`{task.key}`", files, hub])
    return rows


def test_the_data_folders_table_is_the_tasks_own() -> None:
    found = [row[:2] + [row[2].replace(" (test alone)", "")] for row in table("The data folder", "task")]
    assert found == data_rows()


def test_what_must_be_brought_by_hand_is_said_with_where_to_get_it() -> None:
    text = section("The data folder")
    for key in ("ccg", "udpos", "bucc2018"):
        address = re.search(r"https?://[^ ,)]+", TASKS[key].manual or "")
        assert address
        assert address[0] in text, key


def test_the_columns_of_the_scores_table() -> None:
    assert tuple(bare(row[0]) for row in table("What the tables mean", "column")) == COLUMNS


def test_the_marks_are_those_of_the_table() -> None:
    def shown(**more: Any) -> str:
        whole = {"en": 61.2, "de": 61.2}
        return cell_text(Cell(**{"values": {1: 61.2}, "scores": {1: whole}, "expected": 2, "split": "test", **more}))

    written = [bare(row[0]) for row in table("What the tables mean", "mark")]
    assert written == [shown(scores={1: {"de": 61.2}}), shown(split="dev"), shown(own=("de",)), cell_text(None)]


def test_the_stage_kinds() -> None:
    from jobs.stage import KINDS

    assert [bare(row[0]) for row in table("Stages and keys", "kind")] == list(KINDS)


def subclasses(kind: type) -> Iterator[type]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == "xtl.errors":
            yield from subclasses(child)


def test_the_exit_statuses_are_those_of_the_error_tree() -> None:
    written = {
        name: (int(status), int(stage))
        for names, status, stage in table("Exit status", "errors")
        for name in re.findall(r"`(\w+)`", names)
    }
    assert written == {kind.__name__: (kind.status, kind.pod_status) for kind in subclasses(errors.XtlError)}  # type: ignore[attr-defined]
    statuses = [int(row[0]) for row in table("Exit status", "status")]
    assert statuses == [errors.EXIT_COMMITTED, errors.EXIT_NEVER, errors.EXIT_STOPPED, errors.EXIT_RETRY]


def test_the_stores_layout_names_what_the_store_has() -> None:
    text = section("The store")
    for name in (
        layout.manifest_name("KEY"),
        layout.failed_name("KEY"),
        layout.progress_name("KEY"),
        layout.claim_name("KEY"),
        layout.spec_name("KEY"),
        layout.attempt_prefix("KEY", "ATTEMPT"),
        f"{layout.resumes_prefix('KEY')}ATTEMPT-STEP/",
        layout.grid_prefix("NAME"),
    ):
        assert f"\n{name}" in text, name


def test_every_object_that_the_chart_makes_is_in_the_table() -> None:
    cells = [row[0] for row in table("On a cluster", "object in the namespace")]
    for path in (ROOT / "tests/golden/helm").glob("*.yaml"):
        for made in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            kind, name = made["kind"], f"`{made['metadata']['name']}`"
            assert any(name in cell and re.search(rf"\b{kind}s?\b", cell) for cell in cells), (kind, name)
