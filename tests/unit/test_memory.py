"""What training is said to take of a GPU's memory, beside what models and a trainer really hold."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import AutoModel, AutoModelForTextEncoding, PreTrainedModel
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from jobs import adapters, families
from jobs.train import Part, Trainer
from tests.architectures import make, tokenizer_for
from tests.grids import grid, inventory
from tests.tiny import cpu
from tests.unit.test_packed import WORDS, examples
from xtl import memory
from xtl.architectures import ARCHITECTURES
from xtl.forecast import needs, too_large
from xtl.inventory import Inventory, Model
from xtl.tasks import TASKS

#: Sizes of real models of each architecture: layers, hidden, heads, inner, and what else their configurations say.
REAL: dict[str, dict[str, Any]] = {
    "xlm-roberta": dict(num_hidden_layers=24, hidden_size=1024, num_attention_heads=16, intermediate_size=4096,
                        vocab_size=250002, max_position_embeddings=514),
    "modernbert": dict(num_hidden_layers=22, hidden_size=768, num_attention_heads=12, intermediate_size=1152,
                       vocab_size=256000),
    "deberta-v2": dict(num_hidden_layers=12, hidden_size=768, num_attention_heads=12, intermediate_size=3072,
                       vocab_size=251000, relative_attention=True, pos_att_type=["p2c", "c2p"], share_att_key=True,
                       position_biased_input=False, position_buckets=256),
    "mt5": dict(num_layers=12, d_model=768, num_heads=12, d_kv=64, d_ff=2048, vocab_size=250112),
    "qwen3": dict(num_hidden_layers=36, hidden_size=2560, num_attention_heads=32, num_key_value_heads=8, head_dim=128,
                  intermediate_size=9728, vocab_size=151936),
    "llama": dict(num_hidden_layers=32, hidden_size=4096, num_attention_heads=32, num_key_value_heads=8,
                  intermediate_size=14336, vocab_size=128256),
    "gemma3_text": dict(num_hidden_layers=26, hidden_size=1152, num_attention_heads=4, num_key_value_heads=1,
                        head_dim=256, intermediate_size=6912, vocab_size=262144),
    "bloom": dict(n_layer=24, hidden_size=1024, n_head=16, vocab_size=250880),
    "apertus": dict(num_hidden_layers=32, hidden_size=4096, num_attention_heads=32, num_key_value_heads=8,
                    intermediate_size=21504, vocab_size=131072),
}  # fmt: skip


def on_paper(kind: str) -> tuple[dict[str, Any], PreTrainedModel]:
    """Its configuration as a file has it, and the model without its weights' memory."""
    config = CONFIG_MAPPING[kind](**REAL[kind])
    with torch.device("meta"):
        known = ARCHITECTURES[kind]
        auto = AutoModelForTextEncoding if known.encoder_only else AutoModel
        pooler = {"add_pooling_layer": False} if "roberta" in kind else {}
        return config.to_dict(), auto.from_config(config, **pooler)


@pytest.mark.parametrize("kind", REAL)
def test_weights_are_counted_from_the_configuration(kind: str) -> None:
    config, model = on_paper(kind)
    assert sum(memory.parameters(config)) == pytest.approx(model.num_parameters(), rel=0.02)


@pytest.mark.parametrize("kind", ["qwen3", "llama", "xlm-roberta"])
def test_adapters_are_counted_too(kind: str) -> None:
    config, model = on_paper(kind)
    from peft import LoraConfig
    from peft.tuners.lora import LoraModel

    with torch.device("meta"):
        LoraModel(model, LoraConfig(r=16, target_modules="all-linear"), "default")
    found = sum(value.numel() for name, value in model.named_parameters() if "lora_" in name)
    assert memory.adapters(config, 16) == pytest.approx(found, rel=0.01)


