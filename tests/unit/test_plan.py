"""Plans: what is shared, what is missing, what is scored on dev, and what a study costs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.grids import GRID, estimated, grid, inventory, places
from xtl.errors import UserError
from xtl.grid import load
from xtl.inventory import SHAPES, Inventory, Model, Unit, needed_units
from xtl.plan import build
from xtl.tasks import source

GRIDS = Path(__file__).parents[2] / "grids"


def titles(found: object) -> list[str]:
    return [stage.title for stage in found.stages.values()]  # type: ignore[attr-defined]


def without(found: Inventory, place: tuple[str, str], *, only: tuple[str, str] | None = None) -> Inventory:
    units = dict(found.units)
    if only is None:
        del units[place]
    else:
        listings = {key: n for key, n in units[place].listings.items() if key != only}
        units[place] = replace(units[place], listings=listings)
    return replace(found, units=units, absent={place: "Put it there."})


def test_a_stage_that_several_rows_need_exists_once(tmp_path: Path) -> None:
    of = grid(GRID, tmp_path)
    found = build(of, inventory(of))
    assert len(set(titles(found))) == len(found.stages)
    assert titles(found).count("fetch mnli") == 1  # xnli's English training data and an intermediate
    assert titles(found).count("target tatoeba after none") == 1  # for both seeds
    assert len(found.rows) == 2 * 3 * 3
    assert len({row.key for row in found.rows}) == len(found.rows) - 1


def test_a_model_folder_goes_by_its_spelling_and_no_key_holds_its_path(tmp_path: Path) -> None:
    plans = []
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
        of = grid(GRID.replace("model: tiny", "model: [./mine, tiny]"), tmp_path / place)
        have = inventory(of)
        mine = Model(name=of.models[0].place, identity={"digest": "0" * 64})
        plans.append(build(of, replace(have, models={**have.models, of.models[0].place: mine})))
    here, there = plans
    assert here.stages.keys() == there.stages.keys()
    assert str(tmp_path) not in json.dumps([dict(stage.spec) for stage in here.stages.values()])
    assert {row.model for row in here.rows} == {"./mine", "tiny"}
    assert len(set(titles(here))) == len(here.stages), "titles tell models apart"
    fetched = next(stage for stage in there.stages.values() if stage.title == "fetch model ./mine")
    assert fetched.where == {"model": str(tmp_path / "there/mine")}


def test_parents_come_before_their_children_and_descendants_are_all(tmp_path: Path) -> None:
    of = grid(GRID, tmp_path)
    found = build(of, inventory(of))
    seen: set[str] = set()
    for stage in found.stages.values():
        assert set(stage.parents) <= seen
        seen.add(stage.key)
    model = next(stage for stage in found.stages.values() if stage.title == "fetch model tiny")
    below = {found.stages[key].kind for key in found.descendants(model.key)}
    assert below == {"intermediate", "target", "reduce"}


def test_everything_without_data_is_said_at_once(tmp_path: Path) -> None:
    of = grid(GRID, tmp_path)
    have = without(inventory(of), ("tatoeba", ""))
    have = without(have, ("xnli", "ru"))
    have = without(have, ("tydiqa", ""), only=("en", "train"))
    with pytest.raises(UserError) as caught:
        build(of, have)
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("target tydiqa: no training data for tydiqa@en")
    assert lines[1].startswith("target tatoeba: no test or dev data in any of ar, he, vi")
    assert lines[2].startswith("intermediate multi: no training data for xnli@ru")


def test_what_several_ask_for_is_said_once_with_what_to_do(tmp_path: Path) -> None:
    arms = "  - mnli\n  - {name: a, tasks: [mnli, qqp@de]}\n  - {name: b, tasks: [mnli, qqp@de+sw]}\n"
    of = grid(GRID.replace("  - mnli\n", arms), tmp_path)
    have = inventory(of)
    todo = dict.fromkeys((("qqp", "de"), ("qqp", "sw")), "Put them there.")
    units = {place: unit for place, unit in have.units.items() if place not in todo}
    with pytest.raises(UserError) as caught:
        build(of, replace(have, units=units, absent=todo))
    assert str(caught.value) == ("intermediate a, intermediate b: no training data for qqp@de, qqp@sw. Put them there.")


def test_languages_the_data_lack_are_left_out_and_dev_serves_where_there_is_no_test(tmp_path: Path) -> None:
    of = grid(GRID, tmp_path)
    have = inventory(of)
    unit = have.units[("xnli", "")]
    have = without(have, ("xnli", ""), only=("de", "test"))
    found = build(of, have)
    spec = next(s.spec for s in found.stages.values() if s.title == "target xnli after none seed 1")
    assert (spec["languages"], spec["split"]) == (["en", "sw"], "test")

    dev_only = {key: n for key, n in unit.listings.items() if key[1] != "test"}
    units = {**have.units, ("xnli", ""): replace(unit, listings=dev_only)}
    found = build(of, replace(have, units=units))
    spec = next(s.spec for s in found.stages.values() if s.title == "target xnli after none seed 1")
    assert (spec["languages"], spec["split"]) == (["de", "en", "sw"], "dev")


def test_all_languages_are_those_that_the_data_hold(tmp_path: Path) -> None:
    of = grid(GRID.replace("  - mnli\n", "  - mnli\n  - xnli@all\n"), tmp_path)
    have = inventory(of)
    have = replace(
        have, units={place: unit for place, unit in have.units.items() if place[1] in ("", "de", "ru", "sw")}
    )
    found = build(of, have)
    spec = next(s.spec for s in found.stages.values() if s.title == "intermediate xnli@all seed 1")
    assert spec["parts"][0]["languages"] == ["de", "en", "ru", "sw"]
    assert set(spec["parents"]["data"]["xnli"]) == {"de", "en", "ru", "sw"}
    of = grid(GRID.replace("  - mnli\n", "  - mnli\n  - mlm@all\n"), tmp_path)
    with pytest.raises(UserError) as caught:
        build(of, without_task(inventory(of), "mlm"))
    assert str(caught.value).splitlines() == ["intermediate mlm@all: no training data for mlm@ar."]


def without_task(found: Inventory, task: str) -> Inventory:
    return replace(found, units={place: unit for place, unit in found.units.items() if place[0] != task})


def test_bucc_without_dev_has_no_threshold_and_is_refused(tmp_path: Path) -> None:
    of = grid(GRID.replace("tatoeba]", "bucc2018]"), tmp_path)
    have = inventory(of)
    unit = have.units[("bucc2018", "")]
    test_alone = {key: n for key, n in unit.listings.items() if key[1].startswith("test")}  # as the hub has it
    have = replace(have, units={**have.units, ("bucc2018", ""): replace(unit, listings=test_alone)})
    with pytest.raises(UserError, match=r"target bucc2018: no test or dev data in any of de, fr, ru, zh. .*dev"):
        build(of, have)
    unit = have.units[("bucc2018", "")]
    listings = {**unit.listings, ("ru", "dev.ru"): 10, ("ru", "dev.en"): 10, ("ru", "dev.gold"): 2}
    found = build(of, replace(have, units={**have.units, ("bucc2018", ""): replace(unit, listings=listings)}))
    spec = next(s.spec for s in found.stages.values() if s.title == "target bucc2018 after none")
    assert (spec["languages"], spec["split"]) == (["ru"], "test")


def test_translate_train_trains_on_what_the_target_names(tmp_path: Path) -> None:
    text = GRID.replace("{task: xnli, languages: [en, de, sw]}", "{task: xnli, train: [en, de]}")
    of = grid(text.replace("precision", "setting: translate-train\nprecision"), tmp_path)
    found = build(of, inventory(of))
    spec = next(s.spec for s in found.stages.values() if s.title == "target xnli after none seed 1")
    assert set(spec["parents"]["train"]) == {"de", "en"}


def published(of: object) -> Inventory:
    """What the hub holds, by the published sizes; the revisions are made up."""
    units = {}
    for task, part in needed_units(of):  # type: ignore[arg-type]
        listings = source.published(task, part)
        units[(task, part)] = Unit(task=task, part=part, origin={"hub": {task: "0" * 40}}, listings=listings)
    models = {
        name: Model(
            name=name, identity={"hub": name, "revision": "0" * 40}, layers=SHAPES[name][0], hidden=SHAPES[name][1]
        )
        for name in places(of)  # type: ignore[arg-type]
    }
    return Inventory(units=units, models=models, source={"hub": True})


def test_the_quickstart_is_under_three_gpu_hours_by_its_own_estimate() -> None:
    of = load(GRIDS / "quickstart.yaml")
    have = published(of)
    found = build(of, have)
    assert len(of.models) == len(of.seeds) == 1
    assert len(of.targets) == 3
    assert len([arm for arm in of.arms if arm.parts]) == 2
    assert 0.1 < estimated(found, have).hours(found.stages) < 3
