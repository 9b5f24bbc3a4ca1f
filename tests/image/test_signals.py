"""Process 1 of a container gets SIGTERM: whatever it does, from its first moments on, and ends in time with its status.

A process 1 without a handler never gets the signal at all, so a Job's pod would hang on until it is killed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.image.conftest import Prepared
from tests.image.engine import CLI, RUNTIME, Container
from tests.run.study import TRAINED, beat, wait
from xtl.errors import EXIT_STOPPED
from xtl.store import layout

#: Minutes of training, whatever the machine.
LONG = TRAINED.replace("epochs: 2", "epochs: 2000")
#: A Job's grace: a process that does not stop is then killed, and its status is 137.
PATIENCE_SECONDS = 120.0
MOMENTS = [0.2, 1.0, 4.0]
#: Its API server refuses every connection, so that the controller asks again and again.
KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters: [{name: away, cluster: {server: "https://127.0.0.1:9"}}]
users: [{name: nobody, user: {token: none}}]
contexts: [{name: away, context: {cluster: away, user: nobody, namespace: research}}]
current-context: away
"""

Start = Callable[..., Container]


@pytest.fixture(scope="module")
def training(prepare: Callable[[str], Prepared]) -> Prepared:
    """A study that would train for long; what its intermediate stage needs is committed."""
    study = prepare(LONG)
    assert set(study.run("fetch").values()) == {0}
    return study


def test_a_stage_in_the_midst_of_training_saves_its_state(start: Start, training: Prepared) -> None:
    key, store = training.key("intermediate"), training.store
    container = start(RUNTIME, *training.words(key), network="host", env=training.env)
    wait(lambda: beat(store, key).get("step", 0) > 0, "a step of training")
    container.terminate()
    ended = container.wait(PATIENCE_SECONDS)
    assert ended.status == EXIT_STOPPED, ended
    assert beat(store, key)["state"] == "stopped"
    assert list(store.list(layout.resumes_prefix(key))), ended


@pytest.mark.parametrize("seconds", MOMENTS)
def test_a_stage_in_its_first_moments_stops(seconds: float, start: Start, training: Prepared) -> None:
    container = start(RUNTIME, *training.words(training.key("intermediate")), network="host", env=training.env)
    print(f"SIGTERM {container.terminate(seconds):.2f} s after the start")
    ended = container.wait(PATIENCE_SECONDS)
    assert ended.status == EXIT_STOPPED, ended


@pytest.mark.parametrize("seconds", MOMENTS)
def test_the_controller_in_its_first_moments_stops(seconds: float, start: Start, tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text(KUBECONFIG, encoding="utf-8")
    options = [f"--volume={tmp_path / 'kubeconfig'}:/kubeconfig:ro"]
    container = start(CLI, "controller", options=options, env={"KUBECONFIG": "/kubeconfig"})
    print(f"SIGTERM {container.terminate(seconds):.2f} s after the start")
    ended = container.wait(30)  # Kubernetes' default, which its Deployment keeps
    assert ended.status in (0, EXIT_STOPPED), ended