@pytest.mark.parametrize("rank", [None, 8])
@pytest.mark.parametrize("kind", ["qwen3", "xlm-roberta"])
def test_what_a_trainer_holds_is_what_was_said(kind: str, rank: int | None) -> None:
    """Weights, gradients and moments, in float32."""
    tokenizer = tokenizer_for(kind, [" ".join(WORDS)] * 3)
    sizes = {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 3, "num_attention_heads": 4}
    sizes |= {"head_dim": 32, "num_key_value_heads": 2} if kind == "qwen3" else {}
    model = make(kind, 2000, **sizes)
    config = model.config.to_dict()
    if rank:
        adapters.add(model, {"rank": rank, "alpha": 16, "targets": "all-linear"}, seed=1)
    family = families.make(TASKS["mnli"], tokenizer, {"length": 64}, reads=ARCHITECTURES[kind].reads)
    settings = {"lr": 1e-3, "batch": 8, "steps": 2, "warmup": 0, "weight_decay": 0.0, "adam_eps": 1e-8, "clip": 1.0,
                "micro_tokens": 512}  # fmt: skip
    features = family.features(examples("mnli"), train=True)
    part = Part(name="mnli", family=family, head=family.head(model), features=features, settings=settings)
    trainer = Trainer(model, [part], seed=1, device=cpu(), pad=1)
    gradients = 0

    def measure(figures: dict[str, Any]) -> None:
        nonlocal gradients
        gradients = 4 * sum(value.numel() for value in trainer.trained.values())

    trainer.run(on_progress=measure)
    of_encoder = {id(value) for value in model.parameters()}
    weights = sum(value.numel() * value.element_size() for value in model.parameters())
    moments = sum(
        state.numel() * state.element_size()
        for parameter, states in trainer.optimizer.state.items()
        for state in states.values()
        if id(parameter) in of_encoder
    )
    said = memory.resident(config, rank=rank, half=False)
    assert said == pytest.approx(weights + gradients + moments, rel=0.15)


class Held(TorchDispatchMode):
    """Bytes that tensors hold while it is on, and the most there were; of tensors on `meta`, what they would hold."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.known: set[int] = set()

    def add(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        if (key := storage._cdata) in self.known:
            return
        self.known.add(key)
        self.now += (size := storage.nbytes())
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._gone, key, size)

    def _gone(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.now -= size

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """As a fused one steps, which holds nothing on the way."""
        before = self.peak
        optimizer.step()
        self.peak = max(before, self.now)
        optimizer.zero_grad(set_to_none=True)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for value in tree_leaves(found):
            if isinstance(value, torch.Tensor):
                self.add(value)
        return found


def peak_of_two_steps(kind: str, rank: int | None, length: int) -> int:
    """Of a real shape, played without memory: gradient checkpointing, adapters over bf16 weights as on a GPU, or all
    weights in float32."""
    with torch.device("meta"):
        _, model = on_paper(kind)
        model.set_attn_implementation("sdpa")
        model.train()
        if rank:
            adapters.add(model, {"rank": rank, "alpha": 32, "targets": "all-linear"}, seed=0)
            for parameter in model.parameters():
                if not parameter.requires_grad:
                    parameter.data = parameter.data.to(torch.bfloat16)
        model.activation_checkpointing_enable({"use_reentrant": False})
        head = torch.nn.Linear(model.config.hidden_size, 3)
        pieces = torch.ones((1, length), dtype=torch.int64)
        seen = torch.ones((1, 1, length, length), dtype=torch.bool)
        optimizer = torch.optim.AdamW([*(x for x in model.parameters() if x.requires_grad), *head.parameters()])
        with Held() as held:
            for parameter in model.parameters():
                held.add(parameter)
            for _ in range(2):
                found = model(input_ids=pieces, attention_mask=seen, **without_cache(model)).last_hidden_state
                head(found[:, -1].float()).sum().backward()
                del found
                held.step(optimizer)
    return held.peak


def without_cache(model: PreTrainedModel) -> dict[str, bool]:
    known = ARCHITECTURES[model.config.model_type]
    return {"use_cache": False} if known.causal else {}


@pytest.mark.parametrize(
    ("kind", "rank"),
    [
        ("llama", 16),
        ("llama", None),
        *(
            pytest.param(kind, rank, marks=pytest.mark.slow)
            for kind in ("qwen3", "gemma3_text", "apertus", "xlm-roberta")
            for rank in (16, None)
        ),
    ],
)
def test_two_steps_of_a_real_shape_take_what_was_said(kind: str, rank: int | None) -> None:
    config, peak = on_paper(kind)[0], peak_of_two_steps(kind, rank, 384)
    said = memory.resident(config, rank=rank, half=rank is not None) + memory.activations(config, 384)
    assert said == pytest.approx(peak, rel=0.15)
    if kind == "llama":
        assert (peak < memory.USABLE * 80e9) == (rank is not None), "one GPU of 80 GB holds adapters alone"


@pytest.mark.parametrize("kind", ["xlm-roberta", "qwen3"])
def test_all_weights_in_bf16_take_what_was_said(kind: str) -> None:
    """Really trained, on a CPU: float32 weights, their copies by autocast, and a small input."""
    sizes = {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 6, "num_attention_heads": 8}
    sizes |= {"head_dim": 64, "num_key_value_heads": 8} if kind == "qwen3" else {}
    model = make(kind, 8000, **sizes).train()
    config, pieces = model.config.to_dict(), torch.arange(5, 69)[None]
    head = torch.nn.Linear(512, 3)
    optimizer = torch.optim.AdamW([*model.parameters(), *head.parameters()])
    with Held() as held:
        for parameter in model.parameters():
            held.add(parameter)
        for _ in range(2):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                found = model(input_ids=pieces, attention_mask=torch.ones_like(pieces)).last_hidden_state
                loss = head(found[:, -1]).float().sum()
            loss.backward()
            del found, loss
            held.step(optimizer)
    said = memory.resident(config) + memory.activations(config, 64)
    assert said == pytest.approx(held.peak, rel=0.15)


GRID = """\
name: large
model:
  - org/decoder
  - {model: org/decoder, name: adapted, train: {method: lora}}
  - org/encoder
