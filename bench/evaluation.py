"""Predicting XNLI's test sample in every language: xtl beside loops over padded batches, as scripts have them.

    python -m bench.evaluation [--rounds 3]

The peers take 32 examples a batch in the data's order, language by language: padded to 128, as XTREME's scripts set it,
and to the longest of a batch. xtl sorts all languages' examples by length together and runs them packed. One XLM-R of
12 layers of 384 with a real tokenizer's pieces and random weights, float32, in this process, by turns; predictions must
be equal.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

import numpy as np
import torch

from bench._figures import Figure, not_run, ratios, rounds, tell
from bench.training import Study
from jobs import families, packed
from jobs.batch import padded
from jobs.device import open_device
from jobs.families.base import Feature
from jobs.tiny import train_tokenizer
from jobs.train import predict
from tests.samples import DATA, HAVE
from xtl.tasks import TASKS, source

BATCH, EACH = 32, 64


def features(study: Study) -> list[Feature]:
    """Of XNLI's test sample, language after language."""
    listings = [x for x in source.unit_listings("xnli", "", DATA) if x.split == "test"]
    examples = [example for listing in listings for example in list(listing.read())[:EACH]]
    study.tokenizer = train_tokenizer(text for e in examples for text in (e["text_a"], e["text_b"]))
    study.family = families.make(TASKS["xnli"], study.tokenizer, study.settings)
    return study.family.features(examples, train=False)


def plain(encoder: torch.nn.Module, head: torch.nn.Module, found: list[Feature], width: int | None) -> np.ndarray:
    """Batches in order, padded: the class of each."""
    predicted = []
    with torch.inference_mode():
        for start in range(0, len(found), BATCH):
            inputs, _ = padded(found[start : start + BATCH], 1)
            if width:
                more = width - inputs["input_ids"].shape[1]
                inputs = {
                    name: torch.nn.functional.pad(x, (0, more), value=1 if name == "input_ids" else 0)
                    for name, x in inputs.items()
                }
            predicted.append(head(encoder(**inputs).last_hidden_state[:, 0]).argmax(-1).numpy())
    return np.concatenate(predicted)


def figures(count: int) -> list[Figure]:
    study = Study()
    found = features(study)
    encoder, head = (module.eval() for module in study.model(0.0))
    ours, _ = study.model(0.0)
    assert packed.pack(ours)
    device = open_device("fp32", torch.get_num_threads())

    def by_xtl() -> np.ndarray:
        outputs = predict(ours, head, study.family, found, device=device, pad=1, budget=16384)
        return np.stack(outputs).argmax(-1)

    sides: dict[str, Callable[[], np.ndarray]] = {
        "xtl": by_xtl,
        "padded to 128": lambda: plain(encoder, head, found, 128),
        "padded to the longest of a batch": lambda: plain(encoder, head, found, None),
    }
    spent: dict[str, list[float]] = {name: [] for name in sides}
    predicted: dict[str, np.ndarray] = {}
    for _ in range(count):
        for name, side in sides.items():
            begun = time.perf_counter()
            predicted[name] = side()
            spent[name].append(time.perf_counter() - begun)
    other = max(int((predicted[name] != predicted["xtl"]).sum()) for name in sides)
    names = [name for name in sides if name != "xtl"]
    return [
        *(ratios(f"xtl beside {name}", spent["xtl"], spent[name], least=1.0) for name in names),
        *(rounds(name, [len(found) / one for one in seconds], "examples/s") for name, seconds in spent.items()),
        Figure(what=f"predictions of {len(found)} that differ", value=other, unit="", most=0),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    title = "evaluation: XNLI in all languages, XLM-R of 12 x 384, fp32"
    if not HAVE:
        return not_run(title, f"no real samples at {DATA}")
    torch.set_num_threads(os.cpu_count() or 1)
    return tell(title, figures(given.rounds))


if __name__ == "__main__":
    raise SystemExit(main())
