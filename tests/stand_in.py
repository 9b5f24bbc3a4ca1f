"""Plays `kind` and `docker`, and where asked `kubectl` and `helm`, for k8s/kind/run: notes every call, and lets what a
laptop would do in the image be done by this checkout's environment.

Only the calls that the script makes are known; any other fails, so that a new one is looked at. What kind and Docker
themselves would say to an argument is not played.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NODE = "node/xtl-control-plane"


class Programs:
    """A folder of stand-ins to put first on PATH. `refuse`: images that `kind load docker-image` does not take."""

    def __init__(self, folder: Path, *names: str, kubeconfig: Path | None = None, refuse: Sequence[str] = ()) -> None:
        self.folder = folder
        (folder / "bin").mkdir(parents=True)
        for name in names:
            program = folder / "bin" / name
            program.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, __file__, name])} "$@"\n')
            program.chmod(0o755)
        state = {"refuse": list(refuse), "kubeconfig": str(kubeconfig or "")}
        (folder / "state.json").write_text(json.dumps(state))

    @property
    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]

    def to(self, *words: str) -> list[list[str]]:
        """The calls that begin with these words, without them."""
        return [call[len(words) :] for call in self.calls if call[: len(words)] == list(words)]

    def run(
        self, command: str, timeout: float = 60.0, root: Path = ROOT, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """`k8s/kind/run COMMAND` with them, in this checkout or another folder laid out alike."""
        mine = {"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "STAND_IN": str(self.folder)}
        mine["KIND_FOLDER"] = str(self.folder / "kind-study")
        return subprocess.run(
            [root / "k8s/kind/run", command], env={**os.environ, **mine, **env}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip


def option(words: Sequence[str], name: str) -> str:
    return words[words.index(name) + 1]


def kind(words: list[str], folder: Path, state: dict[str, object]) -> int:
    made = folder / "made"
    match words[:2]:
        case ["get", "clusters"]:
            print(made.read_text() if made.exists() else "", end="")
        case ["create", "cluster"] | ["export", "kubeconfig"]:
            made.write_text(option(words, "--name") + "\n")
            text = Path(str(state["kubeconfig"])).read_text() if state["kubeconfig"] else "{}"
            Path(option(words, "--kubeconfig")).write_text(text)
        case ["load", "docker-image"]:
            return words[2] in state["refuse"]  # type: ignore[operator]
        case ["load", "image-archive"]:
            return not Path(words[2]).exists()
        case ["delete", "cluster"]:
            made.unlink(missing_ok=True)
        case _:
            return 64
    return 0


def docker(words: list[str], folder: Path) -> int:
    match words:
        case ["info"] | ["pull", _] | ["build", *_]:
            pass
        case ["version", *_]:
            print("amd64")
        case ["image", "inspect", *_, image]:
            print(f"sha256:{image.encode().hex()}")
        case ["image", "save", *_]:
            Path(option(words, "--output")).touch()
        case ["run", *_]:
            inside = words[words.index("xtl:dev") + 1 :]
            path = f"{ROOT / '.venv/bin'}:{os.environ['PATH']}"
            return subprocess.run(inside, env={"PATH": path, "HOME": str(folder / "home")}, check=False).returncode
        case _:
            return 64
    return 0


def kubectl(words: list[str]) -> int:
    if words[:2] == ["get", "nodes"]:
        print(NODE)
    return 0


def helm(words: list[str]) -> int:
    if words[0] == "template":
        print((ROOT / "tests/golden/helm/trial.yaml").read_text())
    return 0


def main(name: str, words: list[str]) -> int:
    folder = Path(os.environ["STAND_IN"])
    with (folder / "calls").open("a") as calls:
        calls.write(json.dumps([name, *words]) + "\n")
    match name:
        case "kind":
            return kind(words, folder, json.loads((folder / "state.json").read_text()))
        case "docker":
            return docker(words, folder)
        case "kubectl":
            return kubectl(words)
    return helm(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
