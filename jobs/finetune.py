"""What intermediate and target stages share: an encoder and tokenizer from the parent, parts made of examples, a
trainer that goes on where an earlier attempt stopped, and predictions."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from jobs import adapters, families, packed, resume, tokenised
from jobs.batching import sample
from jobs.budget import open_budget
from jobs.context import Context, log
from jobs.device import Device
from jobs.families.base import Feature
from jobs.model import is_causal, load_encoder, load_tokenizer, longest_input, pad, reads, see_all
from jobs.tokenised import Listing
from jobs.train import Part, Trainer, predict
from xtl.architectures import Reads, architecture_of
from xtl.errors import ModelError, Stopped, StoreError, UserError
from xtl.model_folder import VOCABULARIES
from xtl.tasks import TASKS
from xtl.tasks.canonical import read_parquet

Examples = Sequence[dict[str, Any]]


@dataclass(kw_only=True)
class Encoder:
    """An encoder, its tokenizer, the device that it is on, and where it has read an input. vocabulary: names the
    tokenizer's files."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    device: Device
    vocabulary: str
    reads: Reads

    @property
    def pad(self) -> int:
        return pad(self.tokenizer)


def load(context: Context, key: str, device: Device) -> Encoder:
    """The encoder that a fetch or intermediate stage committed, every weight accounted for; with the adapters that the
    spec asks for."""
    manifest, folder = context.manifest(key), context.pull(key)
    trained = "lora" in manifest["spec"]  # then it holds adapters, and the weights are its parent's
    base = context.spec["parents"]["base"] if trained else key
    before = folder / adapters.FOLDER if trained else None
    folder = (context.pull(base) if trained else folder) / "encoder"
    with context.phase("loading"):
        model = load_encoder(folder, dtype=width(context.spec, device, adapted=before is not None))
        model = _adapted(context.spec, model, before)
        model.to(device.torch)  # type: ignore[arg-type]
        kind = model.config.model_type
        if context.spec.get("attention") == "bidirectional":
            see_all(model)
            if is_causal(model):
                raise ModelError(f"attention: a model of type {kind} stayed causal when its attention was opened")
        if architecture_of(kind) is None:
            log.info(
                "%s is no architecture that xtl knows: it runs the plain way, read at its %s piece", kind, reads(model)
            )
        if not packed.pack(model):
            log.info("%s does not run packed: micro-batches are sorted by length and padded", kind)
        tokenizer = load_tokenizer(folder)
        tokenizer.model_max_length = min(tokenizer.model_max_length, longest_input(model))  # few folders say it
        vocabulary = _vocabulary(context.manifest(base))
        return Encoder(model=model, tokenizer=tokenizer, device=device, vocabulary=vocabulary, reads=reads(model))


def width(spec: Mapping[str, Any], device: Device, *, adapted: bool) -> torch.dtype:
    """Of an encoder's weights. Frozen ones are as narrow on a GPU as the grid's precision, from the file on, so that
    models of billions need neither the GPU's memory nor the machine's twice; unless adapters become a part of them
    (`adapted`: an intermediate left some), which rounding would undo. Adapters are float32 everywhere."""
    narrow = device.precision == "bf16" and device.torch.type == "cuda"
    frozen = "prompt" in spec or (_trains_adapters(spec) and not _merges(spec, adapted))
    return torch.bfloat16 if narrow and frozen else torch.float32


def _trains_adapters(spec: Mapping[str, Any]) -> bool:
    return "lora" in spec and "lr" in {**spec.get("settings", {}), **spec.get("optimiser", {})}


def _merges(spec: Mapping[str, Any], adapted: bool) -> bool:
    return adapted and not (_trains_adapters(spec) and spec["lora"]["carry"] == "continue")


def _adapted(spec: Mapping[str, Any], model: PreTrainedModel, before: Path | None) -> PreTrainedModel:
    """before: the adapters of an intermediate."""
    if before and _merges(spec, True):
        model, before = adapters.merge(model, before), None
    if before:
        adapters.go_on(model, before)
    elif _trains_adapters(spec):
        adapters.add(model, spec["lora"], seed=int(spec["seed"]))
    return model


