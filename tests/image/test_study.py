"""A study whose stages run one by one in containers, as pods would run them, against a real S3 server."""

from __future__ import annotations

from collections.abc import Callable

from tests.image.conftest import Prepared
from tests.image.engine import RUNTIME, Engine
from tests.run.study import TRAINED
from xtl.store import layout

#: In a bare container: no network, the study's folder read only, and a store in memory.
RUN = "xtl run /study/grid.yaml --store /work/store --parallel 2 >&2 && cat /work/store/grids/trained/scores.csv"


def test_every_kind_of_stage_runs_to_its_end_with_the_scores_of_a_run_on_one_machine(
    engine: Engine, prepare: Callable[[str], Prepared]
) -> None:
    study = prepare(TRAINED)
    for kind in ("fetch", "intermediate", "target", "reduce"):
        statuses = study.run(kind)
        assert statuses
        assert set(statuses.values()) == {0}, statuses

    scores = study.store.get(f"{layout.grid_prefix('trained')}scores.csv")[0].decode()
    assert len(scores.splitlines()) > 4
    mounts = ["--tmpfs=/work:rw,mode=1777,exec", f"--volume={study.folder}:/study:ro"]
    alone = engine.run(RUNTIME, "sh", "-c", RUN, options=mounts, env={"OMP_NUM_THREADS": "1"}, timeout=300)
    assert alone.status == 0, alone
    assert alone.out == scores
