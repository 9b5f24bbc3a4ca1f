"""Demo data: a world of a few hundred words in six languages, written as the data sets of a study are published.

For trying xtl out and for testing it against a known truth; nothing about real languages' transfer follows from it.
Words are real, grammar is honest where it is used, and every label can be told from what single words mean: a model of
two layers that starts from nothing learns that in seconds, and cannot learn to match words in that time.

What is known by construction:

- *What carries over.* `mlm@de+en+es+fr+ru+sw` (a dictionary's lines, see `glossary`) ties the words of all languages to
  each other. What a target's English training then says about English words, the model knows of the others too. It
  shows most in retrieval and XNLI, then in names and POS, on the average of seeds in PAWS-X, hardly in span QA, which
  hangs on word order as well. With `grids/demo.yaml`, mean over the languages but English: Tatoeba from 1 to 28 or
  more, XNLI from at most 36 to 69 or more (seeds 1 to 3), POS from 43 to 57 (seed 1).
- *What does not.* `csqa@de+es+fr+ru+sw`, the null arm, has answers that are drawn without looking at the questions (see
  `choices`). So has, by definition, any intermediate trained with a learning rate of 0.

Languages of XTREME that the world lacks have no files here, so its tasks are scored as partial. CCGbank, SNLI and ANLI
are not imitated. The same seed and size give the same bytes in every process.
"""

from __future__ import annotations

from pathlib import Path

from xtl.microworld.sizes import Size

#: The intermediate that carries over, and the one that cannot, as a grid spells them.
CARRIES = "mlm@de+en+es+fr+ru+sw"
NULL = "csqa@de+es+fr+ru+sw"


def write(folder: Path, *, seed: int = 1, size: Size | None = None) -> None:
    """All data sets below `folder`, laid out as published files are. Files that are there are overwritten."""
    from xtl.microworld import bitext, choices, glossary, nli, paraphrase, reading, tagging

    for data_set in (nli, paraphrase, tagging, reading, choices, bitext, glossary):
        data_set.write(folder, seed, size or Size())


__all__ = ["CARRIES", "NULL", "Size", "write"]