def _vocabulary(manifest: Mapping[str, Any]) -> str:
    """By its vocabulary, not by its settings: those are written anew by every stage that saves an encoder."""
    files = manifest["files"]
    return "+".join(files[name]["sha256"] for name in sorted(files) if Path(name).name in VOCABULARIES)


def listing(context: Context, key: str, language: str, split: str) -> Examples | None:
    """One listing of a fetch stage, or None where its data hold none."""
    name = f"{language}/{split}.parquet"
    if name not in context.manifest(key)["files"]:
        return None
    return Listing(read_parquet(context.pull(key, [name]) / name), f"{key}/{name}")


@dataclass(kw_only=True)
class Material:
    """Training examples, and the language of each."""

    examples: Examples
    languages: Sequence[str]

    def only(self, chosen: Iterable[int]) -> Material:
        """The examples at these positions."""
        places = list(chosen)
        return Material(examples=[self.examples[i] for i in places], languages=[self.languages[i] for i in places])


def material(context: Context, sources: Mapping[str, str], cap: int | None) -> Material:
    """The train listings of several languages as one, at most `cap` examples by a nested seeded sample."""
    examples: list[dict[str, Any]] = []
    languages: list[str] = []
    for language, key in sources.items():
        found = listing(context, key, language, "train")
        if not found:
            raise UserError(f"stage {key[:12]} holds no training examples in {language}")
        examples.extend(found)
        languages.extend([language] * len(found))
    seed = int(context.spec["seed"])
    chosen = sample(len(examples), cap, seed)
    drawn = Material(examples=examples, languages=languages).only(chosen)
    some = "" if len(chosen) == len(examples) else f" {cap} by seed {seed}"
    return Material(
        examples=Listing(drawn.examples, " ".join(f"{x}/{key}" for x, key in sources.items()) + some),
        languages=drawn.languages,
    )


def trained_on(trainer: Trainer, index: int, languages: Sequence[str]) -> dict[str, Any]:
    """What a part's training saw, for the manifest, by language: `examples` that were drawn, each counted once,
    `draws` of an input of theirs, and how many were `available`; a language that was never drawn has zeros.

    languages: of each of the part's examples.
    """
    times, examples = trainer.schedule.times(index), trainer.items[index].examples
    of = np.array(languages)
    drawn = of[np.unique(examples[times > 0])]
    available = Counter(languages)
    return {
        "examples": {language: int((drawn == language).sum()) for language in available},
        "draws": {language: int(times[of[examples] == language].sum()) for language in available},
        "available": dict(available),
        "inputs": len(trainer.parts[index].features),
        "steps": int((trainer.order == index).sum()),
        "pieces_cut": trainer.parts[index].pieces_cut,
    }


def make_part(
    context: Context,
    encoder: Encoder,
    task: str,
    examples: Examples,
    settings: Mapping[str, Any],
    *,
    seed: int,
    cap: int | None = None,
) -> Part:
    """A part with a new head drawn from `seed`, tokenised."""
    labels = _labels(task, examples)
    family = families.make(TASKS[task], encoder.tokenizer, settings, labels=labels, reads=encoder.reads)
    torch.manual_seed(int(np.random.SeedSequence([seed, 5]).generate_state(1)[0]))
    head = family.head(encoder.model).to(encoder.device.torch)
    features = tokenised.features(
        context,
        family,
        examples,
        vocabulary=encoder.vocabulary,
        settings=settings,
        labels=labels,
        train=True,
    )
    log.info("%s: %d examples in %d inputs, %d word pieces cut", task, len(examples), len(features), family.cut)
    return Part(
        name=task,
        family=family,
        head=head,
        features=features,
        settings=settings,
        labels=labels,
        pieces_cut=family.cut,
        cap=cap,
    )


