"""How long the stages of a plan take on a GPU (or a CPU). Pure.

What was measured wins: stages of the very same work, whatever their seed and encoder, take as long again; else the
model's word pieces a second on that device and precision, as manifests of done stages have them; else a GPU's peak by
its data sheet and an assumption of how much of it is used. Every estimate says which of these it is.
"""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from xtl.errors import UserError
from xtl.plan import Plan
from xtl.work import Work, alike, model_of

#: Peak TFLOP/s by NVIDIA's data sheets, tensor cores without sparsity: in bf16, and in fp32 without TF32.
GPUS: Mapping[str, tuple[float, float]] = {
    "A100": (312, 19.5),  # "NVIDIA A100 Tensor Core GPU" data sheet
    "H100": (989, 67),  # "NVIDIA H100 Tensor Core GPU" data sheet, SXM
    "H200": (989, 67),  # "NVIDIA H200 Tensor Core GPU" data sheet, SXM
    "A10": (125, 31.2),  # "NVIDIA A10 Tensor Core GPU" data sheet
    "A30": (165, 10.3),  # "NVIDIA A30 Tensor Core GPU" data sheet
    "A40": (149.7, 37.4),  # "NVIDIA A40" data sheet
    "L4": (121, 30.3),  # "NVIDIA L4 Tensor Core GPU" data sheet, 242 with sparsity
    "L40S": (362, 91.6),  # "NVIDIA L40S" data sheet
    "RTX A6000": (154.8, 38.7),  # "NVIDIA Ampere GA102 GPU Architecture" white paper
    "RTX 3090": (71, 35.6),  # the same
    "RTX 4090": (165.2, 82.6),  # "NVIDIA Ada GPU Architecture" white paper
}
#: Assumptions, in force as long as nothing was measured: the share of the peak that short texts in small steps use, and
#: what a stage takes beside training and evaluating (imports, staging, word pieces, upload).
USED, BESIDE_SECONDS = 0.16, 20.0
#: A backward pass is about two forward passes (Kaplan et al. 2020, section 2.1).
TRAINING_PASSES = 3.0
DEFAULT, CPU = "A100", "cpu"
#: No data sheet tells it: what `tiny` reached on one thread of an x86 server (bench/estimate.py).
CPU_TFLOPS = 0.03


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a committed stage took. encoder: its parent, a base model or an intermediate. alike: see `work.alike`, and
    counts only if `whole`: the attempt did all of the work. trained, evaluated: word pieces in its attempt; 0 where the
    manifest does not say. model: of a stage that fetched one, which; such a stage has no device."""

    key: str
    kind: str
    total: float
    encoder: str = ""
    alike: str = ""
    device: str = ""
    precision: str = ""
    training: float = 0.0
    evaluating: float = 0.0
    trained: float = 0.0
    evaluated: float = 0.0
    whole: bool = True
    model: str = ""


def done(manifest: Mapping[str, Any]) -> Done | None:
    """What a manifest tells; None where it is of a stage without a model, or of a shape that lacks what is needed."""
    try:
        spec, seconds, provenance = manifest["spec"], manifest["seconds"], manifest["provenance"]
        if manifest["kind"] == "fetch" and "model" in spec:
            return Done(key=str(manifest["key"]), kind="fetch", total=float(seconds["total"]), model=_model(spec))
        if manifest["kind"] not in ("intermediate", "target"):
            return None
        counted = manifest.get("counted", {})
        chosen = spec.get("checkpoints", ["last"]) != ["last"]  # looks at dev are in the time of training
        return Done(
            key=str(manifest["key"]),
            kind=manifest["kind"],
            encoder=spec["parents"]["model" if manifest["kind"] == "intermediate" else "encoder"],
            alike=alike(spec),
            device=str(provenance["device_name"]),
            precision=str(provenance["precision"]),
            total=float(seconds["total"]),
            training=float(seconds.get("training", 0.0)),
            evaluating=float(seconds.get("evaluating", 0.0)),
            trained=0.0 if chosen else float(counted.get("trained", 0)),
            evaluated=0.0 if chosen else float(counted.get("evaluated", 0)),
            whole=counted.get("steps", 0) == manifest["metrics"].get("steps", 0),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Word pieces a second, and seconds beside, by kind of stage. source: where they come from, for a person."""

    training: float
    evaluating: float
    beside: Mapping[str, float]
    measured: bool
    source: str


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """seconds: by key, None where nothing tells. alike: how many done stages of the same work a stage's seconds come
    from. sources: by base model (its fetch stage's key), where the seconds of the other stages come from."""

    gpu: str
    works: Mapping[str, Work]
    seconds: Mapping[str, float | None]
    alike: Mapping[str, int]
    sources: Mapping[str, str]

    def source(self, key: str, base: str) -> str | None:
        """Where a stage's seconds come from; None for a stage without a GPU."""
        if key in self.alike:
            return f"the median of {self.alike[key]} done of the same work"
        return self.sources.get(base)

    def hours(self, keys: Iterable[str]) -> float:
        return sum(self.seconds.get(key) or 0.0 for key in keys) / 3600