seeds: [1]
intermediates: [none]
targets: [xnli, tydiqa]
"""


def test_a_model_that_is_too_large_is_said_when_it_is_planned(tmp_path: Path) -> None:
    of = grid(GRID, tmp_path)
    have = inventory(of)
    configs = {"org/decoder": on_paper("llama")[0], "org/encoder": on_paper("xlm-roberta")[0]}
    models = {name: Model(name=name, identity={"hub": name}, config=config) for name, config in configs.items()}
    known = Inventory(units=have.units, models=models, source=have.source)
    assert too_large(of, known, "NVIDIA H100 80GB HBM3") == [
        "model org/decoder: too large: training needs about 134 GB of a GPU's memory, and H100 has 80; "
        "`train: {method: lora}` needs about 16 GB"
    ]
    assert not too_large(of, known, "some other GPU")
    assert too_large(of, known, "a-pool NVIDIA-H100-80GB-HBM3"), "as nodes are labelled"
    assert [line.split(":")[0] for line in too_large(of, known, "L4")] == ["model org/decoder"]


def test_a_plan_says_what_each_model_takes(tmp_path: Path) -> None:
    of = grid(GRID, tmp_path)
    have = inventory(of)
    models = {
        "org/decoder": Model(name="org/decoder", identity={"hub": "org/decoder"}, config=on_paper("llama")[0]),
        "org/encoder": Model(name="org/encoder", identity={"hub": "org/encoder"}),
    }
    known = Inventory(units=have.units, models=models, source=have.source)
    assert [(one.model, round(one.needs), one.fits) for one in needs(of, known, "H100")] == [
        ("org/decoder", 134, False),
        ("adapted", 16, True),
    ], "of a model whose configuration is not at hand nothing is said"
    assert [one.told for one in needs(of, known, "H100")][1:] == [
        "adapted: training needs about 16 GB of a GPU's memory, and H100 has 80",
    ]


@pytest.mark.parametrize(
    ("arms", "targets", "holds"),
    [("none", "tatoeba", 30), ("prompted", "xnli", 15), ("none", "xnli", 134), ("mnli", "tatoeba", 134)],
)
def test_a_study_that_trains_nothing_needs_the_weights_alone(
    arms: str, targets: str, holds: int, tmp_path: Path
) -> None:
    text = f"name: l\nmodel: org/decoder\nseeds: [1]\nintermediates: [{arms}]\ntargets: [{targets}]\n"
    of = grid(text, tmp_path)
    have = inventory(of)
    decoder = Model(name="org/decoder", identity={"hub": "org/decoder"}, config=on_paper("llama")[0])
    (need,) = needs(of, Inventory(units=have.units, models={"org/decoder": decoder}, source=have.source), "H100")
    assert round(need.needs) == holds
    assert need.told.startswith(
        f"org/decoder: {'too large: training' if holds > 100 else 'scoring'} needs about {holds} GB"
    )
