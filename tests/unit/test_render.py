"""Job manifests: pinned by golden files, valid whatever the names, and in step with the table of exit codes."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.grids import inventory
from tests.manifests import EVERYTHING, GRID, STORE, plan
from xtl import errors, render
from xtl.arms import label
from xtl.cli.app import app
from xtl.errors import UserError
from xtl.plan import Plan, Stage, build
from xtl.tasks import TASKS

GOLDEN = Path(__file__).parents[1] / "golden" / "render"
KINDS = ("fetch", "intermediate", "target", "reduce")


def by_kind(found: Plan) -> dict[str, dict[str, Any]]:
    """One Job of each kind."""
    jobs = render.render(found, STORE)
    return {stage.kind: jobs[key] for key, stage in found.stages.items()}


def pod(job: dict[str, Any]) -> dict[str, Any]:
    return job["spec"]["template"]["spec"]


def env(job: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {entry["name"]: entry for entry in pod(job)["containers"][0]["env"]}


@pytest.mark.parametrize(("name", "cluster"), [("everything", EVERYTHING), ("nothing", "")])
def test_golden_manifests(name: str, cluster: str, tmp_path: Path) -> None:
    jobs = render.render(plan(tmp_path, cluster), STORE).values()
    text = "---\n".join(map(render.dump, jobs))
    path = GOLDEN / f"{name}.yaml"
    if os.environ.get("XTL_WRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text, "manifests changed: if on purpose, `make golden` and say why"
    assert list(yaml.safe_load_all(text)) == list(jobs)


def test_rendering_twice_gives_the_same_and_changes_nothing(tmp_path: Path) -> None:
    found = plan(tmp_path, EVERYTHING)
    first = {key: render.dump(job) for key, job in render.render(found, STORE).items()}
    assert first == {key: render.dump(job) for key, job in render.render(found, STORE).items()}
    assert found.grid.cluster == plan(tmp_path, EVERYTHING).grid.cluster


def test_every_setting_of_the_golden_grid_is_used(tmp_path: Path) -> None:
    """Leaving any one of them out changes some manifest."""
    found = plan(tmp_path, EVERYTHING)
    whole = render.render(found, STORE)
    for key, value in found.grid.cluster.items():
        inner = {f"{key}.{name}": {**value, name: None} for name in value} if isinstance(value, dict) else {}
        for name, less in {key: None, **inner}.items():
            settings_ = {**found.grid.cluster, key: less and {k: v for k, v in less.items() if v is not None}}
            settings_ = {k: v for k, v in settings_.items() if v is not None}
            fewer = replace(found, grid=replace(found.grid, cluster=settings_))
            assert render.render(fewer, STORE) != whole, name


def test_the_templates_and_the_table_of_exit_codes_agree() -> None:
    meaning = {
        str(errors.EXIT_COMMITTED): "committed",
        str(errors.EXIT_NEVER): "it will never work",
        str(errors.EXIT_STOPPED): "stopped by SIGTERM",
        "else": "tried again",
    }
    for kind in KINDS:
        text = (Path(render.__file__).parents[1] / "k8s" / f"job-{kind}.yaml").read_text(encoding="utf-8")
        told = dict(re.findall(r"^#   (\d+|else)\s+(.+)$", text, flags=re.MULTILINE))
        assert set(told) == set(meaning)
        assert all(told[code].startswith(words) for code, words in meaning.items())
        rules = render.template(kind)["spec"]["podFailurePolicy"]["rules"]
        assert [(rule["action"], rule.get("onExitCodes", {}).get("values")) for rule in rules] == [
            ("FailJob", [errors.EXIT_NEVER]),
            ("Ignore", None),
            ("Ignore", [errors.EXIT_STOPPED]),
        ]
        assert rules[1]["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]


def test_the_templates_differ_in_what_their_kinds_need_alone() -> None:
    """Whatever holds for a Job of one kind (its policies, its security) holds for all."""

    def common(kind: str) -> str:
        job = render.template(kind)
        container = pod(job)["containers"][0]
        del container["resources"], container["env"], container["volumeMounts"], pod(job)["volumes"]
        return render.dump(job).replace(kind, "KIND")

    assert {common(kind) for kind in KINDS} == {common("fetch")}


def test_the_hub_is_the_fetch_stages_alone(tmp_path: Path) -> None:
    for kind, job in by_kind(plan(tmp_path, EVERYTHING)).items():
        assert ("HF_TOKEN" in env(job), "HF_ENDPOINT" in env(job), "XDG_CACHE_HOME" in env(job)) == (
            (kind == "fetch",) * 3
        )
        assert ("HF_HUB_OFFLINE" in env(job)) == (kind != "fetch")
        assert ("XTL_CACHE" in env(job)) == (kind in ("intermediate", "target"))
        assert any("persistentVolumeClaim" in volume for volume in pod(job)["volumes"]) == (kind != "reduce")


def test_credentials_are_named_and_never_there(tmp_path: Path) -> None:
    for kind, job in by_kind(plan(tmp_path, EVERYTHING)).items():
        assert pod(job)["containers"][0]["envFrom"] == [{"secretRef": {"name": "xtl-store"}}]
        assert not {name for name in env(job) if re.search("KEY_ID|SECRET|PASSWORD", name)}
        if kind == "fetch":
            assert env(job)["HF_TOKEN"] == {
                "name": "HF_TOKEN",
                "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}},
            }


@pytest.mark.parametrize(
    ("given", "gpu", "cpu"),
    [
        ("cpu: 1, memory: 4Gi", ("1", "4Gi", "4Gi"), ("1", "4Gi", "4Gi")),
        ("cpu: 16, memory: 64Gi", ("16", "64Gi", "64Gi"), ("2", "8Gi", "8Gi")),
        ("cpu: 1500m, memory: 8192Mi", ("1500m", "8192Mi", "8192Mi"), ("1500m", "8Gi", "8Gi")),
        ("queue: a", ("8", "48Gi", "48Gi"), ("2", "8Gi", "8Gi")),
    ],
)
def test_what_a_stage_asks_for(given: str, gpu: tuple[str, ...], cpu: tuple[str, ...], tmp_path: Path) -> None:
    """A stage without a GPU never asks for more than its template, nor for more than a GPU stage."""
    for kind, job in by_kind(plan(tmp_path, f"cluster: {{{given}}}")).items():
        resources = pod(job)["containers"][0]["resources"]
        found = (resources["requests"]["cpu"], resources["requests"]["memory"], resources["limits"]["memory"])
        assert found == (gpu if kind in render.GPU_KINDS else cpu)
        assert ("nvidia.com/gpu" in resources["limits"]) == (kind in render.GPU_KINDS)


def test_a_simulated_gpu_is_asked_for_and_not_looked_for(tmp_path: Path) -> None:
    real, simulated = (
        by_kind(plan(tmp_path, f"cluster: {{gpu: {{simulated: {word}}}}}"))["target"] for word in ("false", "true")
    )
    assert (env(real)["XTL_GPU"]["value"], "XTL_GPU" in env(simulated)) == ("1", False)
    assert pod(simulated)["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1


def test_a_patch_that_does_not_apply_is_told(tmp_path: Path) -> None:
    found = plan(tmp_path, "cluster: {patch: [{op: remove, path: /spec/nothing}]}")
    with pytest.raises(UserError, match=r"cluster\.patch does not apply to xtl-fetch-\w+: .*nothing"):
        render.render(found, STORE)


def test_a_study_too_large_for_a_job_s_annotations_is_told(base: Plan) -> None:
    """256 KiB is what the API server takes; a key is 64 characters."""
    stage = next(stage for stage in base.stages.values() if stage.kind == "reduce")
    most = tuple(f"{number:064x}" for number in range(4000))
    assert render.job(replace(stage, parents=most), base, STORE)
    with pytest.raises(UserError, match="reduce builds on 4100 stages, more than a Job can name: split the grid"):
        render.job(replace(stage, parents=most + most[:100]), base, STORE)


def test_the_same_stage_of_the_same_store_is_one_job() -> None:
    name = render.job_name("target", "k" * 64, STORE)
    assert re.fullmatch(r"xtl-target-[0-9a-f]{12}", name)
    assert name == render.job_name("target", "k" * 64, STORE)
    assert name != render.job_name("target", "k" * 64, "s3://bucket/other")
    assert name != render.job_name("target", "j" * 64, STORE)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return plan(tmp_path_factory.mktemp("grid"))


DNS_LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
LABEL_KEY = re.compile(r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")


@settings(deadline=None, max_examples=150)
@given(
    name=DNS_LABEL,
    arm=DNS_LABEL
    | st.builds("{}@{}:{}".format, st.sampled_from(list(TASKS)), st.text(max_size=70), st.integers(1))
    | st.text(max_size=70),
    task=st.sampled_from(list(TASKS)),
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 2**32 - 1),
    key=st.binary(min_size=32, max_size=32),
)
def test_any_names_give_a_valid_job(
    name: str, arm: str, task: str, kind: str, seed: int, key: bytes, base: Plan
) -> None:
    labels = {"kind": kind, "model": "Some/Model_1", "intermediate": label(arm), "task": task, "seed": str(seed)}
    stage = Stage(key=key.hex(), kind=kind, title=f"{kind} {arm}", spec={}, where={}, parents=(), labels=labels)
    manifest = render.job(stage, replace(base, grid=replace(base.grid, name=name)), STORE)
    assert NAME.fullmatch(manifest["metadata"]["name"])
    for meta in (manifest["metadata"], manifest["spec"]["template"]["metadata"]):
        for key_, value in meta["labels"].items():
            assert LABEL_KEY.fullmatch(key_), key_
            assert VALUE.fullmatch(value), (key_, value)
    assert yaml.safe_load(render.dump(manifest)) == manifest


def test_the_command_prints_what_it_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xtl.cli.common.make_plan", lambda of: build(of, inventory(of)))
    path = tmp_path / "grid.yaml"
    path.write_text(GRID + EVERYTHING, encoding="utf-8")
    printed = CliRunner().invoke(app, ["render", str(path)])
    assert printed.exit_code == 0
    assert printed.stdout == (GOLDEN / "everything.yaml").read_text(encoding="utf-8")
    out = tmp_path / "out"
    written = CliRunner().invoke(app, ["render", str(path), "-o", str(out)])
    jobs = list(yaml.safe_load_all(printed.stdout))
    assert f"{len(jobs)} Jobs in {out}" in written.stderr
    assert {file.name: yaml.safe_load(file.read_text(encoding="utf-8")) for file in out.iterdir()} == {
        f"{job['metadata']['name']}.yaml": job for job in jobs
    }
    again = CliRunner().invoke(app, ["render", str(path), "-o", str(out), "--store", "s3://bucket/other"])
    assert f"beside {len(jobs)} of another render" in again.stderr


def test_a_folder_is_no_store_for_a_cluster(tmp_path: Path) -> None:
    path = tmp_path / "grid.yaml"
    path.write_text(GRID, encoding="utf-8")
    done = CliRunner().invoke(app, ["render", str(path), "--store", str(tmp_path)])
    assert isinstance(done.exception, UserError)
    assert "a folder, which pods do not see" in str(done.exception)