def estimate(
    plan: Plan, works: Mapping[str, Work], parameters: Mapping[str, float], found: Sequence[Done], gpu: str
) -> Estimate:
    """parameters: weights that a word piece passes through, by base model's key; 0 where it is not known. found: done
    stages of the store. gpu: a name that `choose` gave."""
    here = [one for one in found if is_named(one.device, gpu) and one.precision == plan.grid.precision]
    bases = _bases(found)
    like: dict[tuple[str, str], list[float]] = defaultdict(list)
    for one in here:
        if one.whole:
            like[(bases[one.key], one.alike)].append(one.total)
    models = {one.key: one.model for one in found if one.model}
    rates = {}
    for base, size in parameters.items():  # `tiny` is another stage, with another tokenizer, for every set of data
        same = {base, *(key for key, model in models.items() if model == _model(plan.stages[base].spec))}
        rates[base] = rates_of([one for one in here if bases[one.key] in same], size, plan.grid.precision, gpu)
    seconds: dict[str, float | None] = {}
    counts: dict[str, int] = {}
    for key, stage in plan.stages.items():
        if base := model_of(plan, stage):
            if took := like.get((base, alike(stage.spec))) if like else None:
                seconds[key], counts[key] = median(took), len(took)
            else:
                seconds[key] = _seconds(works[key], rates[base], stage.kind)
    sources = {
        base: one.source if one else f"not known for {gpu}: the model's size is not at hand"
        for base, one in rates.items()
    }
    return Estimate(gpu=gpu, works=works, seconds=seconds, alike=counts, sources=sources)


def _seconds(work: Work, rates: Rates | None, kind: str) -> float | None:
    if rates is None:
        return None
    return work.training / rates.training + work.evaluating / rates.evaluating + rates.beside[kind]


def rates_of(found: Sequence[Done], parameters: float, precision: str, gpu: str) -> Rates | None:
    """Of one model on one device. found: what was done there. None where neither that nor the model's size tells."""
    trained = [one for one in found if one.trained and one.training]
    evaluated = [one for one in found if one.evaluated and one.evaluating]
    training = sum(one.trained for one in trained) / sum(one.training for one in trained) if trained else 0.0
    evaluating = (
        sum(one.evaluated for one in evaluated) / sum(one.evaluating for one in evaluated) if evaluated else 0.0
    )
    if not trained and not evaluated:
        return _assumed(parameters, precision, gpu)
    beside: dict[str, list[float]] = defaultdict(list)
    for one in found:
        beside[one.kind].append(max(0.0, one.total - one.training - one.evaluating))
    every = [spent for kind in beside.values() for spent in kind]
    count = len({one.key for one in (*trained, *evaluated)})
    training, evaluating = training or evaluating / TRAINING_PASSES, evaluating or training * TRAINING_PASSES
    device = Counter(one.device for one in found).most_common(1)[0][0]
    return Rates(
        training=training,
        evaluating=evaluating,
        beside={kind: median(beside.get(kind, every)) for kind in ("intermediate", "target")},
        measured=True,
        source=f"measured on {count} stage{'s' * (count > 1)} on {device} in {precision}: "
        f"{training:,.0f} word pieces/s in training, {evaluating:,.0f} in evaluation",
    )


def _assumed(parameters: float, precision: str, gpu: str) -> Rates | None:
    name = next((known for known in GPUS if is_named(gpu, known)), None)
    if not parameters or (name is None and gpu != CPU):
        return None
    if name is None:
        peak, share, said = CPU_TFLOPS, 1.0, f"assumed: {CPU_TFLOPS * 1e3:.0f} GFLOP/s of a CPU's one thread"
    else:
        peak, share = GPUS[name][precision != "bf16"], USED
        said = f"assumed: {USED:.0%} of the {peak:g} TFLOP/s that {name} has in {precision} by its data sheet"
    evaluating = peak * 1e12 * share / (2 * parameters)
    return Rates(
        training=evaluating / TRAINING_PASSES,
        evaluating=evaluating,
        beside=dict.fromkeys(("intermediate", "target"), BESIDE_SECONDS),
        measured=False,
        source=f"{said}, and {BESIDE_SECONDS:.0f} s a stage beside; nothing of it is measured",
    )


def choose(asked: str | None, found: Iterable[Done]) -> str:
    """The device to estimate for: the one asked for, else the one that most stages were done on, else DEFAULT. Raises
    UserError with the names there are."""
    devices = Counter(one.device for one in found if one.device)
    if asked is None:
        return devices.most_common(1)[0][0] if devices else DEFAULT
    for name in (*devices, *GPUS, CPU):
        if _words(name).replace(" ", "") == _words(asked).replace(" ", ""):
            return name
    if any(is_named(device, asked) for device in devices):
        return asked
    if known := [name for name in GPUS if is_named(asked, name)]:
        return known[0]
    names = [*GPUS, CPU, *(device for device in devices if device != CPU)]
    near = difflib.get_close_matches(asked.upper(), names, n=1)
    hint = f"; did you mean {near[0]}?" if near else "."
    raise UserError(f"--gpu: no GPU is called {asked!r}{hint} There are: {', '.join(names)}")


def is_named(device: str, name: str) -> bool:
    """`NVIDIA A100-SXM4-80GB` is an `A100`, `NVIDIA L40S` is no `L40`."""
    return f" {_words(name)} " in f" {_words(device)} "


def _words(name: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", name.lower()))


def _model(spec: Mapping[str, Any]) -> str:
    return json.dumps(spec["model"], sort_keys=True)


def _bases(found: Sequence[Done]) -> dict[str, str]:
    """Each done stage's base model: its encoder, or that of the intermediate which its encoder is."""
    above = {one.key: one.encoder for one in found if one.encoder}
    return {key: above.get(encoder, encoder) for key, encoder in above.items()}
