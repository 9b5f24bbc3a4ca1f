"""Stage keys: pinned by golden vectors, and moved by what determines a result and by nothing else."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

from tests.grids import GRID, grid, inventory
from xtl.grid_cluster import Cluster, Gpu, HubAccess, PatchStep, StoreAccess, Toleration
from xtl.grid_schema import Hyper, Mix, Mixture, ModelSheet, Sheet, TargetSheet, TrainSheet
from xtl.keys import canonical, parent_keys, stage_key
from xtl.plan import Plan, build

GOLDEN = Path(__file__).parents[1] / "golden" / "keys.json"


def plan(text: str, folder: Path, **more: str) -> Plan:
    found = grid(text, folder)
    return build(found, inventory(found, **more))


def by_title(found: Plan) -> dict[str, str]:
    return {stage.title: stage.key for stage in found.stages.values()}


def test_golden_keys(tmp_path: Path) -> None:
    found = {s.title: {"key": s.key, "spec": s.spec} for s in plan(GRID, tmp_path).stages.values()}
    text = json.dumps(found, indent=1, sort_keys=True) + "\n"
    if os.environ.get("XTL_WRITE_GOLDEN"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert GOLDEN.read_text(encoding="utf-8") == text, "keys moved: if on purpose, `make golden` and say why"


def test_a_key_is_the_sha256_of_canonical_json() -> None:
    # printf '{"a":"é","b":[1,2.5]}' | sha256sum
    spec = {"b": [1, 2.5], "a": "é"}
    assert canonical(spec) == '{"a":"é","b":[1,2.5]}'.encode()
    assert stage_key(spec) == "123b424b7606d08d0756074e1f76051117423e1a66a03e02f56fd334de63705b"
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"lr": float("nan")})


def test_parents_are_found_at_any_depth_once() -> None:
    spec = {"parents": {"model": "a", "data": {"xnli": {"de": "b", "ru": "a"}}, "rows": ["c", "b"]}}
    assert parent_keys(spec) == ("a", "b", "c")


INTERMEDIATE, TARGETS, TRAINED = "intermediate", "targets", "trained targets"

#: Every setting of the cluster block.
CLUSTER = """\
cluster:
  namespace: research
  image: xtl:2
  imagePullSecrets: [registry]
  serviceAccount: stage
  queue: team-a
  priority: low
  gpu: {resource: example.com/gpu, simulated: true}
  cpu: 8
  memory: 48Gi
  scratch: 1Ti
  shm: 1Gi
  cache: hub
  grace: 60s
  ttl: 1d
  tolerations: [{key: a, operator: Equal, value: b, effect: NoExecute, tolerationSeconds: 9}]
  nodeSelector: {zone: a}
  store: {secret: s3, endpoint: "http://s3", region: a}
  hub: {tokenSecret: hf, endpoint: "http://hub"}
  patch: [{op: move, path: /a, from: /b}, {op: add, path: /a, value: 1}]
