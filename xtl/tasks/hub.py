"""The hub behind the same face as a folder: `datasets` for data, `huggingface_hub` for models and commits.

Sets are opened through their data files at one commit, never through a repository's own code. They are downloaded whole
into the Hugging Face cache and read from there, memory-mapped: twice the disk of streaming, but a broken connection
resumes, row counts are checked against the set's card, and a machine without network can be given a filled cache.
`XTL_HUB_ROOT` names a folder of repositories (`namespace/name`) that stands for the hub, for air-gapped sites.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

from xtl.errors import MissingPackage, ModelError, UserError, XtlError
from xtl.tasks import get
from xtl.tasks.base import Example, Form, HubSet, Listing
from xtl.tasks.formats.files import Dropped, Row, Source
from xtl.tasks.source import digest, hub_listings, published

#: In place of a commit that the hub does not tell: a plan can be looked at, and not run.
UNKNOWN = "unknown"

_CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)
#: What of a model's repository is a model: nothing that would have to be unpickled.
_MODEL_FILES = ["*.json", "*.safetensors", "*.txt", "*.model"]


def unit_origin(task: str, part: str, *, must_know: bool = True) -> dict[str, str] | None:
    """{hub id: commit} of the sets that a unit is made of; None if no hub has it. Raises UserError, XtlError; without
    `must_know`, a commit that the hub does not tell is UNKNOWN."""
    sets = {one.id: one for where in hub_listings(task, part) for one in get(task).hub(*where)}
    return {name: _known(partial(revision, name, one.revision), must_know) for name, one in sets.items()} or None


def unit_listings(task: str, part: str, origin: Mapping[str, str]) -> list[Listing]:
    """The unit's listings, each read from the commits in `origin`."""
    sizes = published(task, part)
    return [
        open_listing(task, language, split, origin, partial(sizes.__getitem__, (language, split)))
        for language, split in hub_listings(task, part)
    ]


def open_listing(
    task: str, language: str, split: str, origin: Mapping[str, str], count: Callable[[], int] = lambda: 0
) -> Listing:
    """One listing, joined from its sets in order. Raises UserError where no hub has it."""
    one = get(task)
    sets = one.hub(language, split)
    if not sets:
        raise UserError(f"no hub has {task}@{language} {split} as published. {one.manual or ''}".rstrip())
    dropped = Dropped()

    def read() -> Iterator[Example]:
        dropped.clear()
        for part in sets:
            yield from part.read(_rows(part, origin[part.id]), dropped)

    form: Form = "gold" if split.endswith(".gold") else one.form
    return Listing(language=language, split=split, form=form, files=(), read=read, count=count, dropped=dropped)


def revision(name: str, pinned: str | None = None) -> str:
    """The commit of a data set that is read: the pinned one, else what its main branch is now."""
    if local := _local(name):
        return _local_revision(local)
    return pinned or _head(name, "dataset")


def model_revision(name: str, *, must_know: bool = True) -> str:
    """The commit that a model's main branch is now. Raises UserError, XtlError; `must_know` as in `unit_origin`."""
    if "/" not in name:
        raise UserError(f"model {name!r}: a hub id is namespace/name, such as FacebookAI/xlm-roberta-base")
    local = _local(name)
    return _local_revision(local) if local else _known(partial(_head, name, "model"), must_know)


def model_config(name: str, commit: str, *, must_know: bool = True) -> dict[str, Any]:
    """A model's config.json at a commit. Raises UserError (a gated model), XtlError; without `must_know`, as in
    `unit_origin`, {} in their place."""
    if commit == UNKNOWN:  # it has just not answered
        return {}
    if local := _local(name):
        path = local / "config.json"
    else:
        from huggingface_hub import hf_hub_download

        try:
            with _Explained(name, "model"):
                path = Path(hf_hub_download(name, "config.json", revision=commit))
        except XtlError:
            if must_know:
                raise
            return {}
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _known(ask: Callable[[], str], must_know: bool) -> str:
    try:
        return ask()
    except XtlError:
        if must_know:
            raise
        return UNKNOWN


def download_model(name: str, commit: str, folder: Path) -> Path:
    """A model's configuration, tokenizer and safetensors weights; the folder they are in."""
    if local := _local(name):
        return local
    from huggingface_hub import snapshot_download

    with _Explained(name, "model"):
        place = Path(snapshot_download(name, revision=commit, local_dir=folder, allow_patterns=_MODEL_FILES))
    if not list(place.glob("*.safetensors")):
        raise ModelError(
            f"{name} has no safetensors weights at {commit[:12]}, and xtl loads nothing that is pickled: load it with "
            "transformers, save_pretrained it and its tokenizer into a folder, and name that as the model"
        )
    return place


