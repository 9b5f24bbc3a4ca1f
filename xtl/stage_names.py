"""Which stage of a grid a person means: by the beginning of its key, its title or a part of it, its Job's or pod's
name, or a path of its labels (`target/xnli/mnli/1`: kind, task, intermediate, seed, from the left). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xtl.errors import UserError
from xtl.render import job_name

_PATH = ("kind", "task", "intermediate", "seed")


def find(stages: Mapping[str, Mapping[str, Any]], wanted: str, store_url: str) -> str:
    """The one stage's key. stages: as `store.grids.read` gives them. Raises UserError with the choices."""
    found = _exact(stages, wanted, store_url) or [
        key for key, stage in stages.items() if key.startswith(wanted) or wanted in stage["title"]
    ]
    if not found:
        found = [key for key, stage in stages.items() if "/" in wanted and path_of(stage).startswith(f"{wanted}/")]
    if len(found) != 1:
        shown = "\n".join(f"  {key[:12]} {stages[key]['title']}" for key in (found or stages))
        raise UserError(f"{len(found) or 'no'} stages match {wanted!r}; choose one of\n{shown}")
    return found[0]


def path_of(stage: Mapping[str, Any]) -> str:
    """`target/xnli/mnli/1`, as far as the stage has those labels."""
    labels = stage.get("labels", {})
    return "/".join([str(labels[name]) for name in _PATH if name in labels] or [str(stage["kind"])])


def _exact(stages: Mapping[str, Mapping[str, Any]], wanted: str, store_url: str) -> list[str]:
    """Titles, paths, and names of Jobs, of which a pod's has one more part."""
    named = [
        key for key, stage in stages.items() if wanted == stage["title"] or ("/" in wanted and wanted == path_of(stage))
    ]
    if named or not wanted.startswith("xtl-"):
        return named
    jobs = {job_name(stage["kind"], key, store_url): key for key, stage in stages.items()}
    return [jobs[name] for name in (wanted, wanted.rpartition("-")[0]) if name in jobs][:1]
