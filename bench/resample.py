"""Item noise of a whole study: nine tasks at full size, five seeds, 10,000 resamples; and scipy's bootstrap beside it.

    python -m bench.resample [--resamples 10000] [--seeds 5] [--arms 4]

The outcomes are made up (an item has a difficulty, an arm a small advantage), their numbers are the published test
sets', and they lie in one `items.parquet` a stage, as stages leave them. Every arm is compared with the first. Time and
peak memory are those of a fresh process that reads the files and resamples, on all cores or OMP_NUM_THREADS of them;
the bounds are a minute and 2 GB, on two cores with nothing else to do; seconds of processor beside show whether they
had. The peer, `scipy.stats.bootstrap` (paired, percentile), is given one of these comparisons in one language, German
XNLI, and the ratio is per language and comparison on XNLI.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from bench._figures import Figure, tell
from xtl.scoring.items import outcome_of
from xtl.scoring.resample import Comparison, ItemNoise, item_noise
from xtl.scoring.run_items import Items, Numbers, read_items
from xtl.scoring.xtreme import targets
from xtl.tasks.base import Task

LIMIT_SECONDS, LIMIT_GB = 60.0, 2.0
#: Items by task and language: FACTS' sources; POS from the hub's `udpos.*`; QA as published; BUCC's gold pairs.
USUAL = {"xnli": 5010, "pawsx": 2000, "panx": 10_000, "xquad": 1190, "tatoeba": 1000}
OTHERS = {
    "panx": "ms 1000 tl 1000 ml 1000 ta 1000 te 1000 af 1000 bn 1000 hi 1000 mr 1000 ur 1000 kk 1000 sw 1000 "
    "jv 100 yo 100 my 100",
    "udpos": "af 425 ar 1680 eu 1799 bg 1116 zh 5528 nl 1471 en 5440 et 3760 fi 4422 fr 9465 de 22458 el 2809 he 491 "
    "hi 2684 hu 449 id 1557 it 3518 ja 2372 kk 1047 ko 4276 mr 47 fa 600 pt 2681 ru 11336 es 3147 tl 55 ta 120 te 146 "
    "th 1000 tr 4785 ur 535 vi 800 yo 100",
    "mlqa": "en 11590 es 5253 de 4517 ar 5335 hi 4918 vi 5495 zh 5137",
    "tydiqa": "en 440 ar 921 bn 113 fi 782 id 565 ko 276 ru 812 sw 499 te 669",
    "bucc2018": "de 9580 fr 9086 ru 14435 zh 1899",
    "tatoeba": "jv 205 te 234 ta 307 sw 390 th 548 kk 575 ml 687 ka 746",
}
SPANS = {"udpos": 17.0, "panx": 1.4}  # spans a sentence


def sizes_of(task: Task) -> dict[str, int]:
    words = OTHERS.get(task.key, "").split()
    others = {language: int(size) for language, size in zip(words[::2], words[1::2], strict=True)}
    return {language: others.get(language) or USUAL[task.key] for language in task.languages}


SIZES = {key: sizes_of(task) for key, task in targets().items()}


def write(folder: Path, arms: int, seeds: int) -> None:
    """One file a stage: `TASK-ARM-SEED.parquet`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for task, sizes in SIZES.items():
        for arm in range(arms):
            for seed in range(seeds):
                parts = []
                for place, (language, size) in enumerate(sizes.items()):
                    items = _made_up(task, size, arm, seed, place)
                    columns = {"checkpoint": ["last"] * size, "language": [language] * size, "id": items.ids}
                    parts.append(pa.table(columns | dict(items.columns)))
                pq.write_table(pa.concat_tables(parts), folder / f"{task}-{arm}-{seed}.parquet")


def _made_up(task: str, size: int, arm: int, seed: int, place: int) -> Items:
    fixed, own = np.random.default_rng([place, size]), np.random.default_rng([place, size, arm, seed])
    skill = 0.7 + 0.01 * arm + own.normal(0, 0.01)
    hard = fixed.normal(0, 0.3, size)
    kind = outcome_of(task)
    ids = np.array([str(number) for number in range(size)], dtype=object)
    if kind in ("choice", "qa"):
        right = own.normal(hard, 0.2) < skill - 0.4
        if kind == "choice":
            return Items(ids=ids, columns={"correct": right})
        return Items(ids=ids, columns={"em": right.astype(float), "f1": np.where(right, 1.0, own.random(size))})
    gold = fixed.poisson(SPANS.get(task, 0), size) if task in SPANS else np.ones(size, dtype=np.int64)
    correct = own.binomial(gold, np.clip(skill - hard / 3, 0.05, 0.95))
    columns = {"n_correct": correct, "n_predicted": correct + own.binomial(gold, 0.3), "n_gold": gold}
    return Items(ids=ids, columns=columns)