def _rows(one: HubSet, commit: str) -> Iterator[Row]:
    """The set's rows, class labels as words. Raises UserError where columns are missing."""
    try:
        import datasets
    except ImportError as error:
        raise MissingPackage("datasets", "jobs") from error
    datasets.disable_progress_bars()
    local = _local(one.id)
    where: dict[str, Any] = {"split": one.split}
    if local:
        if (found := _local_revision(local)) != commit:
            raise UserError(f"the files of {local} changed (sha256 {found[:12]}, planned {commit[:12]}): plan again")
        # `datasets` knows local files by name and second alone; the digest keeps their cache entries apart.
        where["cache_dir"] = str(Path(datasets.config.HF_DATASETS_CACHE) / f"xtl-{commit[:16]}")
    else:
        where["revision"] = commit
    if one.data_files:
        where["data_files"] = {one.split: one.data_files}
    with _Explained(one.id, "dataset"):
        loaded = datasets.load_dataset(str(local or one.id), None if one.data_files else one.config, **where)
    missing = [name for name in one.columns if name not in loaded.column_names]
    name = "/".join(filter(None, (one.id, one.config, one.split)))
    if missing:
        raise UserError(f"{name}: no column {' '.join(missing)} at {commit[:12]}; there are {loaded.column_names}")
    loaded = loaded.select_columns(list(one.columns))
    words = {name: names for name, feature in loaded.features.items() if (names := _label_names(feature))}
    source = Source(Path(), name)
    for index, cells in enumerate(loaded):
        for column, names in words.items():
            cells[column] = _as_words(cells[column], names)
        yield Row(source, f"row {index}", index, cells)


def _label_names(feature: Any) -> list[str] | None:
    """The words of a ClassLabel or of a list of them."""
    return getattr(getattr(feature, "feature", feature), "names", None)


def _as_words(value: Any, names: list[str]) -> Any:
    if isinstance(value, list):
        return [_as_words(one, names) for one in value]
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else None


def _local(name: str) -> Path | None:
    """The repository's folder where a folder stands for the hub."""
    root = os.environ.get("XTL_HUB_ROOT")
    if not root:
        return None
    folder = Path(root).resolve() / name
    if not folder.is_dir():
        raise UserError(f"XTL_HUB_ROOT: {root} has no folder {name}")
    return folder


def _local_revision(folder: Path) -> str:
    """The digest of its files stands for a commit."""
    hidden = {".git", ".cache"}
    files = [path for path in folder.rglob("*") if path.is_file() and not hidden & set(path.relative_to(folder).parts)]
    return digest(files, folder)


@cache
def _head(name: str, kind: str) -> str:
    """The commit of the main branch; without network, the one that the local cache has."""
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import OfflineModeIsEnabled
    from huggingface_hub.file_download import repo_folder_name

    try:
        with _Explained(name, kind):
            return str(HfApi().repo_info(name, repo_type=kind).sha)
    except XtlError as error:
        cached = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=name, repo_type=kind) / "refs" / "main"
        if isinstance(error.__cause__, OfflineModeIsEnabled | OSError) and cached.is_file():
            return cached.read_text(encoding="utf-8").strip()
        raise


class _Explained:
    """Turns what hub libraries raise into one message that says what to do; what may pass by itself is tried again."""

    def __init__(self, name: str, kind: str) -> None:
        self._name = name
        self._url = f"https://huggingface.co/{'datasets/' if kind == 'dataset' else ''}{name}"

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> None:
        if error is None or not isinstance(error, Exception) or isinstance(error, XtlError):
            return
        causes: list[BaseException] = []
        cause: BaseException | None = error
        while cause is not None and cause not in causes:
            causes.append(cause)
            cause = cause.__cause__ or cause.__context__
        full = next((one for one in causes if isinstance(one, OSError) and one.errno in _CANNOT_WRITE), None)
        if full is not None:
            raise XtlError(f"{self._name}: the Hugging Face cache (HF_HOME): {full.strerror}") from error
        names = {base.__name__ for one in causes for base in type(one).__mro__}
        raise self._explained(names, str(error).strip().splitlines()) from error

    def _explained(self, names: set[str], text: list[str]) -> XtlError:
        said = text[0] if text else ""
        if "GatedRepoError" in names:
            return UserError(f"{self._name} is gated: accept its terms at {self._url} and set HF_TOKEN")
        if "OfflineModeIsEnabled" in names or "OfflineModeIsEnabled" in said:
            return UserError(
                f"{self._name}: the hub is switched off (HF_HUB_OFFLINE) and the cache lacks it; unset that, or use a "
                "folder of published files (`data:`)"
            )
        if names & {"RepositoryNotFoundError", "DatasetNotFoundError", "RevisionNotFoundError"}:
            return UserError(f"{self._name}: not on the hub, or private: look at {self._url} and set HF_TOKEN ({said})")
        if names & {
            "ConnectionError",
            "HTTPError",
            "TransportError",
            "TimeoutError",
            "LocalEntryNotFoundError",
            "OSError",
        }:
            return XtlError(f"{self._name}: the hub at {self._url} does not answer: {said}; try again")
        return UserError(f"{self._name} cannot be loaded from {self._url}: {said}")
