"""Local data and model folders that pods must see: uploaded once to `inputs/<digest>/`, named by what they hold.

The digest is the one in the keys, so the upload is exactly what the study was planned with; what is there already is
not sent again, and a fetch stage checks the digest when it reads.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from pathlib import Path

from xtl.errors import UserError
from xtl.inventory import local_data
from xtl.plan import Plan, Stage
from xtl.store import layout
from xtl.store.base import Store
from xtl.store.parallel import each
from xtl.tasks import source


def upload(
    plan: Plan,
    store: Store,
    done: Collection[str] = (),
    say: Callable[[str], None] = lambda line: None,
    *,
    dry_run: bool = False,
) -> Plan:
    """Upload what is missing, or with `dry_run` only say so; the plan with fetch stages that read from the store. Keys
    do not change: where a fetch reads from is in none. done: keys of stages that will not run, whose files nobody needs
    to see again."""
    put = partial(_put, store, say, dry_run)
    stages = plan.stages.items()
    return replace(plan, stages={key: stage if key in done else _moved(stage, put) for key, stage in stages})


def _moved(stage: Stage, put: Callable[[str, Path, set[Path], str], str]) -> Stage:
    if stage.kind != "fetch":
        return stage
    if stage.spec["what"] == "data" and "digest" in stage.spec["origin"]:
        folder, digest = local_data(stage.where["folder"]), stage.spec["origin"]["digest"]
        listings = source.unit_listings(stage.spec["task"], stage.spec["part"], folder)
        files = {path for listing in listings for path in listing.files}
        if source.unit_digest(listings, folder) != digest:
            raise UserError(f"the files of {stage.title} in {folder} changed while they were planned: submit again")
        where = {"folder": put(digest, folder, files, stage.title)}
    elif stage.spec["what"] == "model" and "digest" in stage.spec["model"]:
        folder = Path(stage.where["model"])
        files = {path for path in folder.iterdir() if path.is_file()}
        where = {"model": put(stage.spec["model"]["digest"], folder, files, stage.title)}
    else:
        return stage
    return replace(stage, where=where)


def _put(
    store: Store, say: Callable[[str], None], dry_run: bool, digest: str, folder: Path, files: set[Path], title: str
) -> str:
    """Where the files of a digest lie, once they do."""
    prefix = layout.input_prefix(digest)
    there = {entry.name: entry.size for entry in store.list(prefix)}
    names = {path: prefix + path.relative_to(folder).as_posix() for path in sorted(files)}
    missing = [path for path, name in names.items() if there.get(name) != path.stat().st_size]
    if missing:
        size = sum(path.stat().st_size for path in missing)
        say(f"{'to upload:' if dry_run else 'uploading'} {len(missing)} files of {title} ({size / 1e6:.1f} MB)")
        if not dry_run:
            each(lambda path: store.upload(path, names[path]), missing)
    return f"{store.url}/{prefix}".rstrip("/")
