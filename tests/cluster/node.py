"""What only someone on the machine can do to a cluster that `kube/up` made: end a container from the node, use up its
memory, and kill a part of the cluster and start it again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests import samples

UP = samples.SHARED / "kube/up"
#: What `up` must be told again so that it takes nothing for changed.
_OPTIONS = ("--dir", "--node-name", "--gpus", "--cpu", "--memory", "--image", "--any-image")


class Node:
    """`folder` is the cluster's state folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, kubeconfig: Path) -> Node | None:
        """Of the cluster under test; None where it is no such cluster."""
        named = os.environ.get("XTL_TEST_KUBECONFIG")
        folder = (Path(named) if named else kubeconfig).parent
        return cls(folder) if (folder / "run/node.json").exists() and UP.exists() else None

    def kill(self, pod: str, namespace: str) -> None:
        """SIGKILL to the pod's process 1, from outside."""
        words = ["--kill", pod, "--namespace", namespace, "--dir", self.folder]
        subprocess.run([UP.with_name("node"), *words], check=True, timeout=30)

    def use_up_memory(self, attempt: str, amount: int) -> None:
        """A process in the container of that stage attempt takes so many bytes, until it is killed with the rest."""
        ours = os.readlink("/proc/self/ns/pid")
        stage = next(
            pid
            for pid in _processes()
            if f"XTL_ATTEMPT={attempt}".encode() in _environment(pid) and os.readlink(f"/proc/{pid}/ns/pid") != ours
        )
        taking = f"taken = b'x' * {amount}; import time; time.sleep(30)"
        inside = ["nsenter", "--target", str(stage), "--pid", sys.executable, "-c", taking]
        assert subprocess.run(inside, check=False, timeout=60).returncode, "it lived on"

    def stop(self, part: str) -> None:
        """SIGKILL to a part of the cluster: `node` (the agent), `kube-apiserver`."""
        os.kill(json.loads((self.folder / f"run/{part}.json").read_text())["pid"], signal.SIGKILL)

    def start(self) -> None:
        """What is dead, again, as it was."""
        command = json.loads((self.folder / "run/node.json").read_text())["command"]
        words = [word for word in command if word.partition("=")[0] in _OPTIONS]
        (server,) = [word for word in command if word.startswith("--server=")]
        up = [UP, "--port", server.rpartition(":")[2], *words]
        subprocess.run(up, check=True, timeout=180, stdout=subprocess.DEVNULL)

    def expired(self, target: Path) -> dict[str, str]:
        """A kubeconfig's user whose certificate this cluster's authority signed, and which ran out yesterday."""
        key, request, certificate = (target / f"expired.{end}" for end in ("key", "csr", "crt"))
        authority = ["-CA", self.folder / "pki/ca.crt", "-CAkey", self.folder / "pki/ca.key", "-CAcreateserial"]
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        yesterday = ["-CAserial", target / "serial", "-days", "-1"]
        for words in (
            ["req", "-new", *curve, "-subj", "/O=system:masters/CN=someone", "-keyout", key, "-out", request],
            ["x509", "-req", "-in", request, *authority, *yesterday, "-out", certificate],
        ):
            subprocess.run(["openssl", *map(str, words)], check=True, timeout=30, capture_output=True)
        return {"client-certificate": str(certificate), "client-key": str(key)}


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
