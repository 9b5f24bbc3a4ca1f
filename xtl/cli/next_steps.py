"""What a user wants to run after `xtl submit`, as lines that can be copied: with the options that this submit had."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xtl.cluster import Cluster
    from xtl.plan import Plan


class Next:
    """options: what the submit was given, None where it was not."""

    def __init__(self, file: Path, plan: Plan, cluster: Cluster, options: Mapping[str, str | None]) -> None:
        self.file, self.plan, self.cluster = file, plan, cluster
        self._given = {name: value for name, value in options.items() if value}

    def _xtl(self, command: str, *words: str, but: str = "") -> str:
        options = [word for name, value in self._given.items() if name != but for word in (name, value)]
        return join(["xtl", command, str(self.file), *words, *options])

    def _kube(self, option: str) -> list[str]:
        context = self._given.get("--context")
        return ["-n", self.cluster.namespace, *([option, context] if context else [])]

    def commands(self) -> list[str]:
        """How to follow the study, read a stage's log, and see its Jobs."""
        from xtl.render import GRID_PREFIX

        labels = ["-l", f"{GRID_PREFIX}{self.plan.grid.name}", "-L", "xtl.dev/stage"]
        stages = self.plan.stages
        shown = next((key for key, stage in stages.items() if stage.kind == "target"), self.plan.reduce)
        jobs = ["kubectl", *self._kube("--context"), "get", "jobs", *labels]
        return [
            self._xtl("status", "--watch", but="--data"),
            self._xtl("logs", shown[:12], "--follow", but="--data"),
            join(jobs),
        ]

    def retry(self) -> str:
        return self._xtl("retry")

    def no_controller(self) -> str:
        """That nobody releases the Jobs, as far as we may know, and the two ways out."""
        from xtl.cluster import ClusterRefused
        from xtl.lease import alive

        said = f"No controller is alive in {self.cluster.namespace}, so nothing releases the Jobs."
        try:
            alive(self.cluster)
        except ClusterRefused:
            said = (
                f"If no controller is alive in {self.cluster.namespace} (we may not know), nothing releases the Jobs."
            )
        access = self.plan.grid.cluster.get("store") or {}
        values = [f"store.{name}={access[name]}" for name in ("secret", "endpoint", "region") if access.get(name)]
        install = ["helm", "install", "xtl", "helm/xtl", *self._kube("--kube-context")]
        values += ["image.repository=REGISTRY/xtl-cli", "image.tag=TAG"]  # the controller's, not the stages'
        install += [word for value in values for word in ("--set", value)]
        here = self._xtl("submit", "--wait")
        return (
            f"{said} Either install one:\n"
            f"  {join(install)}\nor release them from here, for as long as this runs:\n  {here}"
        )

    def stale(self, store_url: str) -> str | None:
        """That Jobs of an earlier form of the grid would still run, if there are any."""
        from xtl.change import stale

        jobs = stale(self.cluster, self.plan, store_url)
        if not (count := len(jobs.remove) + len(jobs.share)):
            return None
        line = self._xtl("cancel", "--stale")
        return f"{count} Jobs of an earlier form of this grid are still there; to be rid of them:\n  {line}"
