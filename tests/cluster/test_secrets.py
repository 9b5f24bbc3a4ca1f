"""No key, token or secret in anything that a study leaves in a cluster or a store, or says: searched for in all of it
after whole studies, one of which fails for wrong credentials."""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster.conftest import THIN
from tests.cluster.running import Running
from tests.run.study import Study, keys, wait
from tests.s3server import S3Server
from xtl.cluster import PODS, SECRETS, Cluster
from xtl.store import Store

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="NOT RUN: needs kubectl on the PATH")

#: By where it was said: everything that there is to read.
Said = dict[str, str]


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """A server whose access key is a word that occurs nowhere else."""
    server = S3Server(tmp_path / "s3")
    server.user = f"AKIA{secrets.token_hex(8).upper()}"
    with server:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        yield server


def secret(name: str, values: dict[str, str]) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}


def kubectl(namespace: str, *words: str) -> str:
    done = subprocess.run(["kubectl", "-n", namespace, *words], capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def objects(namespace: str) -> str:
    """Every object of the namespace but its Secrets, as YAML."""
    kinds = kubectl(namespace, "api-resources", "--namespaced", "--verbs=list", "-o", "name").split()
    kinds = [kind for kind in kinds if kind != "secrets"]
    assert "events" in kinds
    return kubectl(namespace, "get", ",".join(kinds), "-o", "yaml", "--show-managed-fields")


def commands(study: Study, stages: list[str]) -> Said:
    """What a user's commands say of a study, from the first to the last."""
    lines = ["plan grid.yaml", "render grid.yaml", "submit grid.yaml --yes", "submit grid.yaml --dry-run -o json"]
    lines += ["status grid.yaml --all", "status grid.yaml -o json", "doctor grid.yaml", "doctor grid.yaml -o json"]
    said = {}
    for words in [line.split() for line in lines] + [["logs", "grid.yaml", stage] for stage in stages]:
        found = study.xtl(*words)
        said[f"xtl {' '.join(words)}"] = found.out + found.err
    return said


def written(store: Store) -> Said:
    return {entry.name: store.get(entry.name)[0].decode("latin-1") for entry in store.list("")}


def failing(make: Callable[..., Study], cluster: Cluster) -> tuple[Study, Said]:
    """A study whose pods have the wrong key; and what its client and its first pod said."""
    wrong = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    cluster.create(SECRETS, secret("wrong", {**wrong, "AWS_SECRET_ACCESS_KEY": secrets.token_hex(16)}))
    study = make(THIN.replace("thin", "other"), "other", store={"secret": "wrong"}, hub={"tokenSecret": "hub"})
    path = study.folder / "data/tatoeba/v1/tatoeba.deu-eng.eng"
    path.write_text(path.read_text().replace("dog", "hound"))  # so that it shares no stage
    submitted = study.xtl("submit", "grid.yaml", "--yes")
    assert submitted.status == 0, submitted
    failed = "status.phase=Failed"
    pod = wait(lambda: cluster.list(PODS, fields=failed), "a pod that fails")[0]["metadata"]["name"]
    log = cluster.log(pod)
    assert f" ERROR {study.store} at " in log
    return study, {"other's submit": submitted.out + submitted.err, f"log of {pod}": log}


def test_no_secret_is_in_anything_that_is_written_or_said(
    cluster: Cluster, study: Callable[..., Study], store: Store, kubeconfig: Path, tmp_path: Path
) -> None:
    token = f"hf_{secrets.token_hex(16)}"
    cluster.create(SECRETS, secret("hub", {"token": token}))
    hidden = {name: os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    hidden |= {"the hub's token": token, **credentials(kubeconfig)}
    thin = study(hub={"tokenSecret": "hub"})
    log = tmp_path / "controller.log"
    controller = Running(cluster.namespace, log, "one")
    try:
        followed = thin.xtl("submit", "grid.yaml", "--yes", "--wait")
        assert followed.status == 0, followed
        said = {"submit --wait": followed.out + followed.err}
        said |= {f"log of {name}": cluster.log(name) for name in pods(cluster)}
        said |= commands(thin, list(keys(store, "thin").values()))
        other, more = failing(study, cluster)
        said |= more | {f"other: {words}": text for words, text in commands(other, []).items()}
        said |= {"objects": objects(cluster.namespace), "the controller": log.read_text()} | written(store)
    finally:
        controller.kill()

    assert "reason: Released" in said["objects"]
    assert "HF_TOKEN" in said["objects"]
    held = kubectl(cluster.namespace, "get", "secrets", "-o", "yaml")
    for what, value in hidden.items():
        forms = value, base64.b64encode(value.encode()).decode()
        assert what not in ("AWS_SECRET_ACCESS_KEY", "the hub's token") or forms[1] in held, "this search finds nothing"
        leaks = [where for where, text in said.items() if any(form in text for form in forms)]
        assert leaks == [], f"{what} is told"


def pods(cluster: Cluster) -> list[str]:
    return [pod["metadata"]["name"] for pod in cluster.list(PODS)]


def credentials(kubeconfig: Path) -> dict[str, str]:
    """What the user's kubeconfig holds that nobody else may know."""
    config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    kinds = ("client-key-data", "token", "password")
    return {
        f"the kubeconfig's {kind}": entry["user"][kind]
        for entry in config["users"] for kind in kinds if entry["user"].get(kind)
    }  # fmt: skip