"""

#: Every key of the grid file: what it is changed to, and which stages' keys that moves. "" is none but reduce, which
#: names the grid and its rows.
FIELDS: list[tuple[str, str, str, set[str]]] = [
    ("name", "name: golden", "name: other", set()),
    ("model", "model: tiny", "model: someone/a-model", {"fetch model", INTERMEDIATE, TARGETS}),
    ("seeds", "seeds: [1, 2]", "seeds: [2, 1]", set()),
    ("intermediates", "  - mnli\n", "  - mnli\n  - mnli:200\n", set()),
    ("targets", "languages: [en, de, sw]", "languages: [en, de]", {"target xnli"}),
    ("contrasts", "name: english", "name: renamed", set()),
    ("train", "{default: {epochs: 2}}", "{default: {epochs: 3}}", {INTERMEDIATE, "after mnli", "after multi"}),
    ("attention", "precision: fp32", "precision: fp32\nattention: bidirectional", {INTERMEDIATE, TARGETS}),
    ("prompted", "precision: fp32", "precision: fp32\nprompted: {}", set()),  # more: test_prompted.py
    ("precision", "precision: fp32", "precision: bf16", {INTERMEDIATE, TARGETS}),
    ("checkpoints", "precision: fp32", "precision: fp32\ncheckpoints: [last, english-dev]", {TRAINED}),
    ("setting", "precision: fp32", "precision: fp32\nsetting: translate-train", set()),
    ("data", "data: ./data", "data: ./elsewhere", set()),
    ("store", "store: ./store", "store: s3://bucket/prefix", set()),
    ("threads", "precision: fp32", "precision: fp32\nthreads: 2", {INTERMEDIATE, TARGETS}),
    (
        "cluster",
        "precision: fp32",
        f"precision: fp32\n{CLUSTER}",
        set(),
    ),
]


def matches(title: str, what: str) -> bool:
    if what == INTERMEDIATE:
        return title.startswith("intermediate")
    if what in (TARGETS, TRAINED):
        return title.startswith("target") and not (what == TRAINED and "tatoeba" in title)
    return what in title


@pytest.mark.parametrize(("field", "old", "new", "moved"), FIELDS, ids=[row[0] for row in FIELDS])
def test_each_field_moves_the_keys_it_should_and_no_others(
    field: str, old: str, new: str, moved: set[str], tmp_path: Path
) -> None:
    assert old in GRID
    before, after = by_title(plan(GRID, tmp_path)), by_title(plan(GRID.replace(old, new), tmp_path))
    both = (set(before) & set(after)) - {"reduce"}
    assert both or field == "model"
    for title in both:
        expected = any(matches(title, what) for what in moved)
        assert (before[title] != after[title]) == expected, f"{field}: {title}"
    assert (before["reduce"] != after["reduce"]) == (
        field in ("name", "contrasts", "seeds", "setting", "intermediates") or bool(moved)
    )


def test_the_walk_covers_every_field_of_the_grid() -> None:
    assert {row[0] for row in FIELDS} == set(Sheet.model_fields)


#: A value that differs from the default for every hyperparameter.
HYPER = {
    "lr": 0.5, "epochs": 7, "steps": 9, "batch": 3, "length": 77, "warmup": 0.3, "weight_decay": 0.2, "adam_eps": 1e-3,
    "clip": 3.0, "micro_tokens": 99, "stride": 17, "question_length": 9, "answer_length": 4, "n_best": 2, "mask": 0.4,
    "layer": 1, "neighbours": 3,
}  # fmt: skip
#: Which task shows it.
SHOWN_BY = {"stride": "tydiqa", "question_length": "tydiqa", "answer_length": "tydiqa", "n_best": "tydiqa",
            "layer": "tatoeba"}  # fmt: skip


@pytest.mark.parametrize("name", sorted(set(HYPER) - {"mask", "neighbours"}))
def test_every_hyperparameter_moves_its_targets_key_alone(name: str, tmp_path: Path) -> None:
    task = SHOWN_BY.get(name, "xnli")
    override = f"  target: {{tydiqa: {{lr: 2e-5}}, {task}: {{{name}: {HYPER[name]}}}}}"
    if task == "tydiqa":
        override = f"  target: {{tydiqa: {{lr: 2e-5, {name}: {HYPER[name]}}}}}"
    text = GRID.replace("  target: {tydiqa: {lr: 2e-5}}", override)
    before, after = by_title(plan(GRID, tmp_path)), by_title(plan(text, tmp_path))
    moved = {title for title in before if before[title] != after[title]} - {"reduce"}
    assert moved == {title for title in before if title.startswith(f"target {task} ")}


def test_the_walk_covers_every_hyperparameter_and_every_other_mapping() -> None:
    assert set(HYPER) == set(Hyper.model_fields)
    # What else a grid can hold is covered by FIELDS' own values; a new key has to be added there and here.
    assert set(Mixture.model_fields) == {"name", "tasks", "mix"}
    assert set(Mix.model_fields) == {"cap"}
    assert set(TargetSheet.model_fields) == {"task", "languages", "train"}
    assert set(TrainSheet.model_fields) == {"preset", "intermediate", "target", "method", *LORA}
    assert set(ModelSheet.model_fields) == {"model", "name", "attention", "train"}
    cluster = yaml.safe_load(CLUSTER)["cluster"]
    assert set(Cluster.model_fields) == set(cluster)
    for key, model in (("gpu", Gpu), ("store", StoreAccess), ("hub", HubAccess)):
        assert set(model.model_fields) == set(cluster[key])
    assert set(Toleration.model_fields) == set(cluster["tolerations"][0])
    steps = {field.alias or name for name, field in PatchStep.model_fields.items()}
    assert steps == {name for step in cluster["patch"] for name in step}


#: What adapters have, another value, and which keys that moves.
LORA = {
    "rank": (8, {INTERMEDIATE, TRAINED, "tatoeba after m"}),
    "alpha": (8, {INTERMEDIATE, TRAINED, "tatoeba after m"}),
    "targets": (["query"], {INTERMEDIATE, TRAINED, "tatoeba after m"}),
    "carry": ("merge", {"target xnli after m", "target tydiqa after m"}),
}


@pytest.mark.parametrize("where", ["of the grid", "of the model"])
@pytest.mark.parametrize("name", LORA)
def test_adapters_move_the_keys_of_what_they_train(name: str, where: str, tmp_path: Path) -> None:
    def written(**more: object) -> Plan:
        method = json.dumps({"method": "lora", **more})
        if where == "of the grid":
            return plan(GRID.replace("train:\n", f"train:\n  {method[1:-1].replace(', ', chr(10) + '  ')}\n"), tmp_path)
        return plan(GRID.replace("model: tiny", f"model: {{model: tiny, train: {method}}}"), tmp_path)

    whole = by_title(plan(GRID, tmp_path))
    before, after = by_title(written()), by_title(written(**{name: LORA[name][0]}))
    for title in before.keys() - {"reduce"}:
        expected = any(matches(title, what) for what in LORA[name][1])
        assert (before[title] != after[title]) == expected, title
        alike = title.startswith(("fetch", "target tatoeba after none"))
        assert (before[title] == whole[title]) == alike, "what is not trained is shared with the model as it is"


@pytest.mark.parametrize(
    ("old", "new"),
    [("mix: {cap: 1000}", "mix: {cap: 900}"), (":50", ":40"), ("@de+ru", "@de+fr"), ("squad_v2", "squad_v1")],
)
def test_a_mixtures_parts_move_it_and_what_comes_after(old: str, new: str, tmp_path: Path) -> None:
    before, after = by_title(plan(GRID, tmp_path)), by_title(plan(GRID.replace(old, new), tmp_path))
    for title in ("intermediate multi seed 1", "target xnli after multi seed 1", "target tatoeba after multi seed 2"):
        assert before[title] != after[title]
    if old != "squad_v2" and "@" not in old:  # the same data: the tiny model and the other arms stay
        assert before["target xnli after mnli seed 1"] == after["target xnli after mnli seed 1"]


def test_other_bytes_are_other_keys(tmp_path: Path) -> None:
    before, after = by_title(plan(GRID, tmp_path)), by_title(plan(GRID, tmp_path, edition="2"))
    assert all(before[title] != after[title] for title in before)


def test_what_the_seed_cannot_change_runs_once(tmp_path: Path) -> None:
    found = plan(GRID, tmp_path)
    keys = {(row.arm, row.task, row.seed): row.key for row in found.rows}
    assert keys["none", "tatoeba", 1] == keys["none", "tatoeba", 2]
    assert keys["mnli", "tatoeba", 1] != keys["mnli", "tatoeba", 2]
    assert keys["none", "xnli", 1] != keys["none", "xnli", 2]
