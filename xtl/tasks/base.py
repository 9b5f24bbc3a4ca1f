"""What a data set is to xtl: its form, languages, settings, and where its examples come from. No torch.

One file a data set beside this one builds a `Task`; `xtl.tasks` finds them by key. CANON's forms:

    pair       id text_a text_b label         label: str or None
    tagging    id tokens tags                 equal length
    span       id question context answers    answers: [{text, start}], start in code points; [] if impossible
    choice     id context question choices label   label: 0-based int or None
    sentence   id text                        one side of a retrieval set
    gold       source target                  ids of a retrieval set's true pairs
    text       id text                        passages for masked LM

A listing is one (language, split) of a task: `train`, `dev`, `test`; for retrieval `test.de`, `test.en`, `dev.gold`.
Its files may be shared with other listings (XNLI keeps fifteen languages in one file).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Form = Literal["pair", "tagging", "span", "choice", "sentence", "gold", "text"]
Example = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One preset's hyperparameters for one task. `lr` and the rest are the published figures (`source` says whose).

    batch: examples an optimiser step. length: word pieces, the longest input. warmup: a share of all steps if below 1,
    else a number of steps.
    """

    lr: float
    epochs: int
    batch: int
    length: int
    source: str
    warmup: float = 0.1
    weight_decay: float = 0.01
    adam_eps: float = 1e-8
    clip: float = 1.0


@dataclass(frozen=True, kw_only=True)
class HubSet:
    """Where a listing loads from with `datasets`. `revision` None: no commit is known, resolved when it is planned.

    config and split may hold `{lang}`, filled through `codes` where the hub spells a language otherwise. `row` turns
    one hub row (and its index) into an example of the canonical form, or None for a row that CANON drops.
    """

    id: str
    config: str
    split: str
    row: Callable[[Mapping[str, Any], int], Example | None]
    revision: str | None = None
    codes: Mapping[str, str] = field(default_factory=dict)
    data_files: str | None = None  # where the repository's default would pick wrong files


@dataclass(frozen=True, kw_only=True)
class Listing:
    """One (language, split) of a task in one folder: how to read it and which files decide its bytes."""

    language: str
    split: str
    form: Form
    files: tuple[Path, ...]  # absolute; every file whose bytes can change the examples, in reading order
    read: Callable[[], Iterator[Example]]
    dropped: Counter[str] = field(
        default_factory=Counter
    )  # rows left out, by reason; complete once `read` is exhausted


@dataclass(frozen=True, kw_only=True)
class Task:
    """One data set. `listings(folder)` gives those whose files exist, without reading them."""

    key: str
    title: str  # as papers print it: "XNLI"
    form: Form  # what training sees; "sentence" for retrieval
    languages: tuple[str, ...]  # XTREME's test languages for a target, ("en",) for an English intermediate
    train_languages: tuple[str, ...]  # languages with published training data; () for retrieval
    listings: Callable[[Path], list[Listing]]
    group: Literal["classification", "structured", "qa", "retrieval"] | None = None  # None: not a target
    intermediate: bool = True
    labels: tuple[str, ...] | None = None  # closed label set, in the order of the head's outputs
    train_from: str | None = None  # borrowed English: the task whose `en` train (and dev, see dev_from) this one uses
    dev_from: str | None = None
    settings: Mapping[str, Settings] = field(default_factory=dict)  # by preset: "jiant", "xtreme"; see settings_for
    train_sizes: Mapping[str, int] = field(default_factory=dict)  # published examples a language, for estimates
    test_sizes: Mapping[str, int] = field(default_factory=dict)
    tokens: int = 40  # mean word pieces an example (XLM-R), for estimates
    hub: Callable[[str, str], HubSet | None] = lambda language, split: None
    manual: str | None = None  # where a user gets it and where it goes, if no hub has it

    @property
    def target(self) -> bool:
        return self.group is not None

    def settings_for(self, role: Literal["intermediate", "target"], preset: str) -> Settings:
        """The figures in force for a preset. A target's data used as an intermediate (`xnli@de`) is trained as every
        other intermediate is, so that such arms differ in nothing but their data: that entry is called "intermediate".
        """
        if role == "intermediate" and "intermediate" in self.settings:
            return self.settings["intermediate"]
        return self.settings[preset]
