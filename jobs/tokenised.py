"""A listing's features, made once a tokenizer and setting, and kept in the store: later stages map a file into memory
where they would tokenise for minutes.

What is kept can always be made again: a store that does not give or take it, or a damaged file, costs a log line.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from jobs.context import Context, log
from jobs.families.base import Family, Feature
from jobs.features import Features, write
from xtl.errors import Corrupt, NotFound, StoreError
from xtl.settings import OPTIMISER
from xtl.store import commit, layout
from xtl.store.base import Blob

#: To be counted up when a family makes other features of the same examples.
FORMAT = 2
#: Fewer examples are tokenised sooner than fetched.
LEAST = 2000


class Listing(list[dict[str, Any]]):
    """Examples with a name of their own, `source`: the same name, the same examples. A slice has none."""

    def __init__(self, examples: Sequence[dict[str, Any]], source: str) -> None:
        super().__init__(examples)
        self.source = source


def features(
    context: Context,
    family: Family,
    examples: Sequence[dict[str, Any]],
    *,
    vocabulary: str,
    settings: Mapping[str, Any],
    labels: Sequence[str] | None,
    train: bool,
) -> Sequence[Feature]:
    """`family.features` of the examples, from the store if they are there; `family.cut` counts on as if made here.

    vocabulary: names the tokenizer; settings and labels: the family's.
    """
    if not isinstance(examples, Listing) or len(examples) < LEAST:
        return family.features(examples, train=train)
    identity = {
        "format": FORMAT,
        "source": examples.source,
        "family": type(family).__name__,
        "reads": family.frame.reads,
        "marks": family.frame.marks,
        "settings": {name: value for name, value in settings.items() if name not in OPTIMISER},
        "labels": None if labels is None else list(labels),
        "train": train,
        "vocabulary": vocabulary,
        "tokenizers": metadata.version("tokenizers"),
    }
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    before = family.cut
    if (kept := _kept(context, digest)) is not None:
        found, cut = kept
        family.cut += cut
        return found
    made = family.features(examples, train=train)
    path = context.work / f"{digest}.arrow"
    write(made, path)
    _keep(context, digest, {"source": examples.source, "cut": family.cut - before})
    return Features(path)


def _kept(context: Context, digest: str) -> tuple[Features, int] | None:
    path = context.work / f"{digest}.arrow"
    try:
        if (about := commit.get_json(context.store, layout.tokens_name(digest, "json"))) is None:
            return None
        blob = Blob(name=layout.tokens_name(digest, "arrow"), size=about["size"], sha256=about["sha256"])
        context.download(blob, path)
        return Features(path), int(about["cut"])
    except (Corrupt, NotFound, KeyError) as error:
        log.warning("kept word pieces are damaged, so they are made again: %s", error)
    except StoreError as error:
        log.warning("kept word pieces could not be read, so they are made again: %s", error)
    return None


def _keep(context: Context, digest: str, about: Mapping[str, Any]) -> None:
    """The file first, then what it must be: who reads in between finds nothing."""
    try:
        blob = context.store.upload(context.work / f"{digest}.arrow", layout.tokens_name(digest, "arrow"))
        note = {**about, "size": blob.size, "sha256": blob.sha256}
        commit.put_json(context.store, layout.tokens_name(digest, "json"), note)
    except StoreError as error:
        log.warning("word pieces could not be kept, so the next stage makes them again: %s", error)
