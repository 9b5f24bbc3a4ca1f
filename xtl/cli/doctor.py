"""`xtl doctor`: whether this machine, a store and a cluster can do what xtl asks of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xtl.cli.common import Output, OutputFormat

if TYPE_CHECKING:
    from xtl.store.check import Finding

_REPORT = ("pyarrow", "scipy")
_JOBS = ("torch", "transformers", "tokenizers", "datasets", "accelerate", "safetensors")

# In a process of its own: torch is slow to import, and a broken one may take its process with it.
_DEVICES = """
import json, torch
cuda = torch.cuda.is_available()
names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if cuda else []
print(json.dumps({"names": names, "built": torch.version.cuda, "bf16": cuda and torch.cuda.is_bf16_supported()}))
"""


def doctor(
    grid_file: Annotated[
        Path | None, typer.Argument(help="A grid: its store and its cluster are checked.", metavar="[GRID]")
    ] = None,
    store: Annotated[
        str | None, typer.Option("--store", help="A folder or s3://bucket/prefix to try out; default: the grid's.")
    ] = None,
    context: Annotated[
        str | None, typer.Option("--context", help="The kubeconfig's context; default: the current one.")
    ] = None,
    output: OutputFormat = Output.table,
) -> None:
    """Check a store and, for a grid with a cluster block, the cluster; without one, this machine.

    Read-only, but that the store is tried on names of its own under doctor/, removed again. Exit status 1 if anything
    is wrong; each such line says what to do.

    Example: xtl doctor grids/quickstart.yaml --store s3://bucket/studies
    """
    from dataclasses import asdict

    from xtl.cli.common import print_json

    found = list(_findings(grid_file, store, context))
    if output == Output.json:
        print_json([asdict(finding) for finding in found])
    else:
        _show(found)
    if any(finding.state == "wrong" for finding in found):
        raise typer.Exit(1)


def _findings(grid_file: Path | None, store: str | None, context: str | None) -> Iterator[Finding]:
    from xtl.cli.common import load_grid
    from xtl.cluster_check import check_cluster

    grid = load_grid(grid_file, None, store) if grid_file else None
    on_cluster = grid is not None and (bool(grid.cluster) or context is not None)
    if grid is not None and on_cluster:
        yield from check_cluster(grid, context=context)
    else:
        yield from _machine()
    url = grid.store if grid is not None else store
    if url is not None or on_cluster:
        yield from _store(url, on_cluster)


def _store(url: str | None, on_cluster: bool) -> Iterator[Finding]:
    from xtl.store import open_store
    from xtl.store.check import Finding, check_store

    if url is None or (on_cluster and "://" not in url):
        what = f"{url} is a folder, which pods do not see" if url else "the grid names none"
        yield Finding(check="store", state="wrong", detail=f"{what}: a cluster needs `store: s3://bucket/prefix`")
        return
    yield from check_store(open_store(url))


def _machine() -> Iterator[Finding]:
    from xtl.store.check import Finding

    version = ".".join(str(part) for part in sys.version_info[:3])
    good = sys.version_info >= (3, 11)
    yield Finding(
        check="python", state="ok" if good else "wrong", detail=version if good else f"{version}: xtl needs 3.11"
    )
    for extra, names in (("report", _REPORT), ("jobs", _JOBS)):
        yield _extra(extra, names)
    yield _devices()


def _extra(extra: str, names: tuple[str, ...]) -> Finding:
    from importlib import metadata

    from xtl.store.check import Finding

    versions, missing = [], []
    for name in names:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        why = f"{', '.join(missing)} not installed, needed where stages run: pip install 'xtl[{extra}]'"
        return Finding(check=f"xtl[{extra}]", state="warning", detail=why)
    return Finding(check=f"xtl[{extra}]", state="ok", detail=", ".join(versions))


def _devices() -> Finding:
    from xtl.store.check import Finding

    done = subprocess.run([sys.executable, "-c", _DEVICES], capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
        return Finding(
            check="device", state="warning", detail=f"torch cannot be used here, so no stage can run: {last}"
        )
    seen = json.loads(done.stdout)
    if not seen["names"]:
        why = "no GPU is visible (driver?)" if seen["built"] else "torch is built for the CPU alone"
        return Finding(check="device", state="ok", detail=f"CPU: {why}; fine for the demo, slow for a study")
    bf16 = "" if seen["bf16"] else "; no bf16 there: a grid needs `precision: fp32`"
    return Finding(check="device", state="ok", detail=f"{', '.join(seen['names'])} (CUDA {seen['built']}){bf16}")


def _show(found: list[Finding]) -> None:
    from rich.table import Table
    from rich.text import Text

    from xtl.cli.common import console, plain

    table = Table()
    for column in ("check", "state", "what was seen"):
        table.add_column(column)
    styles = {"ok": "green", "warning": "yellow", "wrong": "bold red"}
    for finding in found:
        table.add_row(
            Text(finding.check), Text(finding.state, style=styles[finding.state]), Text(plain(finding.detail))
        )
    console().print(table)