def trainer(context: Context, encoder: Encoder, parts: Sequence[Part]) -> Trainer:
    """A trainer at step 0, with what is known of the GPU's memory."""
    budget = open_budget(
        context.store,
        encoder.device,
        encoder.model.config,
        setting=int(parts[0].settings["micro_tokens"]),
        length=max(int(part.settings["length"]) for part in parts),
        method=context.spec.get("lora", {}).get("rank", "full"),
    )
    seed = int(context.spec["seed"])
    return Trainer(encoder.model, parts, seed=seed, device=encoder.device, pad=encoder.pad, budget=budget)


def _labels(task: str, examples: Examples) -> Sequence[str] | None:
    """The closed label set, or the tags that occur in training where the set is open (CCG's categories)."""
    if TASKS[task].labels is not None or TASKS[task].form != "tagging":
        return TASKS[task].labels
    return sorted({tag for example in examples for tag in example["tags"]})


@contextlib.contextmanager
def resumable(
    context: Context,
    trainer: Trainer,
    *,
    state: Callable[[], tuple[dict[str, Any], dict[str, Tensor]]] = lambda: ({}, {}),
    restore: Callable[[dict[str, Any], dict[str, Tensor]], None] = lambda extra, tensors: None,
) -> Iterator[Callable[[], None]]:
    """Training and what follows it, from the last saved state if there is one; yields the function that saves.

    Told to stop anywhere inside, it saves first (then Stopped goes on). A store that does not take a state on the way
    costs that state and not the stage. `state` and `restore` carry what the stage keeps beside the trainer (the best
    checkpoint so far).
    """

    def save() -> None:
        resume.save(context, trainer, *state())

    def try_to_save() -> None:
        try:
            save()
        except StoreError as error:
            log.warning("the state was not saved, training goes on: %s", error)

    if (found := resume.load(context, trainer)) is not None:
        restore(*found)
    begun = trainer.step
    try:
        yield try_to_save
    except Stopped:
        if trainer.step > begun:
            save()
        raise


def fit(
    context: Context, trainer: Trainer, save: Callable[[], None], on_epoch: Callable[[int], None] | None = None
) -> None:
    """Train to the end, telling how far it is: in every heartbeat, and in the log at each tenth of the steps."""
    tenths = {-(-trainer.steps * n // 10) for n in range(1, 11)}

    def tell(figures: dict[str, Any]) -> None:
        context.stepped()
        context.heartbeat.say("training", **figures)
        if figures["step"] in tenths:
            log.info("step {step} of {steps}: loss {loss}, {tokens_per_second} tokens/s".format(**figures))

    begun, warmup = trainer.step, float(trainer.settings["warmup"])
    if warmup >= trainer.steps:
        log.warning("the warm-up of %d steps does not end within %d: lr is never reached", warmup, trainer.steps)
    with context.phase("training"):
        trainer.run(on_progress=tell, on_epoch=on_epoch, save=save)
    context.counted |= {"steps": trainer.step - begun, "trained": trainer.pieces}  # word pieces


def predictions(
    context: Context, encoder: Encoder, part: Part, by_language: Mapping[str, Examples]
) -> dict[str, list[Any]]:
    """One prediction an example, for all languages in one pass (sorted by length together)."""
    features: list[Feature] = []
    spans: dict[str, tuple[int, int]] = {}
    for language, examples in by_language.items():
        found = tokenised.features(
            context,
            part.family,
            examples,
            vocabulary=encoder.vocabulary,
            settings=part.settings,
            labels=part.labels,
            train=False,
        )
        spans[language] = (len(features), len(features) + len(found))
        features.extend(found)
    context.counted["evaluated"] = context.counted.get("evaluated", 0) + sum(map(len, features))
    outputs = predict(
        encoder.model,
        part.head,
        part.family,
        features,
        device=encoder.device,
        pad=encoder.pad,
        budget=int(part.settings["micro_tokens"]),
        on_progress=lambda figures: context.heartbeat.say("evaluating", **figures),
    )
    return {
        language: part.family.decode(by_language[language], features[start:end], outputs[start:end])
        for language, (start, end) in spans.items()
    }


def encoder_folder(context: Context) -> Path:
    """Where a stage leaves its encoder."""
    folder = context.out / "encoder"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
