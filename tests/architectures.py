"""Every architecture of the table as a small random model, made from its own configuration class, with a tokenizer of
its kind: no weights of any hub are at hand."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModel, AutoModelForTextEncoding, PreTrainedModel, PreTrainedTokenizerFast
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from jobs.tiny import train_tokenizer
from xtl.architectures import ARCHITECTURES

SIZE, LAYERS, HEADS = 32, 2, 4
_COMMON = {"hidden_size": SIZE, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "intermediate_size": 64}
_ROPE = {"num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 600}
_OWN: dict[str, dict[str, Any]] = {
    "xlm-roberta": {"max_position_embeddings": 514},
    "xlm-roberta-xl": {"max_position_embeddings": 514},
    "roberta": {"max_position_embeddings": 514},
    "camembert": {"max_position_embeddings": 514},
    # Sliding windows shorter than the inputs, as mmBERT's are; one layer of each kind.
    "modernbert": {"local_attention": 16, "global_attn_every_n_layers": 2, "cls_token_id": 0, "sep_token_id": 2},
    "eurobert": {"num_key_value_heads": 2},
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False},
    "rembert": {"input_embedding_size": 16, "output_embedding_size": 24},
    "mt5": {"d_model": SIZE, "d_kv": 8, "d_ff": 64, "num_layers": LAYERS, "num_heads": HEADS},
    "umt5": {"d_model": SIZE, "d_kv": 8, "d_ff": 64, "num_layers": LAYERS, "num_heads": HEADS},
    "qwen2": _ROPE,
    "qwen3": _ROPE,
    "gemma3_text": {**_ROPE, "sliding_window": 16, "layer_types": ["sliding_attention", "full_attention"],
                    "query_pre_attn_scalar": 8},
    "llama": _ROPE,
    "mistral": {**_ROPE, "sliding_window": 16},
    "apertus": _ROPE,
    "smollm3": {**_ROPE, "no_rope_layers": [1, 0]},
    "bloom": {"n_layer": LAYERS, "n_head": HEADS},
}  # fmt: skip
#: Of pictures and text; its text model is gemma3_text's.
WITHOUT_A_SMALL_ONE = ("gemma3",)
KINDS = tuple(kind for kind in ARCHITECTURES if kind not in WITHOUT_A_SMALL_ONE)


@cache
def byte_tokenizer(texts: tuple[str, ...], size: int = 400) -> PreTrainedTokenizerFast:
    """As decoders have them: byte pieces, an end mark, and neither a padding mark nor marks around a text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=["<|end|>", "<|im_start|>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", model_max_length=512)


@cache
def word_tokenizer(texts: tuple[str, ...]) -> PreTrainedTokenizerFast:
    return train_tokenizer(texts, 400)


def tokenizer_for(kind: str, texts: Iterable[str]) -> PreTrainedTokenizerFast:
    return (byte_tokenizer if ARCHITECTURES[kind].causal else word_tokenizer)(tuple(texts))


def make(kind: str, vocabulary: int, *, seed: int = 0, **more: Any) -> PreTrainedModel:
    """An untrained model in evaluation mode, without dropout."""
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "attention_dropout": 0.0,
             "dropout_rate": 0.0, "hidden_dropout": 0.0, "embedding_dropout": 0.0, "mlp_dropout": 0.0}  # fmt: skip
    common = {} if kind in ("mt5", "umt5") else {"hidden_size": SIZE} if kind == "bloom" else _COMMON
    config = CONFIG_MAPPING[kind](
        **{**common, **_OWN.get(kind, {}), **more},
        vocab_size=vocabulary,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
    )
    for name, value in still.items():
        if hasattr(config, name):
            setattr(config, name, value)
    known = ARCHITECTURES[kind]
    torch.manual_seed(seed)
    auto = AutoModelForTextEncoding if known.encoder_only else AutoModel
    pooler = (
        {"add_pooling_layer": False} if kind in ("bert", "rembert") or "roberta" in kind or kind == "camembert" else {}
    )
    model = auto.from_config(config, **pooler).eval()
    model.config.use_cache = False
    with torch.no_grad():  # random weights as small as most initialisers make them hide what attention does
        for value in model.parameters():
            if value.dim() > 1:
                value.mul_(4.0)
    return model
