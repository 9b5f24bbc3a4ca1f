"""The grid file's mappings, one pydantic model each, as a user writes them.

Every field has a default, so that a mapping with mistakes still gives what is right in it (see `Problems.read`): what
is required is checked where it is read (`grid.py`, `grid_*.py`), as is everything that needs two places of the file.
Lists of mappings are `Any` here and read item by item there, for the same reason.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from xtl.grid_errors import show

Number = Annotated[float, Field(allow_inf_nan=False, strict=False), BeforeValidator(lambda value: _no_bool(value))]
Whole = Annotated[int, Field(ge=1, le=10**12)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]


def _no_bool(value: object) -> object:
    if isinstance(value, bool | str):
        raise ValueError(f"{show(value)} is not a number")
    return value


def dns_label(value: str) -> str:
    """A DNS label (RFC 1123): the name becomes part of Kubernetes names and labels."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", value) or len(value) > 63:
        raise ValueError(f"{show(value)} is no DNS label: lower-case letters, digits and inner '-', at most 63")
    return value


def matching(pattern: str, example: str) -> BeforeValidator:
    """The value, a number too, as text of that form."""

    def check(value: object) -> str:
        text = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
        if not isinstance(text, str) or not re.fullmatch(pattern, text):
            raise ValueError(f"{show(value)} is not of the form {example}")
        return text

    return BeforeValidator(check)


Name = Annotated[str, BeforeValidator(lambda value: dns_label(value) if isinstance(value, str) else value)]


class Mapping(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Sheet(Mapping):
    """The whole file."""

    name: Name | None = None
    model: Annotated[list[Any], Field(min_length=1), BeforeValidator(lambda value: _listed(value))] | None = None
    seeds: Annotated[list[Seed], Field(min_length=1)] | None = None
    intermediates: Annotated[list[Any], Field(min_length=1)] | None = None
    prompted: Any = None
    targets: Any = None
    contrasts: list[Any] = []
    train: Any = None
    attention: Literal["as-trained", "bidirectional"] = "as-trained"
    precision: Literal["bf16", "fp32"] = "bf16"
    checkpoints: list[Literal["last", "english-dev", "target-dev"]] = ["last"]
    setting: Literal["zero-shot", "translate-train"] = "zero-shot"
    data: str = "hub"
    store: str | None = None
    threads: Annotated[int, Field(ge=1, le=1024)] = 1
    cluster: Any = None


def _layers(value: object) -> object:
    if isinstance(value, str) and value != "all-linear":
        raise ValueError(f"{show(value)} is neither all-linear nor a list of layers, such as [q_proj, v_proj]")
    return [value] if isinstance(value, str) else value


def _listed(value: object) -> object:
    return [value] if isinstance(value, str | dict) else value


class Mixture(Mapping):
    """An arm with a name of its own."""

    name: Name | None = None
    tasks: Annotated[list[str], Field(min_length=1)] | None = None
    mix: Any = None


class Mix(Mapping):
    cap: Whole | None = None


class Prompted(Mapping):
    """How the arm `prompted` asks. shots: examples with answers in front; language: of those, English or the one that
    is asked in; length and answer_pieces: the longest input and the longest answer to a question, in word pieces."""

    shots: Annotated[int, Field(ge=0, le=64)] = 0
    language: Literal["en", "own"] = "en"
    length: Annotated[int, Field(ge=64, le=2**20)] = 2048
    answer_pieces: Annotated[int, Field(ge=1, le=1024)] = 32


class TargetSheet(Mapping):
    task: str | None = None
    languages: Annotated[list[str], Field(min_length=1)] | None = None
    train: Annotated[list[str], Field(min_length=1)] | None = None


class ContrastSheet(Mapping):
    name: Name | None = None
    arm: str | None = None
    against: str | None = None
    model: str | None = None
    against_model: str | None = None
    tasks: Annotated[list[str], Field(min_length=1)] | None = None
    languages: Annotated[list[str], Field(min_length=1)] | None = None


class MethodSheet(Mapping):
    """How weights are trained: all of them, or adapters (`grid_models.Lora`). targets: the names of the layers that
    have adapters, as peft reads them."""

    method: Literal["full", "lora"] | None = None
    rank: Annotated[int, Field(ge=1, le=1024)] | None = None
    alpha: Whole | None = None
    targets: Annotated[list[str], Field(min_length=1), BeforeValidator(lambda value: _layers(value))] | None = None
    carry: Literal["continue", "merge"] | None = None


class TrainSheet(MethodSheet):
    preset: Literal["jiant", "xtreme", "authors"] = "jiant"
    intermediate: dict[str, Any] = {}
    target: dict[str, Any] = {}


class Hyper(Mapping):
    """Hyperparameters that a grid may set. length, question_length, answer_length and stride are in word pieces;
    micro_tokens is the most word pieces of a micro-batch; warmup a share of the steps if below 1, else steps."""

    lr: Annotated[Number, Field(ge=0, le=1)] | None = None
    epochs: Whole | None = None
    steps: Whole | None = None
    batch: Whole | None = None
    length: Annotated[int, Field(ge=8, le=2**20)] | None = None
    warmup: Annotated[Number, Field(ge=0)] | None = None
    weight_decay: Annotated[Number, Field(ge=0)] | None = None
    adam_eps: Annotated[Number, Field(gt=0)] | None = None
    clip: Annotated[Number, Field(gt=0)] | None = None
    micro_tokens: Whole | None = None
    stride: Whole | None = None
    question_length: Whole | None = None
    answer_length: Whole | None = None
    n_best: Whole | None = None
    mask: Annotated[Number, Field(gt=0, lt=1)] | None = None
    layer: Annotated[int, Field(ge=0, le=1000)] | None = None
    neighbours: Whole | None = None


class ModelTrain(Hyper, MethodSheet):
    """What holds for one model alone."""


class ModelSheet(Mapping):
    model: str | None = None
    name: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    attention: Literal["as-trained", "bidirectional"] | None = None
    train: Any = None
