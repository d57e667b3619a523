"""Tiny models of random weights, their tokenizers, and tokens to train them on.

In: a folder. Out: a checkpoint as a source has it, a `base_model` folder, a `pt_tokens` folder. Weights are drawn from a fixed seed.
torch and its family are imported where they are needed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

CHAT_TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
# of a model of two layers
SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
    "bos_token_id": None,
}


def _byte_level(model: Any) -> Any:
    from tokenizers import Tokenizer, decoders, pre_tokenizers

    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _save(tokenizer: Any, folder: Path, **tokens: str) -> int:
    from transformers import PreTrainedTokenizerFast

    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **tokens)
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(folder)
    return int(tokenizer.get_vocab_size())


def write_tokenizer(folder: Path, pad: str) -> int:
    """Byte-level tokenizer without merges; returns how many ids it has."""
    from tokenizers import models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = _byte_level(models.BPE(vocab={letter: i for i, letter in enumerate([*CONTROL, *letters])}, merges=[]))
    tokenizer.add_special_tokens(list(CONTROL))
    return _save(tokenizer, folder, eos_token=pad, pad_token=pad)


def write_trained_tokenizer(folder: Path, texts: Iterable[str], **tokens: str) -> int:
    """Byte-level tokenizer of 400 ids, trained on these texts; returns how many ids it has. tokens: eos_token, pad_token."""
    from tokenizers import models, pre_tokenizers, trainers

    tokenizer = _byte_level(models.BPE())
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=list(CONTROL), initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return _save(tokenizer, folder, **tokens)


def sentencepiece() -> Any:
    """A tokenizer that puts a blank before a text, and writes blanks as Llama 2's does."""
    from tokenizers import Tokenizer, models, normalizers

    pieces = ["<unk>", "<s>", "</s>", "\u2581", "A", "\u2581A", "r", "a", ".", "[", "]", "](", "(", "q"]
    merges = [("\u2581", "A"), ("]", "(")]
    tokenizer = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, merges, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    tokenizer.add_special_tokens(["<s>", "</s>"])
    return tokenizer


def write_model(folder: Path, text: str) -> None:
    """A random Llama of two layers and a small BPE tokenizer with a chat template, in which padding is the end of text."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    rows = write_trained_tokenizer(folder, [text], eos_token=CONTROL[0], pad_token=CONTROL[0])
    config = LlamaConfig(**SHAPE, vocab_size=rows, max_position_embeddings=512, eos_token_id=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        LlamaForCausalLM(config).save_pretrained(folder)


def write_base(folder: Path, architecture: str, dtype: str, pad: str, **configuration: Any) -> Path:
    """A `base_model` folder, its ids and weights; padding is `pad`, the end of text or of a turn."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

    folder.mkdir()
    rows = write_tokenizer(folder, pad)
    own = {"vocab_size": rows + 5, "max_position_embeddings": 256, "initializer_range": 0.2, "eos_token_id": 2}
    shape: dict[str, Any] = {**SHAPE, **own, **configuration}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if architecture == "llama":
            model: Any = LlamaForCausalLM(LlamaConfig(**shape))
        else:
            model = Qwen2ForCausalLM(Qwen2Config(**shape))
    model.to(getattr(torch, dtype)).save_pretrained(folder)
    tokens = {
        "end_of_text": "<|endoftext|>",
        "end_of_text_id": 0,
        "turn_end": "<|im_end|>",
        "turn_end_id": 2,
        "pad_id": 0 if pad == "<|endoftext|>" else 2,
        "vocab_size": rows + 5,
    }
    (folder / "tokens.json").write_text(json.dumps(tokens), encoding="utf-8")
    return folder


def write_architecture(folder: Path, kind: str, dtype: str = "float32", **values: Any) -> Path:
    """A checkpoint of random weights of any architecture, of 300 ids, without a tokenizer."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    own = {"vocab_size": 300, "max_position_embeddings": 256, "initializer_range": 0.2}
    ends = {"eos_token_id": 0, "pad_token_id": 0}
    config = AutoConfig.for_model(kind, **{**SHAPE, **own, **ends, **values})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: Any = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    model.to(getattr(torch, dtype)).save_pretrained(folder)
    return folder


def with_added_tokens(base: Path, ids: Sequence[int] = (40, 41, 42)) -> Path:
    """The base model, as if these of its tokens were those of `base_model.added_tokens`."""
    path = base / "tokens.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**values, "added_token_ids": list(ids)}), encoding="utf-8")
    return base


def write_tokens(folder: Path, lengths: list[int], row_length: int, vocabulary: int, last_id: int) -> Path:
    """A token folder of random documents of these lengths, the same number of rows in both splits' files."""
    import numpy as np

    from domainlm.tokens.files import write_meta, write_split
    from domainlm.tokens.packing import TokenSequence

    folder.mkdir()
    random = np.random.default_rng(3)
    figures = {}
    for split in ("train", "validation"):
        sequences = []
        for index, length in enumerate(lengths):
            ids = random.integers(3, vocabulary, size=length).astype(np.int32)
            ids[-1] = last_id
            sequences.append(TokenSequence(f"{split}{index}", "s", ids, np.ones(length, dtype=np.uint8)))
        figures[split] = write_split(folder, split, sequences, row_length, 2)
    write_meta(folder, figures, row_length, 2, last_id)
    return folder
