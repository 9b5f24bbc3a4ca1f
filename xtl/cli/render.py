"""`xtl render`: the Jobs of a study, as YAML."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from xtl.cli.common import DataPlace, GridFile, StoreUrl


def render(
    grid_file: GridFile,
    store: StoreUrl = None,
    data: DataPlace = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A folder: one file a Job; default: all to standard output.")
    ] = None,
) -> None:
    """Print the Jobs that submit would create, parents first. Asks no cluster and writes nothing to the store.

    The Jobs are suspended, and their stages read their specs from the store, where submit puts them: what is printed is
    to be looked at, checked with `kubectl apply --dry-run=server`, or kept; submit runs it.

    Example: xtl render grids/quickstart.yaml --store s3://bucket/prefix -o manifests
    """
    from xtl import render as renderer
    from xtl.cli.common import load_grid, make_plan, open_grid_store
    from xtl.errors import UserError

    grid = load_grid(grid_file, data, store)
    url = open_grid_store(grid).url
    if not url.startswith("s3://"):
        raise UserError(f"store: {url} is a folder, which pods do not see; a cluster needs s3://bucket/prefix")
    manifests = renderer.render(make_plan(grid), url).values()
    if out is None:
        sys.stdout.write("---\n".join(map(renderer.dump, manifests)))
        return
    out.mkdir(parents=True, exist_ok=True)
    written = set()
    for manifest in manifests:
        path = out / f"{manifest['metadata']['name']}.yaml"
        path.write_text(renderer.dump(manifest), encoding="utf-8")
        written.add(path)
    left = set(out.glob("xtl-*.yaml")) - written
    print(
        f"{len(written)} Jobs in {out}" + (f", beside {len(left)} of another render" if left else ""), file=sys.stderr
    )
