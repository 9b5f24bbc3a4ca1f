"""A model's folder, looked at before anything runs: whether its files are there and whole, and which weights they hold.
Headers alone are read, no weight."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from xtl.errors import UserError

#: The files that hold a tokenizer's vocabulary; a model comes with one of them at least.
VOCABULARIES = ("tokenizer.json", "sentencepiece.bpe.model", "spiece.model", "tokenizer.model", "vocab.txt",
                "vocab.json")  # fmt: skip

_MOST_HEADER = 100 << 20  # bytes; the format's own bound

Shapes = Mapping[str, tuple[int, ...]]


def weights(folder: Path) -> Shapes:
    """The shape of every weight, by its name in the files. Raises UserError for a folder that is no whole model: what
    is not there or damaged, and what to do."""
    if not folder.is_dir():
        raise UserError(f"model: there is no folder {folder}")
    if not (folder / "config.json").is_file():
        if (folder / "adapter_config.json").is_file():
            raise UserError(f"model: {folder} holds adapters alone: merge them into their model first, and save that")
        raise UserError(f"model: no config.json in {folder}: a model folder holds config.json, weights and a tokenizer")
    if why := no_weights(folder) or no_tokenizer(folder):
        raise UserError(f"model: {folder}: {why}")
    return {name: shape for file in sorted(folder.glob("*.safetensors")) for name, shape in _header(file).items()}


def no_weights(folder: Path) -> str:
    """Empty where there are some that xtl reads."""
    if any(folder.glob("*.safetensors")):
        return ""
    if pickled := sorted(path.name for path in folder.glob("*.bin")):
        return (
            f"no .safetensors file ({', '.join(pickled)}). xtl never unpickles: convert the weights with "
            "`save_pretrained(..., safe_serialization=True)` and try again"
        )
    return "no weights in it, no .safetensors file: copy the whole folder"


def no_tokenizer(folder: Path) -> str:
    """Empty where there is one; transformers would make up an empty one."""
    if any((folder / name).is_file() for name in VOCABULARIES):
        return ""
    return f"no tokenizer in it, none of {', '.join(VOCABULARIES)}: save the model's tokenizer into it"


def _header(file: Path) -> dict[str, tuple[int, ...]]:
    """Of the safetensors format: 8 bytes of length, JSON, then the numbers."""
    size = file.stat().st_size
    try:
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            if length > min(size, _MOST_HEADER):
                raise ValueError
            entries = json.loads(opened.read(length))
        entries.pop("__metadata__", None)
        end = 8 + length + max((entry["data_offsets"][1] for entry in entries.values()), default=0)
        shapes = {str(name): tuple(map(int, entry["shape"])) for name, entry in entries.items()}
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        raise UserError(f"model: {file} is no safetensors file, or damaged: copy it again") from None
    if end != size:
        raise UserError(f"model: {file} is not whole, {size} of {end} bytes: copy it again")
    return shapes
