"""`model: tiny`: byte-equal tokenizers in any process, XLM-R's input layout, weights by the seed alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from jobs.tiny import SPECIAL, train_tokenizer
from tests.tiny import tiny_encoder, tiny_tokenizer
from xtl.errors import DataError

TEXTS = [
    "The river runs past the old mill.",
    "Der Fluss fließt an der alten Mühle vorbei.",
    "Река течёт мимо старой мельницы.",
    "河流流过老磨坊。",
    "แม่น้ำไหลผ่านโรงสีเก่า",
    "नदी पुरानी चक्की के पास बहती है।",
    "The mill is old, the river is not.",
] * 3

SCRIPT = """
import json, sys
from jobs.tiny import train_tokenizer
sys.stdout.write(train_tokenizer(json.load(sys.stdin), 300).backend_tokenizer.to_str())
"""


def in_a_process(texts: list[str], **env: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, **env},
    )
    return run.stdout


def test_two_processes_make_the_same_bytes() -> None:
    one = in_a_process(TEXTS, PYTHONHASHSEED="1", TOKENIZERS_PARALLELISM="false")
    two = in_a_process(TEXTS[::-1], PYTHONHASHSEED="2", TOKENIZERS_PARALLELISM="true")
    assert one == two == train_tokenizer(TEXTS, 300).backend_tokenizer.to_str()
    assert len(json.loads(one)["model"]["merges"]) > 50


def test_layout_is_xlm_rs() -> None:
    tokenizer = tiny_tokenizer(TEXTS, 300)
    encoded = tokenizer("The mill", "old")
    assert encoded.tokens() == ["<s>", "▁The", "▁mill", "</s>", "</s>", "▁old", "</s>"]
    assert set(encoded) == {"input_ids", "attention_mask"}
    assert [tokenizer.convert_tokens_to_ids(mark) for mark in SPECIAL] == [0, 1, 2, 3, 4]


def test_punctuation_and_unspaced_scripts_stand_alone() -> None:
    tokenizer = tiny_tokenizer(TEXTS, 300)
    assert tokenizer("mill.", add_special_tokens=False).tokens()[-1] == "."
    assert tokenizer("河流流", add_special_tokens=False).tokens() == ["▁", "河", "流", "流"]


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer(TEXTS, 300)
    encoder = tiny_encoder(tokenizer, seed=3)
    tokenizer.save_pretrained(tmp_path)
    encoder.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert loaded.backend_tokenizer.to_str() == tokenizer.backend_tokenizer.to_str()
    assert loaded.model_input_names == ["input_ids", "attention_mask"]
    again = AutoModel.from_pretrained(tmp_path, add_pooling_layer=False)
    assert {name: t.tolist() for name, t in again.state_dict().items()} == {
        name: t.tolist() for name, t in encoder.state_dict().items()
    }


def test_weights_come_from_the_seed_alone() -> None:
    tokenizer = tiny_tokenizer(TEXTS, 300)
    before = torch.get_rng_state()
    one, same, other = (tiny_encoder(tokenizer, seed=seed).embeddings.word_embeddings.weight for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(before, torch.get_rng_state())


def test_it_takes_the_longest_input() -> None:
    tokenizer = tiny_tokenizer(TEXTS, 300)
    hidden = tiny_encoder(tokenizer)(torch.full((1, 512), 7)).last_hidden_state
    assert hidden.shape == (1, 512, 64)
    assert bool(hidden.isfinite().all())


def test_no_text_is_an_error() -> None:
    with pytest.raises(DataError, match="no text to train the tokenizer"):
        train_tokenizer([])
