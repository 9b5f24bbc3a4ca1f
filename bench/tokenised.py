"""A listing's word pieces from the store, beside making them: what every stage but the first of a listing saves.

    python -m bench.tokenised [--pairs 30000]

Real MNLI pairs, numbered so that no two are equal; a folder store; one thread of the tokenizer, as `xtl run` gives it.
The features must be equal. What they hold in memory as Python objects is told, and the size of the file instead.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench._figures import Figure, not_run, ratios, rounds, tell
from bench.training import CASES, Study
from jobs import tokenised
from jobs.tokenised import Listing
from tests.samples import DATA, HAVE
from xtl.store import open_store
from xtl.tasks import source

ROUNDS = 3


class Context:
    """What keeping takes from a stage's context."""

    def __init__(self, folder: Path) -> None:
        self.store, self.work = open_store(f"{folder}/store"), folder / "work"
        self.download = self.store.download
        self.work.mkdir()


def figures(pairs: int) -> list[Figure]:
    study = Study(CASES[0])
    listing = next(x for x in source.unit_listings("mnli", "", DATA) if x.split == "train")
    real = list(listing.read())
    some = [real[number % len(real)] for number in range(pairs)]
    examples = Listing([{**e, "text_a": f"{e['text_a']} {number}"} for number, e in enumerate(some)], "bench")
    spent: dict[str, list[float]] = {"made": [], "mapped": []}
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            context: Any = Context(Path(folder))
            options: dict[str, Any] = dict(vocabulary="bench", settings=study.settings, labels=None, train=True)
            begun = time.perf_counter()
            made = study.family.features(examples, train=True)
            spent["made"].append(time.perf_counter() - begun)
            tokenised.features(context, study.family, examples, **options)
            begun = time.perf_counter()
            mapped = tokenised.features(context, study.family, examples, **options)
            spent["mapped"].append(time.perf_counter() - begun)
            differ = sum(not np.array_equal(a.pieces, b.pieces) for a, b in zip(made, mapped, strict=True))
            size = next(context.work.glob("*.arrow")).stat().st_size
    held = sum(sys.getsizeof(f) + sys.getsizeof(f.pieces) + sys.getsizeof(f.extra) for f in made)
    return [
        ratios("from the store", spent["mapped"], spent["made"], least=1.0),
        rounds("made", spent["made"]),
        rounds("fetched and mapped", spent["mapped"]),
        Figure(what=f"features of {len(made)} that differ", value=differ, unit="", most=0),
        Figure(what="memory as Python's, without the numbers themselves", value=held / 2**20, unit="MiB"),
        Figure(what="the file that is mapped", value=size / 2**20, unit="MiB"),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=30_000)
    given = parser.parse_args()
    title = "word pieces kept in the store"
    if not HAVE:
        return not_run(title, f"no real samples at {DATA}")
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    return tell(f"{title}, {given.pairs:,} pairs", figures(given.pairs))


if __name__ == "__main__":
    raise SystemExit(main())
