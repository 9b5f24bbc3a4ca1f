"""Fine-tuning a small decoder on real MNLI, all its weights and through adapters: real word pieces a second of xtl
against transformers' `Trainer` with peft, by turns.

    python -m bench.decoder [--steps 10] [--rounds 3]

The peer pads to the longest of a batch and groups examples by length. Both train the same Qwen3 of 8 layers of 384 and
the same head, in float32, 32 examples a step, each in a process of its own.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

import peft
import torch
import transformers
from torch import nn
from transformers import Qwen3Config, Qwen3Model

from bench._figures import Figure, not_run, ratios, rounds, tell
from bench.training import CASES, HAVE, Curve, Study, another, seconds
from jobs import adapters
from tests.architectures import byte_tokenizer
from tests.samples import DATA
from xtl.architectures import Reads

LORA = {"rank": 16, "alpha": 32, "targets": "all-linear"}
SIDES = ("xtl", f"transformers {transformers.__version__} and peft {peft.__version__}")


class Decoder(Study):
    """lora: through adapters; else all weights are trained."""

    reads: Reads = "last"

    def __init__(self, *, lora: bool) -> None:
        self.lora = lora
        super().__init__(CASES[0])

    def tokens(self, texts: Iterable[str]) -> Any:
        return byte_tokenizer(tuple(texts), 8000)

    def model(self, dropout: float) -> tuple[Any, nn.Module]:
        torch.manual_seed(0)
        config = Qwen3Config(
            vocab_size=len(self.tokenizer), hidden_size=384, num_hidden_layers=8, num_attention_heads=6,
            num_key_value_heads=2, head_dim=64, intermediate_size=1024, max_position_embeddings=512,
            attention_dropout=dropout, use_cache=False, pad_token_id=1, bos_token_id=None, eos_token_id=0,
        )  # fmt: skip
        encoder = Qwen3Model(config)
        if self.lora:
            adapters.add(encoder, LORA, seed=0)
        return encoder, self.family.head(encoder)


def side(lora: bool, name: str, steps: int) -> tuple[Curve, int]:
    """One side's curve, and the word pieces of its steps, in this process."""
    torch.set_num_threads(2)
    study = Decoder(lora=lora)
    curve = study.ours(steps, 0.0) if name == SIDES[0] else study.theirs(steps, 0.0, grouped=True)
    return curve, study.real(steps)


def figures(steps: int, count: int) -> list[Figure]:
    found = []
    for lora, what in ((False, "all weights"), (True, "adapters of rank 16")):
        spent: dict[str, list[float]] = {name: [] for name in SIDES}
        pieces = 0
        for _ in range(count):
            for name in SIDES:
                curve, pieces = another(side, lora, name, steps)
                spent[name].append(seconds(curve))
        real = pieces * (steps - 1) / steps
        found.append(ratios(f"{what}: xtl beside {SIDES[1]}", spent[SIDES[0]], spent[SIDES[1]], least=1.0))
        found += [
            rounds(f"{what}: {name}", [real / one for one in taken], "real pieces/s") for name, taken in spent.items()
        ]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    title = "a decoder: Qwen3 of 8 x 384, fp32, MNLI"
    if not HAVE:
        return not_run(title, f"no real samples at {DATA}")
    return tell(title, figures(given.steps, given.rounds))


if __name__ == "__main__":
    raise SystemExit(main())
