"""Parts of speech from Universal Dependencies 2.5: all treebanks of a language joined, UPOS tags, XTREME's tokens.

A treebank's language is the code that its file names begin with, so that Ancient Greek (`grc_`) or Classical Chinese
(`lzh_`) never join Greek or Chinese, as they do in the hub's `udpos` configurations.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from xtl.tasks import presets
from xtl.tasks.base import Listing, Task
from xtl.tasks.formats.conllu import sentences
from xtl.tasks.formats.counting import blocks
from xtl.tasks.formats.listing import listing, matching, words

LANGUAGES = words("af ar bg de el en es et eu fa fi fr he hi hu id it ja kk ko mr nl pt ru ta te th tl tr ur vi yo zh")
LABELS = words("ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X")
_NAME = re.compile(r"([^_/]+)_[^/]*-ud-(train|dev|test)\.conllu")

# Train and test sentences of the hub's configurations, whose size is UD 2.5's but for el de zh fr ru (see HUB).
_TRAIN = (
    "af 1315 ar 6075 eu 5396 bg 8907 zh 18998 nl 18051 en 21253 et 25749 fi 27198 fr 47308 de 166849 el 1662 he 5241 "
    "hi 13304 hu 910 id 4477 it 29685 ja 7125 kk 31 ko 27410 mr 373 fa 4798 pt 17992 ru 67435 es 28492 ta 400 te 1051 "
    "tr 3664 ur 4043 vi 1400"
)
_TEST = (
    "af 425 ar 1680 eu 1799 bg 1116 zh 3455 nl 1471 en 5440 et 3760 fi 4422 fr 9465 de 22358 el 456 he 491 hi 2684 "
    "hu 449 id 1557 it 3518 ja 2372 kk 1047 ko 4276 mr 47 fa 600 pt 2681 ru 11336 es 3147 tl 55 ta 120 te 146 th 1000 "
    "tr 4785 ur 535 vi 800 yo 100"
)


def _sizes(text: str) -> dict[str, int]:
    words = text.split()
    return {language: int(size) for language, size in zip(words[::2], words[1::2], strict=True)}


def _listings(folder: Path) -> list[Listing]:
    names: dict[tuple[str, str], list[str]] = {}
    for name in matching(folder, "ud/*/*.conllu"):
        if found := _NAME.fullmatch(name.rpartition("/")[2]):
            names.setdefault((found[1], found[2]), []).append(name)
    listings: list[Listing] = []
    for language in LANGUAGES:
        for split in ("train", "dev", "test"):
            listings += listing(
                folder,
                language,
                split,
                "tagging",
                names.get((language, split), []),
                partial(sentences, language=language),
                blocks,
            )
    return listings


TASK = Task(
    key="udpos",
    title="POS",
    form="tagging",
    languages=LANGUAGES,
    train_languages=tuple(language for language in LANGUAGES if language not in ("th", "tl", "yo")),
    listings=_listings,
    layout={
        "train": "ud/*/LANG_*-ud-train.conllu",
        "dev": "ud/*/LANG_*-ud-dev.conllu",
        "test": "ud/*/LANG_*-ud-test.conllu",
    },
    group="structured",
    labels=LABELS,
    settings=presets.for_target(epochs=10, xtreme_lr=2e-5, script="udpos"),
    train_sizes=_sizes(_TRAIN),
    test_sizes=_sizes(_TEST),
    tokens=27,
    manual=(
        "Universal Dependencies 2.5 (ud-treebanks-v2.5.tgz, http://hdl.handle.net/11234/1-3105): put its UD_* folders "
        "into ud/. The hub's udpos sets split tokens otherwise and mix Ancient Greek, Classical Chinese, Swiss German, "
        "Old French and Old Russian into five languages, so that xtl does not read them"
    ),
)
