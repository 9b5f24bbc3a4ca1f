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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
    """Where examples load from with `datasets`: always `namespace/name`, never a repository's own code.

    read: turns rows, in order, into canonical examples, counting what it drops; a row is a `formats.files.Row` with
    `columns`, class labels as words and None for what is unlabelled. revision None: no commit was seen when this was
    written, so it is looked up when a study is planned. data_files: where `datasets` would not find the split's files
    by itself.
    """

    id: str
    config: str | None
    split: str
    columns: tuple[str, ...]
    read: Callable[[Iterable[Any], Counter[str]], Iterator[Example]]
    revision: str | None = None
    data_files: str | None = None


@dataclass(frozen=True, kw_only=True)
class Listing:
    """One (language, split) of a task in one folder: how to read it and which files decide its bytes."""

    language: str
    split: str
    form: Form
    files: tuple[
        Path, ...
    ]  # below the folder as given; every file whose bytes can change the examples, in reading order
    read: Callable[[], Iterator[Example]]
    count: Callable[[], int]  # about how many examples, without parsing them; 0 if and only if there are none
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
    layout: Mapping[str, str]  # split to where its files lie, LANG being the language: for messages and docs
    group: Literal["classification", "structured", "qa", "retrieval"] | None = None  # None: not a target
    intermediate: bool = True
    labels: tuple[str, ...] | None = None  # closed label set, in the order of the head's outputs
    train_from: str | None = None  # borrowed English: the task whose `en` train (and dev, see dev_from) this one uses
    dev_from: str | None = None
    contains: tuple[str, ...] = ()  # tasks whose training examples are among this one's
    settings: Mapping[str, Settings] = field(
        default_factory=dict
    )  # by preset: "jiant", "xtreme"; {} if nothing is trained
    train_sizes: Mapping[str, int] = field(default_factory=dict)  # published examples a language, for estimates
    dev_sizes: Mapping[str, int] = field(default_factory=dict)
    test_sizes: Mapping[str, int] = field(default_factory=dict)
    # Mean word pieces an example, all its windows or choices, for estimates. Measured on English samples with BERT's
    # English word pieces; of CCGbank and of text for masked LM there are none, and the figure is a guess.
    tokens: int = 40
    hub: Callable[[str, str], Sequence[HubSet]] = lambda language, split: ()  # joined in order; () if no hub has it
    manual: str | None = None  # where a user gets what no hub has, and where it goes

    @property
    def target(self) -> bool:
        return self.group is not None
