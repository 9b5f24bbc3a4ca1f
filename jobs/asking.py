"""How a decoder is asked: what stands in a prompt, which answer is the likeliest, what is written."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, GenerationConfig, PreTrainedModel

from jobs import packed, stop
from jobs.batch import Batch, encode, inputs_of
from jobs.batching import micro_batches
from jobs.device import Device
from jobs.families.base import Feature
from jobs.finetune import Encoder, Examples
from jobs.model import HEAD
from xtl.errors import ModelError, UserError
from xtl.fit import NO_HEAD
from xtl.tasks import TASKS

#: Sequences that are written at a time.
AT_ONCE = 16


def head_of(folder: Path, encoder: Encoder) -> Tensor:
    """(vocabulary, size): what turns hidden states into pieces. The embeddings, unless the model has a head apart."""
    if (path := folder / HEAD).is_file():
        return load_file(path)["weight"].to(encoder.device.torch, encoder.model.dtype)
    if not getattr(encoder.model.config, "tie_word_embeddings", True):
        raise ModelError(f"prompted: {NO_HEAD}")
    embeddings: Any = encoder.model.get_input_embeddings()
    return embeddings.weight.detach()


@dataclass(kw_only=True)
class Asker:
    """A decoder and how it is asked. spec: the stage's, with `prompt` and `settings`. steps: questions in all, for
    progress."""

    encoder: Encoder
    head: Tensor
    spec: Mapping[str, Any]
    steps: int = 0
    progress: Callable[[dict[str, Any]], None] = lambda figures: None
    done: int = 0
    cut: int = 0  # word pieces of questions that no input holds
    pieces: int = 0  # word pieces that went through the model
    fewest: int = 0  # examples that stood in front of the question that had the least room, of the last answers
    began: float = field(default_factory=time.monotonic)

    @property
    def model(self) -> PreTrainedModel:
        return self.encoder.model

    @property
    def device(self) -> Device:
        return self.encoder.device

    def check(self) -> None:
        """That hidden states times the head are the model's own scores: some architectures scale or cap them.
        Raises UserError."""
        pieces = torch.tensor([self._pieces("One line of text.")], device=self.device.torch)
        with torch.inference_mode(), _plain_attention(self.model):
            theirs = self._writer(input_ids=pieces).logits.float()
            ours = (self.model(input_ids=pieces).last_hidden_state @ self.head.T).float()
        if not torch.allclose(theirs, ours, atol=1e-2 * float(ours.abs().max())):
            kind = self.model.config.model_type
            raise UserError(
                f"prompted: models of type {kind} scale or cap their scores, which xtl does not follow;"
                " leave the arm prompted out for this model"
            )

    def answers(self, examples: Examples, shots: Examples) -> list[Any]:
        """A label or an answer for each."""
        self.model.eval()
        self.fewest = len(shots)
        with torch.inference_mode(), self.device.autocast():
            if TASKS[self.spec["task"]].form == "pair":
                return self._likeliest(examples, shots)
            return self._written(examples, shots)

    def prompt(self, example: Mapping[str, Any], shots: Examples, room: int) -> list[int]:
        """The pieces of a question with what stands in front, at most `room`: what is too long loses
        examples, the first ones first, and then the end of the field that may be cut."""
        form = self.spec["prompt"]
        question = self._pieces(form["text"].format(**_plain(example)))
        before = [self._pieces(self._told(shot)) for shot in shots]
        while before and len(question) + sum(map(len, before)) > room:
            self.cut += len(before.pop(0))
        self.fewest = min(self.fewest, len(before))
        if (over := len(question) - room) > 0:
            whole, text = len(question), str(example[form["cut"]])
            while len(question) > room and text:
                text = text[: max(0, len(text) - max(1, over))]
                question = self._pieces(form["text"].format(**{**_plain(example), form["cut"]: text}))
                over = len(question) - room
            self.cut += whole - len(question)
        return [*self._opening(), *(piece for shot in before for piece in shot), *question]

    def _told(self, shot: Mapping[str, Any]) -> str:
        """An example with its answer."""
        form = self.spec["prompt"]
        answer = form["answers"][shot["label"]] if "answers" in form else f" {shot['answers'][0]['text']}"
        return form["text"].format(**_plain(shot)) + answer + "\n\n"

    def _opening(self) -> list[int]:
        """The mark that the model's own inputs begin with, where they do."""
        framed = self.encoder.tokenizer("a")["input_ids"]
        start = self.encoder.tokenizer.bos_token_id
        return [start] if start is not None and framed[0] == start else []

    def _pieces(self, text: str) -> list[int]:
        found: list[int] = self.encoder.tokenizer(
            text, add_special_tokens=False, split_special_tokens=True, verbose=False
        )["input_ids"]
        return found

    def _likeliest(self, examples: Examples, shots: Examples) -> list[str]:
        """The label whose answer has the highest summed log-probability; of equals, the first."""
        answers = {label: self._pieces(text) for label, text in self.spec["prompt"]["answers"].items()}
        room = self.spec["settings"]["length"] - max(map(len, answers.values())) - 1
        features = []
        for place, example in enumerate(examples):
            question = self.prompt(example, shots, room)
            for answer in answers.values():
                pieces = np.asarray([*question, *answer], dtype=np.int32)
                features.append(Feature(example=place, pieces=pieces, extra={"answer": len(answer)}))
        scores = np.full((len(examples), len(answers)), -np.inf)
        turn = {id(feature): at % len(answers) for at, feature in enumerate(features)}
        budget = self.spec["settings"]["micro_tokens"]
        items = [[feature] for feature in features]
        before, scored = self.done, 0
        for batch in micro_batches(items, budget, packed=packed.is_packed(self.model)):
            stop.check()
            for feature, score in zip(batch, self._halved(self._log_probabilities, batch), strict=True):
                scores[feature.example, turn[id(feature)]] = score
            scored += len(batch)
            self._tell(before + scored // len(answers))
        labels = list(answers)
        return [labels[int(best)] for best in scores.argmax(axis=1)]

    def _halved(self, compute: Callable[[Sequence[Any]], Iterable[Any]], items: Sequence[Any]) -> list[Any]:
        """What `compute` gives of all; in halves where the GPU's memory does not hold them together."""
        try:
            return list(compute(items))
        except torch.OutOfMemoryError:
            if len(items) == 1:
                raise UserError(
                    f"prompted: one question of {len(items[0])} word pieces does not fit into the GPU's memory: lower "
                    "`prompted.length` in the grid, or take a GPU with more memory"
                ) from None
        torch.cuda.empty_cache()
        half = len(items) // 2
        return [*self._halved(compute, items[:half]), *self._halved(compute, items[half:])]

    def _log_probabilities(self, batch: Sequence[Feature]) -> list[float]:
        """Of each feature's answer, given what stands before it."""
        inputs, real = inputs_of(self.model, batch, self.encoder.pad)
        made = Batch(features=batch, inputs=inputs, given={}, real=real)
        hidden = encode(self.model, made.to(self.device.torch))
        self.pieces += made.pieces
        ends = np.cumsum([len(feature) for feature in batch])
        places = [np.arange(end - feature.extra["answer"], end) for feature, end in zip(batch, ends, strict=True)]
        row = torch.from_numpy(np.concatenate([feature.pieces for feature in batch]).astype(np.int64))
        at = torch.from_numpy(np.concatenate(places))
        with torch.autocast(self.device.torch.type, enabled=False):  # bf16 scores would tie: 0.1 apart at 20
            logits = (hidden[(at - 1).to(hidden.device)].float() @ self.head.float().T).log_softmax(dim=-1)
        each = logits.gather(1, row[at].to(hidden.device)[:, None])[:, 0].cpu()
        return [float(part.sum()) for part in each.split([len(place) for place in places])]

    def _written(self, examples: Examples, shots: Examples) -> list[str]:
        """What the model writes, up to the end of the line, at most `answer_pieces`."""
        settings = self.spec["settings"]
        room = settings["length"] - settings["answer_pieces"] - 1
        prompts = [self.prompt(example, shots, room) for example in examples]
        found = [""] * len(prompts)
        order = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
        for some in (order[at : at + AT_ONCE] for at in range(0, len(order), AT_ONCE)):
            stop.check()
            for place, answer in zip(some, self._halved(self._continued, [prompts[x] for x in some]), strict=True):
                found[place] = answer
            self._tell(self.done + len(some))
        return found

    def _tell(self, done: int) -> None:
        self.done = done
        speed = round(self.pieces / max(time.monotonic() - self.began, 1e-9))
        self.progress({"step": self.done, "steps": self.steps, "tokens_per_second": speed})

    def _continued(self, prompts: Sequence[list[int]]) -> Iterator[str]:
        """Greedy; padded on the left, so that all end in the same column."""
        longest, end = max(map(len, prompts)), self.encoder.tokenizer.eos_token_id
        pieces = torch.full((len(prompts), longest), self.encoder.pad)
        mask = torch.zeros_like(pieces)
        for row, prompt in enumerate(prompts):
            pieces[row, longest - len(prompt) :] = torch.tensor(prompt)
            mask[row, longest - len(prompt) :] = 1
        with _plain_attention(self.model):
            found = self._writer.generate(  # type: ignore[operator]
                inputs=pieces.to(self.device.torch),
                attention_mask=mask.to(self.device.torch),
                generation_config=GenerationConfig(
                    max_new_tokens=self.spec["settings"]["answer_pieces"],
                    do_sample=False,
                    eos_token_id=end,
                    pad_token_id=self.encoder.pad,
                    use_cache=True,
                ),
            )
        self.pieces += int(mask.sum()) + found[:, longest:].numel()
        for row in found[:, longest:].tolist():
            written = row[: row.index(end)] if end in row else row
            yield (self._text(written).strip().splitlines() or [""])[0].strip()

    @cached_property
    def _writer(self) -> PreTrainedModel:
        """The encoder under its language-model head, as transformers generates with it; no weight is copied."""
        with torch.device("meta"):
            made: Any = AutoModelForCausalLM.from_config(self.model.config)
            head = nn.Linear(self.head.shape[1], self.head.shape[0], bias=False)
        head.weight = nn.Parameter(self.head, requires_grad=False)
        setattr(made, made.base_model_prefix, self.model)
        made.set_output_embeddings(head)
        return made.eval()

    def _text(self, pieces: list[int]) -> str:
        return str(self.encoder.tokenizer.decode(pieces, skip_special_tokens=True))


class _plain_attention:
    """Inside, the model attends as transformers' own: a cache of what was written does not go with packing."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model

    def __enter__(self) -> None:
        self.packed = packed.is_packed(self.model)
        if self.packed:
            self.model.set_attn_implementation("sdpa")

    def __exit__(self, *_: object) -> None:
        if self.packed:
            packed.pack(self.model)


def _plain(example: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in example.items() if isinstance(value, str)}
