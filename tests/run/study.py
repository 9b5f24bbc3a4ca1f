"""The command line as a user has it, in a process of its own, and studies small enough to run it on.

A stage that imports torch costs seconds of processor time, so most tests run `FAILING`: its XNLI has a broken row, so
that `model: tiny` and all that needs it are skipped, and what runs imports no torch.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tests import smallworld
from xtl.store import commit, layout
from xtl.store.base import Store

#: Everything of it runs without torch but the model and the target.
RETRIEVAL = """\
name: small
model: tiny
seeds: [1]
intermediates: [none]
targets: [tatoeba]
precision: fp32
data: ./data
"""
FAILING = RETRIEVAL.replace("small", "failing").replace("[none]", "[none, mnli]").replace("[tat", "[xnli, tat")
#: An intermediate and a target that train; stages that import torch: four.
TRAINED = """\
name: trained
model: tiny
seeds: [1]
intermediates: [mnli]
targets: [xnli, tatoeba]
train:
  intermediate: {default: {lr: 1e-3, epochs: 2, batch: 8, length: 32}}
  target: {default: {lr: 1e-3, epochs: 2, batch: 8, length: 32}}
precision: fp32
data: ./data
"""
#: Where FAILING's row is broken, as xtl says it.
BROKEN = 'xnli/XNLI-1.0/xnli.test.tsv:4: gold_label is "perhaps", not one of: entailment neutral contradiction'


@dataclass(frozen=True, kw_only=True)
class Ended:
    status: int
    out: str
    err: str

    def __str__(self) -> str:
        return f"exit status {self.status}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class Study:
    """A folder with `grid.yaml` and `data/`, and `xtl` run in it with a cache of its own."""

    def __init__(self, folder: Path, text: str = RETRIEVAL, store: str = "store", **env: str) -> None:
        self.folder, self.store = folder, store
        self.name = text.split()[1]
        folder.mkdir(parents=True, exist_ok=True)
        smallworld.write(folder / "data")
        (folder / "grid.yaml").write_text(text, encoding="utf-8")
        self.env = {"XDG_CACHE_HOME": str(folder / "cache"), **env}

    def break_xnli(self) -> None:
        path = self.folder / "data/xnli/XNLI-1.0/xnli.test.tsv"
        lines = path.read_text(encoding="utf-8").splitlines()
        lines[3] = "en\tperhaps\tA\tB\t2"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def long_mnli(self, rows: int = 200_000) -> None:
        """MNLI's training file so long that its fetch takes seconds, and stops anywhere."""
        path = self.folder / "data/glue/MNLI/train.tsv"
        head, *body = path.read_text(encoding="utf-8").splitlines()
        with path.open("w", encoding="utf-8") as file:
            file.write(head + "\n")
            for number in range(rows):
                _, _, first, second, label = body[number % len(body)].split("\t")
                file.write(f"{number}\tp{number}\t{first} {number}\t{second}\t{label}\n")

    def attempts(self, store: Store) -> dict[str, int]:
        """How often each stage was started here, by title: one log each."""
        name = self.name
        logs = [path.name for path in (self.folder / f"cache/xtl/work/{name}/logs").glob("*.txt")]
        return {t: sum(log.startswith(key[:12]) for log in logs) for t, key in keys(store, name).items()}

    def xtl(self, *arguments: str, timeout: float = 300.0, **env: str) -> Ended:
        """`xtl ARGUMENTS` to its end; never a traceback."""
        with self.start(*arguments, **env) as process:
            out, err = process.communicate(timeout=timeout)
        ended = Ended(status=process.returncode, out=out, err=err)
        assert "Traceback" not in out + err, ended
        return ended

    def run(self, *arguments: str, **env: str) -> Ended:
        return self.xtl("run", "grid.yaml", "--store", self.store, *arguments, **env)

    def start(self, *arguments: str, stdout: int | IO[bytes] = subprocess.PIPE, **env: str) -> subprocess.Popen[str]:
        """`xtl ARGUMENTS` on its way."""
        return subprocess.Popen(
            [sys.executable, "-m", "xtl.cli.app", *arguments],
            cwd=self.folder,
            env=self.environment(env),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        )

    def start_run(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        return self.start("run", "grid.yaml", "--store", self.store, *arguments, **env)

    def environment(self, env: Mapping[str, str]) -> dict[str, str]:
        """What `xtl` sees: this test's, and `env`."""
        return {**os.environ, "OMP_NUM_THREADS": "1", **self.env, **env}


def ended(process: subprocess.Popen[str], timeout: float = 120.0) -> Ended:
    out, err = process.communicate(timeout=timeout)
    return Ended(status=process.returncode, out=out or "", err=err)


def wait(until: Callable[[], Any], what: str, seconds: float = 90.0) -> Any:
    """Until it is so; what it gave."""
    end = time.monotonic() + seconds
    while not (found := until()):
        assert time.monotonic() < end, f"waited {seconds:.0f} s for: {what}"
        time.sleep(0.05)
    return found


def keys(store: Store, grid: str) -> dict[str, str]:
    """The stages' keys by title."""
    plan = commit.get_json(store, f"{layout.grid_prefix(grid)}plan.json")
    assert plan is not None
    return {stage["title"]: key for key, stage in plan["stages"].items()}


def children(process: subprocess.Popen[str]) -> dict[str, int]:
    """The stage processes of an `xtl run`: process ids by the stage's key."""
    found = {}
    for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        if "--key" in command:
            found[command[command.index("--key") + 1]] = int(pid)
    return found


def alive(pid: int) -> bool:
    """Neither gone nor a zombie that its new parent has not collected yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def beat(store: Store, key: str) -> dict[str, Any]:
    """The stage's last heartbeat."""
    return commit.get_json(store, layout.progress_name(key)) or {}


def results(store: Store, grid: str) -> dict[str, Any]:
    """By title, what a stage's result is: its metrics, and the hashes of its files."""
    found = {}
    for title, key in keys(store, grid).items():
        manifest = commit.read_manifest(store, key)
        assert manifest is not None, f"{title} is not committed in {store.url}"
        found[title] = manifest.get("metrics"), {name: blob.sha256 for name, blob in commit.blobs(manifest).items()}
    return found
