"""Encoders load whole or not at all: from a pretraining checkpoint, from a stage, and not from a damaged folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertForMaskedLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaForMaskedLM,
    XLMRobertaForSequenceClassification,
)

from jobs.model import load_encoder, load_tokenizer, save_encoder
from jobs.tiny import make_encoder, train_tokenizer
from xtl.errors import ModelError

SHAPE = dict(vocab_size=60, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer(["a dog sleeps", "a cat sleeps too"] * 3, vocab_size=60)


def checkpoint(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> Path:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    "model",
    [
        XLMRobertaForMaskedLM(XLMRobertaConfig(**SHAPE)),
        XLMRobertaForSequenceClassification(XLMRobertaConfig(**SHAPE)),
        BertForMaskedLM(BertConfig(**SHAPE)),
    ],
    ids=lambda model: type(model).__name__,
)
def test_a_pretraining_checkpoint_gives_its_encoder_without_its_heads(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    encoder = load_encoder(checkpoint(model, tokenizer, tmp_path / "hub"), fetched=True)
    ours, theirs = encoder.state_dict(), model.base_model.state_dict()
    assert ours.keys() <= theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert not any("pooler" in name or "lm_head" in name for name in ours)

    # Between stages nothing may be left over: the normalised folder loads strictly, the checkpoint does not.
    save_encoder(encoder, load_tokenizer(tmp_path / "hub"), tmp_path / "stage")
    again = load_encoder(tmp_path / "stage").state_dict()
    assert all(torch.equal(again[name], ours[name]) for name in ours)
    with pytest.raises(ModelError, match="encoder weights unexpected"):
        load_encoder(tmp_path / "hub")


def test_a_missing_weight_is_named(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    folder = checkpoint(make_encoder(tokenizer, seed=0), tokenizer, tmp_path / "encoder")
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"1 encoder weights missing: encoder.layer.1.output.dense.weight"):
        load_encoder(folder)


def test_weights_under_another_prefix_are_refused(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    """jiant's mistake: nothing matches, and the encoder would be random."""
    folder = checkpoint(make_encoder(tokenizer, seed=0), tokenizer, tmp_path / "encoder")
    weights = {f"model.body.{name}": value for name, value in load_file(folder / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="encoder weights missing"):
        load_encoder(folder, fetched=True)


def test_a_folder_without_safetensors_says_what_to_do(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    folder = checkpoint(make_encoder(tokenizer, seed=0), tokenizer, tmp_path / "encoder")
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"not a pickle that anyone opens")
    with pytest.raises(ModelError, match=r"no .safetensors file \(pytorch_model.bin\).*safe_serialization"):
        load_encoder(folder)


def test_a_broken_file_is_a_model_error(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    folder = checkpoint(make_encoder(tokenizer, seed=0), tokenizer, tmp_path / "encoder")
    whole = (folder / "model.safetensors").read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"\xff" * 64):
        (folder / "model.safetensors").write_bytes(content)
        with pytest.raises(ModelError, match="encoder: not a model that transformers loads"):
            load_encoder(folder)


def test_no_tokenizer_is_a_model_error(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    folder = checkpoint(make_encoder(tokenizer, seed=0), tokenizer, tmp_path / "encoder")
    for path in folder.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(ModelError, match="tokenizer"):
        load_tokenizer(folder)
