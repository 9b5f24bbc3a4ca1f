"""Seconds of stages: what was measured wins, what is assumed says so, and what nobody can tell is not told."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.grids import GRID, grid, inventory
from xtl import spent
from xtl.cli import common
from xtl.cli.plan import as_json, show
from xtl.errors import UserError
from xtl.estimate import BESIDE_SECONDS, GPUS, USED, Done, Estimate, choose, done, estimate, is_named
from xtl.forecast import forecast, parameters, timed
from xtl.inventory import SHAPES, Inventory, Model
from xtl.plan import Plan, Stage, build
from xtl.store import commit, layout, open_store
from xtl.work import CHARACTERS, alike, works

A100, H100 = "NVIDIA A100-SXM4-80GB", "NVIDIA H100 80GB HBM3"
BASE = "FacebookAI/xlm-roberta-base"


@pytest.fixture
def planned(tmp_path: Path) -> tuple[Plan, Inventory]:
    of = grid(GRID.replace("model: tiny", f"model: {BASE}").replace("fp32", "bf16"), tmp_path)
    layers, hidden = SHAPES[BASE]
    have = inventory(of)
    have = replace(have, models={BASE: Model(name=BASE, identity={"hub": BASE}, layers=layers, hidden=hidden)})
    return build(of, have), have


def stage(plan: Plan, title: str) -> Stage:
    return next(one for one in plan.stages.values() if one.title == title)


def manifest(one: Stage, device: str = A100, *, rate: float = 1000.0, **changes: Any) -> dict[str, Any]:
    """Of a stage that trained and evaluated for 100 s each at so many word pieces a second, in 230 s."""
    return {
        "key": one.key,
        "kind": one.kind,
        "spec": one.spec,
        "attempt": "a",
        "files": {},
        "metrics": {"steps": 7},
        "seconds": {"total": 230.0, "training": 100.0, "evaluating": 100.0},
        "counted": {"steps": 7, "trained": int(100 * rate), "evaluated": int(300 * rate)},
        "provenance": {"device": "cuda", "device_name": device, "precision": "bf16"},
    } | changes


def of(planned: tuple[Plan, Inventory], found: list[Done], gpu: str | None = None) -> Estimate:
    plan, have = planned
    return estimate(plan, works(plan, have, {}), parameters(plan, have), found, choose(gpu, found))


def read(*manifests: dict[str, Any]) -> list[Done]:
    return [one for body in manifests if (one := done(body))]


def test_nothing_measured_is_a_share_of_the_data_sheet_and_says_so(planned: tuple[Plan, Inventory]) -> None:
    found, plan = of(planned, []), planned[0]
    one = stage(plan, "target xnli after mnli seed 1")
    work, weights = found.works[one.key], 12 * 12 * 768**2
    flops = 2 * weights * (3 * work.training + work.evaluating)
    assert found.gpu == "A100"
    assert found.seconds[one.key] == pytest.approx(flops / (312e12 * USED) + BESIDE_SECONDS)
    assert str(found.source(one.key, next(iter(found.sources)))).startswith("assumed: 16% of the 312 TFLOP/s that A100")
    assert stage(plan, "fetch mnli").key not in found.seconds
    faster = of(planned, [], "h200")
    assert faster.hours(plan.stages) < found.hours(plan.stages)
    assert faster.hours([one.key]) == pytest.approx((flops / (989e12 * USED) + BESIDE_SECONDS) / 3600)


def test_a_model_of_unknown_size_has_no_estimate_and_a_measured_one_needs_none(planned: tuple[Plan, Inventory]) -> None:
    plan, have = planned
    unknown = (plan, replace(have, models={BASE: Model(name=BASE, identity={"hub": BASE})}))
    assert set(of(unknown, []).seconds.values()) == {None}
    found = of(unknown, read(manifest(stage(plan, "intermediate mnli seed 1"))))
    assert None not in found.seconds.values()


def test_stages_of_the_same_work_take_as_long_again_whatever_their_seed_and_encoder(
    planned: tuple[Plan, Inventory],
) -> None:
    plan = planned[0]
    one, other = (stage(plan, f"target xnli after {arm}") for arm in ("none seed 1", "mnli seed 2"))
    slow = manifest(one, seconds={"total": 500.0, "training": 100.0, "evaluating": 100.0})
    found = of(planned, read(slow))
    assert found.seconds[other.key] == 500.0
    assert found.source(other.key, "") == "the median of 1 done of the same work"
    resumed = of(planned, read(slow | {"counted": {"steps": 3, "trained": 100_000, "evaluated": 300_000}}))
    assert not resumed.alike, "an attempt that did some of the work took some of its time"


def test_other_stages_go_by_the_rates_of_their_model_device_and_precision(planned: tuple[Plan, Inventory]) -> None:
    plan = planned[0]
    base = next(key for key, one in plan.stages.items() if one.title == f"fetch model {BASE}")
    one, other = stage(plan, "target xnli after none seed 1"), stage(plan, "intermediate mnli seed 1")
    found = of(planned, read(manifest(one)))
    work = found.works[other.key]
    assert found.seconds[other.key] == pytest.approx(work.training / 1000 + work.evaluating / 3000 + 30)
    assert found.sources[base] == (
        f"measured on 1 stage on {A100} in bf16: 1,000 word pieces/s in training, 3,000 in evaluation"
    )
    in_fp32 = manifest(one, provenance={"device_name": A100, "precision": "fp32"})
    for elsewhere in (in_fp32, manifest(one, H100)):
        assert of(planned, read(elsewhere), "A100").sources[base].startswith("assumed: ")


def test_two_gpus_in_a_store_are_told_apart_and_the_usual_one_is_the_default(planned: tuple[Plan, Inventory]) -> None:
    plan = planned[0]
    names = ("xnli after none seed 1", "xnli after mnli seed 1", "tydiqa after none seed 1")
    devices, rates = (A100, H100, H100), (1000.0, 3000.0, 3000.0)
    found = read(
        *(
            manifest(stage(plan, f"target {name}"), device, rate=rate)
            for name, device, rate in zip(names, devices, rates, strict=True)
        )
    )
    assert of(planned, found).gpu == H100
    key = stage(plan, "intermediate mnli seed 1").key
    slow, fast = (of(planned, found, gpu).seconds[key] for gpu in ("a100", "H100"))
    assert slow is not None
    assert fast is not None
    assert slow - 30 == pytest.approx(3 * (fast - 30))


def test_looks_at_dev_are_in_the_time_of_training_so_such_stages_give_no_rates(
    planned: tuple[Plan, Inventory],
) -> None:
    plan = planned[0]
    one = stage(plan, "target xnli after none seed 1")
    body = manifest(one, spec={**one.spec, "checkpoints": ["last", "english-dev"]})
    assert [(found.trained, found.evaluated) for found in read(body)] == [(0.0, 0.0)]


@pytest.mark.parametrize("lacks", ["seconds", "provenance", "spec", "metrics"])
def test_a_manifest_of_another_shape_is_skipped(planned: tuple[Plan, Inventory], lacks: str) -> None:
    whole = manifest(stage(planned[0], "target xnli after none seed 1"))
    assert read(whole)
    assert not read({name: value for name, value in whole.items() if name != lacks})
    assert not read(whole | {lacks: None})


def test_a_manifest_from_before_pieces_were_counted_gives_no_rate(planned: tuple[Plan, Inventory]) -> None:
    whole = manifest(stage(planned[0], "target xnli after none seed 1"))
    del whole["counted"]
    found = of(planned, read(whole))
    assert not found.alike
    assert all(source.startswith("assumed: ") for source in found.sources.values())


def test_names_of_gpus() -> None:
    assert is_named(A100, "a100")
    assert is_named("NVIDIA GeForce RTX 4090", "rtx 4090")
    assert not is_named("NVIDIA L40S", "L4")
    assert choose("rtx4090", []) == "RTX 4090"
    assert choose("CPU", []) == "cpu"
    assert choose(None, []) == "A100"
    with pytest.raises(UserError, match=r"no GPU is called 'H10'; did you mean H100\? There are: A100, H100") as error:
        choose("H10", [])
    assert all(name in str(error.value) for name in GPUS)


def test_the_store_is_read_and_what_is_done_keeps_no_prediction(
    planned: tuple[Plan, Inventory], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    plan, have = planned
    store = open_store(str(tmp_path / "store"))
    one, other = stage(plan, "target xnli after none seed 1"), stage(plan, "target xnli after none seed 2")
    commit.put_json(store, layout.manifest_name(one.key), manifest(one))
    for body in (
        {"kind": "target", "files": {}, "seconds": {"total": 1.0}},
        {"files": {}},
        {"seconds": 3, "files": {}},
    ):
        commit.put_json(store, layout.manifest_name(alike({"parents": {}, "n": len(str(body))})), body)
    for _ in ("read", "remembered"):
        assert spent.done(store) == read(manifest(one))
    found = forecast(plan, have, store)
    assert found.seconds[other.key] == 230.0
    kept = timed(plan, found, {one.key})
    assert (kept.stages[one.key].seconds, kept.stages[other.key].seconds) == (None, 230.0)
    assert list(kept.stages) == list(plan.stages)


def test_json_says_how_long_and_how_it_is_known(planned: tuple[Plan, Inventory]) -> None:
    plan, _ = planned
    found = of(planned, read(manifest(stage(plan, "target xnli after none seed 1"))))
    body = json.loads(json.dumps(as_json(plan.grid, plan, set(), found, [])))
    by_title = {one["title"]: one for one in body["stages"]}
    assert by_title["target xnli after none seed 2"]["seconds"] == 230.0
    assert by_title["target xnli after none seed 2"]["seconds_from"] == "the median of 1 done of the same work"
    assert by_title["intermediate mnli seed 1"]["seconds_from"].startswith("measured on 1 stage on NVIDIA A100")
    assert by_title["fetch mnli"]["seconds"] is by_title["fetch mnli"]["seconds_from"] is None
    assert by_title["intermediate mnli seed 1"]["tokens"] > by_title["intermediate mnli seed 1"]["tokens_trained"] > 0
    assert body["gpu"] == A100
    assert body["gpu_hours"] == pytest.approx(sum(one["gpu_hours"] for one in body["stages"]))


def test_a_model_is_known_again_by_what_it_is(planned: tuple[Plan, Inventory]) -> None:
    """`tiny` is fetched anew for every set of data, whose tokenizer it takes."""
    plan, _ = planned
    fetch, one = stage(plan, f"fetch model {BASE}"), stage(plan, "target xnli after none seed 1")
    elsewhere = dict(one.spec["parents"]) | {"encoder": "0" * 64}
    target = manifest(one, key="1" * 64, spec={**one.spec, "parents": elsewhere})
    fetched = {"key": "0" * 64, "kind": "fetch", "spec": fetch.spec, "seconds": {"total": 9.0}, "provenance": {}}
    assert not of(planned, read(target)).sources[fetch.key].startswith("measured")
    found = of(planned, read(fetched, target))
    assert found.sources[fetch.key].startswith("measured on 1 stage")
    assert not found.alike, "its tokenizer may be another"


def test_the_lines_below_a_plan_say_what_the_times_are_from(
    planned: tuple[Plan, Inventory], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, _ = planned
    found = of(planned, read(manifest(stage(plan, "target xnli after none seed 1"))))
    for width in (80, 160):
        out = io.StringIO()
        console = Console(file=out, width=width, highlight=False)
        monkeypatch.setattr(common, "console", lambda console=console: console)
        show(plan.grid, plan, set(), found, [])
        lines = out.getvalue().splitlines()
        assert all(len(line) <= width for line in lines)
        said = " ".join(" ".join(lines).split())
        assert f"GPU hours on {A100} (an estimate)." in said
        assert f"Time: 6 of {len(found.seconds)} take as long as done stages of the same work." in said
        assert (
            f"Time: the others: {BASE}: measured on 1 stage on {A100} in bf16: 1,000 word pieces/s in training" in said
        )
        assert "3m50s" in said, "230 s"


def test_what_was_fetched_from_a_hub_is_as_long_and_as_many_as_its_manifest_says(
    planned: tuple[Plan, Inventory], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    plan, have = planned
    store = open_store(str(tmp_path / "store"))
    fetch, one = stage(plan, "fetch mnli"), stage(plan, "intermediate mnli seed 1")
    before = forecast(plan, have, store).works[one.key]
    listings = {"en": {"train": {"examples": 500, "characters": [86, 43]}, "dev": {"examples": 0, "characters": []}}}
    for metrics, told in (({"listings": {"en": {"train": {"examples": 500}}}}, False), ({"listings": listings}, True)):
        body = {"key": fetch.key, "kind": "fetch", "files": {}, "metrics": metrics}
        commit.put_json(store, layout.manifest_name(fetch.key), body)
        found = forecast(plan, have, store).works[one.key]
        assert (found != before) == told, "a manifest from before lengths were in it changes nothing"
    assert found.training == pytest.approx(500 * 2 * ((86 + 43) / CHARACTERS + 4))
    assert found.evaluating == 0
