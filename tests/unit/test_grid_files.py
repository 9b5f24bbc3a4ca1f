"""The grids to copy from load, and are the studies that they say they are."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.grids import estimated, whole
from xtl.grid import Grid, load
from xtl.plan import build
from xtl.tasks import TASKS

GRIDS = Path(__file__).parents[2] / "grids"


def read(name: str) -> Grid:
    return load(GRIDS / f"{name}.yaml")


@pytest.mark.parametrize("path", sorted(GRIDS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_grid_loads_and_is_named_as_its_file(path: Path) -> None:
    grid = load(path)
    assert grid.name == path.stem
    assert grid.arms[0].spelling == "none"
    assert grid.store is not None


def test_there_are_these_at_least() -> None:
    stems = {path.stem for path in GRIDS.glob("*.yaml")}
    assert stems >= {"demo", "sample", "quickstart", "phang2020", "english-vs-non-english"}


@pytest.mark.parametrize("name", ["demo", "sample"])
def test_what_runs_without_a_gpu(name: str) -> None:
    grid = read(name)
    assert [model.place for model in grid.models] == ["tiny"]
    assert (grid.precision, len(grid.seeds), len(grid.targets)) == ("fp32", 1, 9)


@pytest.mark.parametrize("name", ["phang2020", "english-vs-non-english"])
def test_what_a_study_takes_is_what_the_plan_says(name: str) -> None:
    grid = read(name)
    have = whole(grid)
    plan = build(grid, have)
    kinds = Counter(stage.kind for stage in plan.stages.values())
    said = re.search(
        r"What it takes: (\d+) stages \((\d+) intermediates, (\d+) targets\), about (\d+) GPU hours",
        _in_line(grid.text),
    )
    assert said, "the file says how many stages and hours it takes"
    found = (len(plan.stages), kinds["intermediate"], kinds["target"], round(estimated(plan, have).hours(plan.stages)))
    assert tuple(map(int, said.groups())) == found


def _in_line(text: str) -> str:
    return re.sub(r"\s*\n#\s*", " ", text)


def test_a_task_takes_as_many_steps_beside_masked_lm_as_alone() -> None:
    grid = read("phang2020")
    cap, batch, epochs = 131_072, 32, 3
    for arm in grid.arms:
        if arm.spelling.endswith("-mlm"):
            size = TASKS[arm.parts[0].task].train_sizes["en"]
            steps = grid.train.intermediate.get(arm.spelling, {}).get("steps")
            assert arm.mix_cap == cap
            assert (steps is not None) == (size > cap)
            if steps:
                assert steps / 2 == pytest.approx(size * epochs / batch, abs=1)


def test_what_is_seen_and_retrieval_have_contrasts_of_their_own() -> None:
    grid = read("english-vs-non-english")
    named = {one.name: one for one in grid.contrasts}
    seen = named["nli-three-seen"]
    assert set(seen.languages) == {"de", "ru", "sw"}
    assert "xnli" not in seen.tasks, "those languages are the target's own there, so that nothing could be compared"
    assert named["paraphrase-retrieval"].tasks == ("bucc2018", "tatoeba")


def test_the_published_study_is_whole() -> None:
    grid = read("phang2020")
    english = {arm.spelling for arm in grid.arms if len(arm.parts) == 1 and arm.parts[0].languages == ("en",)}
    nine = {key for key, task in TASKS.items() if task.languages == ("en",)}
    assert english == nine
    mixtures = [arm for arm in grid.arms if len(arm.parts) > 1]
    assert [len(arm.parts) for arm in mixtures] == [9] + [2] * 9
    assert {arm.parts[0].task for arm in mixtures[1:]} == nine
    assert all(arm.parts[1].task == "mlm" for arm in mixtures[1:])
    assert len(grid.seeds) == 3


def test_english_against_non_english_differs_in_the_language_alone() -> None:
    grid = read("english-vs-non-english")
    arms = {arm.spelling: arm.parts[0] for arm in grid.arms if arm.parts}
    assert len(grid.seeds) >= 5
    for contrast in grid.contrasts:
        one, other = arms[contrast.arm], arms[contrast.against]
        assert other.languages == ("en",) != one.languages
        assert TASKS[one.task].train_from == other.task or one.task == other.task
        assert _examples(one) == _examples(other)


def _examples(part: object) -> int:
    sizes = TASKS[part.task].train_sizes  # type: ignore[attr-defined]
    return part.cap or sum(sizes[language] for language in part.languages)  # type: ignore[attr-defined]
