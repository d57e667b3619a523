"""What every test shares: the repository, an environment in which nothing of the caller's store leaks, tiny models.

The tiny models are random checkpoints with a byte-level tokenizer and a chat template in which padding is the end of
a turn.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
# what a build needs of the repository; data/ may hold a person's own corpora
TREE = [
    "Snakefile",
    ".dvcignore",
    ".gitignore",
    "pyproject.toml",
    "dvc.yaml",
    "rules",
    "profiles",
    "config",
    "domainlm",
    "envs",
    "data/instruction",
    ".dvc/config",
    ".dvc/.gitignore",
]


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(autouse=True)
def _no_store_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOMAINLM_STORE", raising=False)


@pytest.fixture(scope="session")
def copy_tree() -> Callable[[Path], Path]:
    """copy_tree(target): a copy of the repository's files in which commands can be run."""

    def copy(target: Path) -> Path:
        for name in TREE:
            source = REPOSITORY / name
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copyfile(source, target / name)
        return target

    return copy


@pytest.fixture(scope="session")
def tree_environment() -> Callable[..., dict[str, str]]:
    """tree_environment(tree, changes): environment in which `python -m domainlm`, snakemake and dvc use the tree."""

    def environment(tree: Path, changes: Mapping[str, str] = {}) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name != "DOMAINLM_STORE"}
        commands = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
        return {**kept, "PATH": commands, "PYTHONPATH": str(tree), "HF_HUB_OFFLINE": "1", **changes}

    return environment


CHAT_TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def write_tokenizer(folder: Path, pad: str) -> int:
    """Byte-level tokenizer without merges; returns how many ids it has."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    control = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(control + letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(control)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=pad, pad_token=pad)
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(folder)
    return len(control) + len(letters)


@pytest.fixture
def make_base(tmp_path: Path) -> Callable[..., Path]:
    """make_base(architecture="llama", dtype="float32", pad="<|im_end|>", **configuration): a base_model folder."""

    def make(architecture: str = "llama", dtype: str = "float32", pad: str = "<|im_end|>", **extra: Any) -> Path:
        import torch
        from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

        folder = tmp_path / f"{architecture}_{dtype}_{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        rows = write_tokenizer(folder, pad)
        shape: dict[str, Any] = {
            "vocab_size": rows + 5,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 256,
            "tie_word_embeddings": True,
            "initializer_range": 0.2,
            "bos_token_id": None,
            "eos_token_id": 2,
        } | extra
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

    return make


@pytest.fixture
def make_tokens(tmp_path: Path) -> Callable[..., Path]:
    """make_tokens(lengths, row_length): a token folder of random documents, the same rows for both splits' files."""

    def make(lengths: list[int], row_length: int = 32, vocabulary: int = 250, last_id: int = 0) -> Path:
        import numpy as np

        from domainlm.tokens.files import write_meta, write_split
        from domainlm.tokens.packing import TokenSequence

        folder = tmp_path / f"tokens_{len(list(tmp_path.iterdir()))}"
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

    return make
