"""`model: tiny`: a real XLM-R of two small layers and a tokenizer trained on the data at hand, to try things out.

The tokenizer is BPE, since training a Unigram model gives another vocabulary in every process; BPE breaks ties by piece
numbers, so equal texts in any process give equal bytes (a test holds that). It splits as XLM-R's does (NFKC, white
space, `▁` before each word) with two additions that a few hundred sentences need: punctuation stands alone, and so does
every character of a script written without spaces. Otherwise a sentence seen twice becomes one piece, in which no
answer can be pointed at.

It does not aim at XLM-R's quality: it lets a whole study run in minutes, through the code that a large model takes.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel

from xtl.errors import DataError

#: XLM-R's marks, in the order of their ids here; `<s>` opens an input, `</s>` closes each of its parts.
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
LENGTH = 512  # pieces: the longest input, as XLM-R's
LONGEST_PIECE = 16  # characters: SentencePiece's default
_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"


def train_tokenizer(texts: Iterable[str], vocab_size: int = 8000) -> PreTrainedTokenizerFast:
    """A fast tokenizer of XLM-R's shape: `<s> A </s>`, pairs `<s> A </s></s> B </s>`, no token types.

    vocab_size: pieces, special ones included; more where the texts have more distinct characters than that (a character
    that is not in the texts becomes `<unk>`). The texts' order does not matter. Raises DataError where there is none.
    """
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Metaspace(),
            pre_tokenizers.Punctuation(),
            pre_tokenizers.Split(Regex(_UNSPACED), "isolated"),
        ]
    )
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=list(SPECIAL),
        show_progress=False,
        max_token_length=LONGEST_PIECE,
    )
    tokenizer.train_from_iterator(texts, trainer)
    if tokenizer.get_vocab_size() == len(SPECIAL):
        raise DataError("the grid's data", 0, "holds no text to train the tokenizer of `model: tiny` on")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", SPECIAL.index("<s>")), ("</s>", SPECIAL.index("</s>"))],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_max_length=LENGTH,
        model_input_names=["input_ids", "attention_mask"],
    )


def make_encoder(
    tokenizer: PreTrainedTokenizerFast, *, seed: int, layers: int = 2, hidden: int = 64, heads: int = 4
) -> XLMRobertaModel:
    """An untrained XLM-R without its pooling layer. The seed alone decides its weights; torch's generator stays put.

    Attention has no dropout, which would cost most of a CPU's time here. Weights start at 1/sqrt(hidden), 0.125 at 64:
    XLM-R's 0.02, chosen for 768 and more, learns slowly in narrow layers.
    """
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * hidden,
        max_position_embeddings=LENGTH + 2,  # XLM-R counts positions from pad_token_id + 1
        type_vocab_size=1,
        attention_probs_dropout_prob=0.0,  # on a CPU, torch's fast attention knows no dropout
        initializer_range=hidden**-0.5,
        bos_token_id=tokenizer.bos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return XLMRobertaModel(config, add_pooling_layer=False)