class Stored(Mapping[tuple[str, int], Mapping[str, Items]]):
    """One task's runs, each read when it is asked for."""

    def __init__(self, folder: Path, task: str, arms: int, seeds: int) -> None:
        self.folder, self.task = folder, task
        self.runs = [(str(arm), seed) for arm in range(arms) for seed in range(seeds)]
        self.seconds = 0.0

    def __getitem__(self, run: tuple[str, int]) -> Mapping[str, Items]:
        if run not in self.runs:
            raise KeyError(run)
        begun = time.perf_counter()
        data = (self.folder / f"{self.task}-{run[0]}-{run[1]}.parquet").read_bytes()
        found = read_items(self.task, data, of=f"{self.task} {run}")
        self.seconds += time.perf_counter() - begun
        return found

    def __iter__(self) -> Iterator[tuple[str, int]]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)


def study(folder: Path, arms: int, seeds: int, resamples: int) -> None:
    """All tasks, in this process; prints a line each, and the whole."""
    comparisons = {str(arm): Comparison(arm=str(arm), against="0", seeds=tuple(range(seeds))) for arm in range(1, arms)}
    begun = time.perf_counter()
    for task, sizes in SIZES.items():
        runs = Stored(folder, task, arms, seeds)
        start = time.perf_counter()
        found = item_noise(task, runs, comparisons, resamples=resamples)
        ends = [found[name].interval() for name in comparisons]
        seconds = time.perf_counter() - start
        print(
            f"{task:9} {len(sizes):2} languages, {sum(sizes.values()):6} items: {seconds:5.1f} s, of it reading "
            f"{runs.seconds:4.1f} s; last arm {ends[-1].mean:+.2f} [{ends[-1].low:+.2f}, {ends[-1].high:+.2f}]"
        )
        if task == "xnli":
            peer = _beside_scipy(runs, found["1"], seconds / len(sizes) / len(comparisons), resamples)
    seconds, memory = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    tell(
        f"item noise of nine tasks: {arms} arms, {seeds} seeds, {resamples} resamples",
        [
            Figure(what="xnli: xtl beside scipy.stats.bootstrap, a language and comparison", value=peer, unit="times"),
            Figure(what="nine tasks, scipy's part included", value=seconds, most=LIMIT_SECONDS),
            Figure(what="of the processor", value=time.process_time()),
            Figure(what="peak memory", value=memory, unit="GB", most=LIMIT_GB),
        ],
    )


def _beside_scipy(runs: Stored, found: ItemNoise, ours: float, resamples: int) -> float:
    """German XNLI, first arm against the baseline: accuracy by item, averaged over seeds: how many times as fast."""
    from scipy.stats import bootstrap

    def rates(arm: str) -> Numbers:
        return np.mean([runs[arm, seed]["de"].columns["correct"] for seed in found.seeds], axis=0) * 100

    begun = time.perf_counter()
    theirs = bootstrap(
        (rates("1"), rates("0")),
        lambda arm, against, axis=-1: arm.mean(axis=axis) - against.mean(axis=axis),
        paired=True, n_resamples=resamples, batch=500, method="percentile", rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    peer = time.perf_counter() - begun
    one = found.interval(["de"])
    print(
        f"          one language and comparison: {ours * 1000:.0f} ms, scipy.stats.bootstrap {peer * 1000:.0f} ms, "
        f"{peer / ours:.0f} times that; German [{one.low:+.2f}, {one.high:+.2f}], "
        f"scipy's [{theirs.low:+.2f}, {theirs.high:+.2f}]"
    )
    return peer / ours


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resamples", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--arms", type=int, default=4)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)  # where the files lie: what the child is given
    given = parser.parse_args()
    if given.folder:
        study(given.folder, given.arms, given.seeds, given.resamples)
        return
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), given.arms, given.seeds)
        sizes = [f"--{name}={getattr(given, name)}" for name in ("resamples", "seeds", "arms")]
        subprocess.run([sys.executable, "-m", "bench.resample", *sizes, "--folder", folder], check=True)


if __name__ == "__main__":
    main()
