from __future__ import annotations

import json
from pathlib import Path

import pytest
from material.model_shapes import QWEN_14B, configuration, random_model

from domainlm.explain.model_shape import KINDS, Shape, UnknownShape, read_shape, shape_of


@pytest.mark.parametrize("is_tied", [True, False])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_parameters_are_those_of_the_model(kind: str, is_tied: bool) -> None:
    config = configuration(kind, tie_word_embeddings=is_tied)
    model = random_model(config)
    shape = shape_of(config.to_dict())
    assert shape.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert shape.is_exact
    assert shape.is_tied == is_tied


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_a_config_leaves_out_is_transformers_default(kind: str) -> None:
    config = configuration(kind)
    written = json.loads(config.to_json_string(use_diff=True))
    assert shape_of(written) == shape_of(config.to_dict())


def test_stored_weights_are_counted(tmp_path: Path) -> None:
    config = configuration("qwen2", tie_word_embeddings=True)
    random_model(config).save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    expected = shape_of(config.to_dict()).parameters
    # a type that no formula knows is counted all the same
    values = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "config.json").write_text(json.dumps({**values, "model_type": "novel"}), encoding="utf-8")
    found = read_shape(tmp_path)
    assert (found.parameters, found.is_exact) == (expected, True)


def test_a_tied_output_layer_that_is_stored_again_counts_once(tmp_path: Path) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    (tmp_path / "config.json").write_text(json.dumps({**QWEN_14B, "tie_word_embeddings": True}), encoding="utf-8")
    table = np.zeros((300, 32), dtype=np.float16)
    tensors = {"model.embed_tokens.weight": table, "lm_head.weight": table, "model.norm.weight": table[0]}
    save_file(tensors, tmp_path / "model.safetensors")
    assert read_shape(tmp_path).parameters == 300 * 32 + 32


def test_the_shape_of_qwen_14b() -> None:
    shape = shape_of(QWEN_14B)
    assert (shape.parameters, shape.linear_parameters) == (14_770_033_664, 13_212_057_600)
    assert (shape.query_width, shape.key_width, shape.table_parameters) == (5120, 1024, 1_557_135_360)


def test_a_mixture_s_token_passes_few_experts() -> None:
    shape = shape_of(configuration("mixtral").to_dict())
    # two of four experts of three layers, each of three products
    assert shape.parameters - shape.active_parameters == 3 * 2 * 3 * 32 * 72
    assert {each.name for each in shape.linears} == {"q_proj", "k_proj", "v_proj", "o_proj"}


def test_an_unknown_kind_is_estimated_and_says_so() -> None:
    llama: Shape = shape_of({**QWEN_14B, "model_type": "llama"})
    found = shape_of({**QWEN_14B, "model_type": "novel"})
    assert (found.parameters, found.is_exact, llama.is_exact) == (llama.parameters, False, True)
    assert not shape_of({**QWEN_14B, "model_type": "qwen3_moe", "num_experts": 4, "decoder_sparse_step": 2}).is_exact


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "config.json has no hidden_size"),
        ('{"hidden_size": -5}', "config.json has no hidden_size"),
        ('{"hidden_size": true}', "config.json has no hidden_size"),
        ("[1]", "holds no object"),
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
    ],
)
def test_what_says_nothing_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "config.json").write_text(text, encoding="utf-8")
    with pytest.raises(UnknownShape, match=said):
        read_shape(tmp_path)


@pytest.mark.parametrize("data", [b"", b"\xff" * 64, (9).to_bytes(8, "little") + b"{" * 9])
def test_a_file_without_a_header_is_not_counted(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "config.json").write_text(json.dumps(QWEN_14B), encoding="utf-8")
    (tmp_path / "model.safetensors").write_bytes(data)
    assert read_shape(tmp_path).parameters == 14_770_033_664
