"""`xtl init`: writes a commented grid to start from. It loads as it is (a test holds it to that)."""

from __future__ import annotations

from pathlib import Path

import typer

from xtl.errors import UserError

TEMPLATE = """\
# A study: which models, fine-tuned on which intermediate tasks, are scored on which XTREME targets.
# `xtl plan` on this file shows what would run, every setting in force and what it costs; `xtl run` runs it.

name: my-study                  # lower-case letters, digits and '-'
model: FacebookAI/xlm-roberta-base   # a hub id, a folder (./my-model), `tiny` to try things out, or a list
# model:                        # several, a column each; one may be trained through adapters
#   - FacebookAI/xlm-roberta-base
#   - {model: Qwen/Qwen3-4B-Base, train: {method: lora, rank: 16, alpha: 32}}
seeds: [1, 2, 3]                # three to look around, five for a claim

intermediates:                  # the arms of the study: what comes before the target
  - none                        # the baseline: no intermediate at all
  - mnli                        # an English task: anli_plus mnli qqp squad_v2 squad_v1 hellaswag ccg cosmosqa csqa
  - xnli@de                     # another language; `@de+ru+sw` several, `@all` every one with published training data
  # - tydiqa@ko:1625            # at most so many examples: a seeded sample, to compare equal sizes
  # - prompted                  # no training at all: decoders are asked in words (docs/models.md)
  # - {name: multi, tasks: [mnli, squad_v2], mix: {cap: 131072}}   # a mixture; cap: what one task counts at most

targets: [pawsx, tydiqa, tatoeba]   # `all` for XTREME's nine, or {task: panx, languages: [en, sw]} for some languages

contrasts:                      # what is compared is named before anything runs
  - {name: english, arm: mnli, against: none}
  - {name: german, arm: xnli@de, against: mnli}

train:
  preset: jiant                 # the settings of Phang et al. 2020; or xtreme (its scripts'), authors (each model's)
  # intermediate: {default: {epochs: 2}, mnli: {lr: 1e-5}}   # by `default`, by task, or by an arm's name
  # target: {tydiqa: {epochs: 3}}

precision: bf16                 # or fp32
checkpoints: [last]             # and english-dev, target-dev (an upper bound, never the headline)
data: hub                       # or a folder or s3:// prefix with the published files
store: runs                     # where results lie: a folder or s3://bucket/prefix
# Folders are relative to this file.
"""


def init(
    file: str = typer.Argument("grid.yaml", metavar="[FILE]", help="Where to write it; - for standard output."),
    force: bool = typer.Option(False, "--force", help="Write over a file that is there already."),
) -> None:
    """Write a commented grid to start from.

    Example: xtl init my-study.yaml
    """
    if file == "-":
        typer.echo(TEMPLATE, nl=False)
        return
    name = file if file.isprintable() else ascii(file)
    try:
        with Path(file).open("w" if force else "x", encoding="utf-8") as out:
            out.write(TEMPLATE)
    except FileExistsError:
        raise UserError(f"{name} is there already: name another file, or give --force to write over it") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{name}: cannot be written: {getattr(error, 'strerror', None) or error}") from None
    typer.echo(f"wrote {name}: edit it, then `xtl plan {name}`")
