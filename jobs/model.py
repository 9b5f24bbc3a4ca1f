"""Encoders: loaded whole or not at all, and saved so that a plain `AutoModel.from_pretrained` finds every weight.

An encoder folder holds config.json, model.safetensors and the tokenizer's files. Checkpoints of pretrained models come
with heads of their own, which are dropped when a model is fetched; between stages nothing may be missing or left over
(jiant once matched the wrong prefix for XLM-R and trained on random encoders unnoticed).
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForTextEncoding,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from xtl.architectures import Reads, architecture_of
from xtl.errors import ModelError, UserError
from xtl.fit import QUANTISED
from xtl.model_folder import no_tokenizer, no_weights

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()

#: What pretraining and fine-tuning put on top of an encoder: dropped when a model is fetched, and nothing else is.
HEADS = ("lm_head.", "cls.", "predictions.", "mask_predictions.", "lm_predictions.", "classifier.", "qa_outputs.",
         "score.", "pooler.", "embeddings.position_ids", "discriminator_predictions.",
         "generator_predictions.")  # fmt: skip

#: Beside the encoder, of a decoder whose head is not its embeddings.
HEAD = "lm_head.safetensors"


def load_encoder(folder: Path, *, fetched: bool = False, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """The encoder (of a decoder: what lies below its language-model head) in `dtype`, without its pooler. Raises
    ModelError with the names of missing or unexpected weights.

    fetched: as a hub has it: weights of pretraining heads may be left over, numbers stay as wide as they are, and where
    the model is more than a text encoder (pictures, a decoder beside), that alone is given.
    """
    if why := no_weights(folder):
        raise ModelError(f"{folder.name}: {why}")
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        known = architecture_of(config.model_type)
        if getattr(config, "quantization_config", None):
            raise ModelError(f"{folder.name}: {QUANTISED}")
        kind = AutoModelForTextEncoding if known and known.encoder_only else AutoModel
        model, info = kind.from_pretrained(
            folder,
            config=config,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype="auto" if fetched else dtype,
            output_loading_info=True,
            **_without_pooler(config),
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        said = _first_line(error)
        if "does not recognize this architecture" in said:  # its advice is a newer transformers, which is pinned
            said = (
                f"its model_type is none that transformers {transformers.__version__} knows; no model's own code is run"
            )
        raise ModelError(f"{folder.name}: not a model that transformers loads: {said}") from error
    _check_weights(folder, info, may_drop=(*HEADS, *(known.drops if known else ())) if fetched else ())
    if fetched and known and known.inner:
        model = getattr(model, known.inner)
    if known is None or known.causal:
        model.config.use_cache = False  # of keys and values, for generation: nothing here generates
    return model


def _check_weights(folder: Path, info: dict[str, Any], *, may_drop: tuple[str, ...]) -> None:
    left_over = [name for name in info["unexpected_keys"] if not _is_of(name, may_drop)]
    wrong = {
        "missing": sorted(info["missing_keys"]),
        "unexpected": sorted(left_over),
        "of another shape": sorted(str(name) for name in info.get("mismatched_keys", ())),
    }
    for what, names in wrong.items():
        if names:
            shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
            raise ModelError(f"{folder.name}: {len(names)} encoder weights {what}: {shown}")


def _is_of(name: str, parts: tuple[str, ...]) -> bool:
    return any(name.startswith(part) or f".{part}" in name for part in parts)


def see_all(encoder: PreTrainedModel) -> None:
    """Open a causal model's attention to what follows (`attention: bidirectional`). Raises UserError for one that
    cannot be opened."""
    known = architecture_of(encoder.config.model_type)
    if known is None or not known.bidirectional:
        raise UserError(f"attention: a model of type {encoder.config.model_type} cannot be made bidirectional")
    encoder.config.is_causal = False  # which masks transformers makes
    for module in encoder.modules():  # what attention does where there is none
        if hasattr(module, "is_causal"):
            module.is_causal = False  # type: ignore[assignment]


def is_causal(encoder: PreTrainedModel) -> bool:
    """Whether a piece's vector is the same whatever follows it: tried out, not believed."""
    first, second, third = (min(id_, encoder.config.vocab_size - 1) for id_ in (11, 12, 13))
    inputs = torch.tensor([[first, second], [first, third]], device=encoder.device)
    was_training = encoder.training
    encoder.eval()
    with torch.inference_mode():
        seen = encoder(input_ids=inputs, attention_mask=torch.ones_like(inputs)).last_hidden_state[:, 0].float()
    encoder.train(was_training)
    return bool((seen[0] - seen[1]).abs().max() <= 1e-3 * seen.abs().max())


