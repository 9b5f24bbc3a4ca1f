"""The built images, `xtl:dev` and `xtl-cli:dev`, in containers: `make image-test`. All tests here carry the mark
`image`; where neither docker nor podman answers they do not run, and say so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import smallworld
from tests.grids import grid
from tests.image.engine import CLI, RUNTIME, Container, Engine, find
from tests.s3server import S3Server
from xtl import inputs, local
from xtl.inventory import look
from xtl.plan import Plan, build
from xtl.store import Store, open_store


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.image)


@pytest.fixture(scope="session")
def engine() -> Engine:
    program = find()
    if program is None:
        pytest.skip("NOT RUN: needs docker or podman, and one that answers")
    found = Engine(program=program)
    for image in (RUNTIME, CLI):
        found.inspect("image", image)
    return found


@pytest.fixture
def start(engine: Engine) -> Iterator[Callable[..., Container]]:
    """start(image, *words, ...) as the engine's; whatever it started is gone afterwards."""
    started: list[str] = []

    def one(*words: str, **more: object) -> Container:
        container = engine.start(*words, **more)
        started.append(container.name)
        return container

    yield one
    for name in started:
        engine.remove(name)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A folder with `grid.yaml` and `data/`, and its plan as pods see it: specs and inputs are in a bucket."""

    folder: Path
    plan: Plan
    store: Store
    server: S3Server
    engine: Engine

    def key(self, kind: str) -> str:
        return next(key for key, stage in self.plan.stages.items() if stage.kind == kind)

    def words(self, key: str) -> list[str]:
        return ["python", "-m", "jobs.stage", "--store", self.store.url, "--key", key]

    def run(self, kind: str) -> dict[str, int]:
        """Every stage of this kind, in a container each: exit statuses by title."""
        stages = [stage for stage in self.plan.stages.values() if stage.kind == kind]
        return {stage.title: self._run(stage.key) for stage in stages}

    def _run(self, key: str) -> int:
        ended = self.engine.run(RUNTIME, *self.words(key), network="host", env=self.env)
        print(ended)
        return ended.status

    @property
    def env(self) -> dict[str, str]:
        return {**self.server.env, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


@pytest.fixture(scope="module")
def prepare(
    engine: Engine, _s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Prepared]]:
    """prepare(grid text): as `xtl submit` leaves it before the first Job."""

    def make(text: str) -> Prepared:
        folder = tmp_path_factory.mktemp("image") / "study"  # its own mode lets others read
        smallworld.write(folder / "data")
        study, store = grid(text, folder), open_store(_s3_server.fresh_url())
        plan = inputs.upload(build(study, look(study)), store)
        local.prepare(plan, store)
        return Prepared(folder=folder, plan=plan, store=store, server=_s3_server, engine=engine)

    with pytest.MonkeyPatch.context() as patch:
        for name, value in _s3_server.env.items():
            patch.setenv(name, value)
        yield make
