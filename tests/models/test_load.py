from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from domainlm.contract import StageError
from domainlm.models.load import (
    PROBE_TOKENS,
    _is_rounding,
    check_trainable,
    hidden_states,
    load_model,
    probe_ids,
)
from domainlm.models.output_layer import output_layer
from domainlm.models.rows import batch_tensors
from domainlm.tokens.packing import Piece, TokenSequence, fill_row
from domainlm.tokens.rows import read_split


@pytest.mark.parametrize("architecture", ["llama", "qwen2"])
def test_packed_logits_equal_unpacked(architecture: str, make_base: Callable[..., Path]) -> None:
    model = load_model(make_base(architecture), "float32")
    random = np.random.default_rng(0)
    sequences = [
        TokenSequence(str(n), "s", random.integers(3, 250, n).astype(np.int32), np.ones(n, np.uint8))
        for n in (1, 17, 9, 20)
    ]
    ids, positions, mask = np.full(64, 2, np.int32), np.zeros(64, np.int32), np.zeros(64, np.uint8)
    pieces = [Piece(i, 0, len(s.ids)) for i, s in enumerate(sequences)]
    segments = fill_row(pieces, sequences, 0, ids, positions, mask)
    with torch.no_grad():
        packed = hidden_states(model, *(torch.from_numpy(a.astype(np.int64))[None] for a in (ids, positions)))
        logits = packed @ output_layer(model).weight.t()
        for segment, sequence in zip(segments, sequences, strict=True):
            alone = model(input_ids=torch.from_numpy(sequence.ids.astype(np.int64))[None]).logits
            assert (logits[:, segment.start : segment.end] - alone).abs().max() < 1e-4


def test_tiny_models_may_be_trained(make_base: Callable[..., Path]) -> None:
    for architecture in ("llama", "qwen2"):
        for dtype in ("float32", "bfloat16"):
            check_trainable(load_model(make_base(architecture), dtype))


def test_an_output_layer_with_a_scale_is_refused(make_base: Callable[..., Path]) -> None:
    model: Any = load_model(make_base("llama", tie_word_embeddings=False), "float32")
    model.lm_head.register_forward_hook(lambda module, inputs, output: output * 0.5)
    with pytest.raises(StageError, match="LlamaForCausalLM computes its logits"):
        check_trainable(model)


def test_a_decoder_that_is_given_more_than_tokens_is_refused(make_base: Callable[..., Path]) -> None:
    model: Any = load_model(make_base("llama"), "float32")
    whole = model.forward

    def forward(**given: Any) -> Any:
        return whole(**given | {"input_ids": given["input_ids"] + 1})

    model.forward = forward
    with pytest.raises(StageError, match="gives its decoder more than tokens and positions"):
        check_trainable(model)


def test_attention_across_segments_is_refused(make_base: Callable[..., Path]) -> None:
    model: Any = load_model(make_base("llama"), "float32")
    model.model.register_forward_pre_hook(
        lambda module, args, kwargs: (args, kwargs | {"position_ids": None}), with_kwargs=True
    )
    with pytest.raises(StageError, match="see the one before it"):
        check_trainable(model)


def mixture(**values: Any) -> Any:
    from transformers import MixtralConfig, MixtralForCausalLM

    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    experts = {"num_key_value_heads": 2, "num_local_experts": 4, "num_experts_per_tok": 2, "vocab_size": 200}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = MixtralForCausalLM(MixtralConfig(**shape, **experts, initializer_range=0.2, **values))
    return model.requires_grad_(False).eval()


def test_a_mixture_of_experts_is_not_refused_for_rounding() -> None:
    check_trainable(mixture())


def test_a_change_by_rounding_is_told_from_a_document_that_is_seen() -> None:
    model: Any = mixture()
    ids = probe_ids(model)
    seen = hidden_states(model, ids + 1, torch.arange(ids.shape[1])[None]) - hidden_states(
        model, ids, torch.arange(ids.shape[1])[None]
    )
    assert _is_rounding(model, seen[:, PROBE_TOKENS:] * 1e-3, ids, ids + 1)
    assert not _is_rounding(model, seen[:, PROBE_TOKENS:] * 0.5, ids, ids + 1)
    model.model.register_forward_pre_hook(
        lambda module, args, kwargs: (args, kwargs | {"position_ids": None}), with_kwargs=True
    )
    with pytest.raises(StageError, match="see the one before it"):
        check_trainable(model)


def test_batches_are_int64_tensors(make_tokens: Callable[..., Path]) -> None:
    rows = read_split(make_tokens([20, 30, 10]), "train")
    ids, positions, mask = batch_tensors(rows, [1, 0])
    assert (ids.dtype, positions.dtype, mask.dtype) == (torch.int64, torch.int64, torch.uint8)
    assert ids[0].tolist() == rows.ids[1].tolist()