def reads(encoder: PreTrainedModel) -> Reads:
    """Where an input is read; an architecture that is not in the table is told by its attention."""
    if known := architecture_of(encoder.config.model_type):
        return known.reads
    return "last" if is_causal(encoder) else "first"


def _without_pooler(config: Any) -> dict[str, Any]:
    """`add_pooling_layer=False` where the architecture knows it: no family here uses a pooler."""
    from transformers import MODEL_MAPPING

    kind: Any = MODEL_MAPPING.get(type(config), None)
    known = kind is not None and "add_pooling_layer" in inspect.signature(kind).parameters
    return {"add_pooling_layer": False} if known else {}


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The fast tokenizer of an encoder folder. Raises ModelError where there is none: spans need character offsets."""
    if why := no_tokenizer(folder):
        raise ModelError(f"{folder.name}: {why}")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, use_fast=True)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{folder.name}: no tokenizer that transformers loads: {_first_line(error)}") from error
    if not tokenizer.is_fast:
        raise ModelError(f"{folder.name}: its tokenizer gives no character offsets; a tokenizer.json is needed")
    return tokenizer


def pad(tokenizer: PreTrainedTokenizerBase) -> int:
    """What fills up a batch; any piece does, for nothing sees it. Tokenizers of decoders often have no mark for it."""
    known = (tokenizer.pad_token_id, tokenizer.eos_token_id, 0)
    return int(next(mark for mark in known if mark is not None))


def longest_input(encoder: PreTrainedModel) -> int:
    """Word pieces that the encoder has positions for, special ones included. RoBERTa's kind counts positions from the
    padding piece's id + 1, so its table holds fewer inputs than rows."""
    config = encoder.config
    known = architecture_of(config.model_type)
    padded = known.padded_positions if known else _positions_know_padding(encoder)
    first = config.pad_token_id + 1 if padded else 0
    return int(getattr(config, "max_position_embeddings", sys.maxsize)) - first


def _positions_know_padding(encoder: PreTrainedModel) -> bool:
    """Whether the table of positions has a row for padding, which fairseq's models count from."""
    tables = (module for name, module in encoder.named_modules() if name.endswith("position_embeddings"))
    return any(getattr(table, "padding_idx", None) is not None for table in tables)


def check_vocabulary(encoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    """That every piece has a vector. Raises ModelError."""
    rows: int = encoder.get_input_embeddings().weight.shape[0]  # type: ignore[assignment, index]
    if len(tokenizer) > rows:
        raise ModelError(
            f"{name}: the tokenizer has {len(tokenizer):,} pieces and the embeddings {rows:,} rows: save the tokenizer "
            "that the model was trained with, or resize the embeddings"
        )


def save_encoder(encoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """config.json, model.safetensors (one file) and the tokenizer."""
    encoder.save_pretrained(folder, max_shard_size="100GB")
    tokenizer.save_pretrained(folder)


def save_head(place: Path, encoder: PreTrainedModel, folder: Path) -> bool:
    """A decoder's language-model head, where it is not its embeddings: what a prompted arm writes with. False where
    there is none."""
    if getattr(encoder.config, "tie_word_embeddings", True):
        return True
    for path in sorted(place.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            if name := next(
                (name for name in list(file.keys()) if name in ("lm_head.weight", "model.lm_head.weight")), None
            ):
                save_file({"weight": file.get_tensor(name)}, folder / HEAD)
                return True
    return False


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
