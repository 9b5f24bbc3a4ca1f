"""What a model's folder says of itself before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from xtl.errors import UserError
from xtl.model_folder import weights


def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    save_file({"a.weight": torch.zeros(2, 3), "b": torch.zeros(4)}, tmp_path / "one.safetensors", {"format": "pt"})
    save_file({"c": torch.zeros((), dtype=torch.bfloat16)}, tmp_path / "two.safetensors")
    return tmp_path


def test_weights_of_all_files_are_known_by_name_and_shape(tmp_path: Path) -> None:
    assert weights(folder(tmp_path)) == {"a.weight": (2, 3), "b": (4,), "c": ()}


@pytest.mark.parametrize(
    "data", [b"", b"1234567", (2**60).to_bytes(8, "little"), b"\x02\0\0\0\0\0\0\0[]", b"\x04\0\0\0\0\0\0\0\xff{}\xff",
             b'\x0e\0\0\0\0\0\0\0{"a": {"b":1}}'],
)  # fmt: skip
def test_what_is_no_safetensors_file_is_told(data: bytes, tmp_path: Path) -> None:
    (folder(tmp_path) / "two.safetensors").write_bytes(data)
    with pytest.raises(UserError, match=r"two.safetensors is no safetensors file, or damaged: copy it again"):
        weights(tmp_path)


def test_a_file_that_is_cut_or_longer_is_told(tmp_path: Path) -> None:
    path = folder(tmp_path) / "one.safetensors"
    whole = path.read_bytes()
    for data in (whole[:-1], whole + b"0"):
        path.write_bytes(data)
        with pytest.raises(UserError, match=f"one.safetensors is not whole, {len(data)} of {len(whole)} bytes"):
            weights(tmp_path)


def test_folders_that_hold_something_else(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no folder"):
        weights(tmp_path / "none")
    with pytest.raises(UserError, match=r"no config.json in"):
        weights(tmp_path)
    (tmp_path / "adapter_config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match="holds adapters alone: merge them into their model first"):
        weights(tmp_path)
