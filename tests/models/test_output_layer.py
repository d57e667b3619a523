from __future__ import annotations

from typing import Any

import pytest
import torch
from material.tiny_models import write_architecture

from domainlm.contract import StageError
from domainlm.models.load import check_trainable, hidden_states, load_model
from domainlm.models.output_layer import OutputLayer, finished_logits, output_layer

LATENT = {"q_lora_rank": 16, "kv_lora_rank": 16, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8}
KINDS: list[tuple[str, dict[str, Any], tuple[bool, float, float | None]]] = [
    ("llama", {}, (False, 1.0, None)),
    ("phi", {"num_key_value_heads": 4}, (True, 1.0, None)),
    ("gemma2", {"final_logit_softcapping": 30.0, "head_dim": 8}, (False, 1.0, 30.0)),
    ("gemma2", {"final_logit_softcapping": None, "head_dim": 8}, (False, 1.0, None)),
    ("gemma3_text", {"final_logit_softcapping": 20.0, "head_dim": 8}, (False, 1.0, 20.0)),
    ("granite", {"logits_scaling": 6.0, "embedding_multiplier": 12.0}, (False, 1 / 6, None)),
    ("granite", {"logits_scaling": 1.0}, (False, 1.0, None)),
    ("cohere", {"logit_scale": 0.0625}, (False, 0.0625, None)),
    ("hyperclovax", {"logits_scaling": 6.0}, (False, 6.0, None)),
    ("minicpm3", {"hidden_size": 48, "dim_model_base": 16, "num_key_value_heads": 4, **LATENT}, (False, 1 / 3, None)),
]


@pytest.mark.parametrize(("kind", "values", "expected"), KINDS)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_output_layer_is_found(
    dtype: str, kind: str, values: dict[str, Any], expected: tuple[bool, float, float | None], tmp_path: Any
) -> None:
    model = load_model(write_architecture(tmp_path / "base", kind, dtype, **values), dtype)
    check_trainable(model)
    layer = output_layer(model)
    assert (layer.bias is not None, layer.scale, layer.soft_cap) == expected
    ids = torch.arange(3, 19)[None]
    with torch.no_grad():
        hidden = hidden_states(model, ids, torch.arange(16)[None])
        found = finished_logits(layer, (hidden @ layer.weight.t()).float())
        logits = model(input_ids=ids).logits.float()
    assert (found - logits).abs().max() < (1e-5 if dtype == "float32" else 0.02) * max(1.0, float(logits.abs().max()))


def test_a_soft_cap_that_small_logits_do_not_show_is_seen(tmp_path: Any) -> None:
    """Logits of a fresh model are so small that a cap changes no bit of them."""
    folder = write_architecture(tmp_path / "base", "llama", "bfloat16", initializer_range=1e-3)
    model: Any = load_model(folder, "bfloat16")
    plain = model(input_ids=torch.arange(3, 19)[None]).logits
    model.lm_head.register_forward_hook(lambda module, inputs, output: torch.tanh(output / 32) * 32)
    assert torch.equal(model(input_ids=torch.arange(3, 19)[None]).logits, plain)
    with pytest.raises(StageError, match=r"LlamaForCausalLM computes its logits by more.*sources\.<base_model>"):
        output_layer(model)


def test_a_step_beside_the_configured_ones_is_refused_and_they_are_named(tmp_path: Any) -> None:
    folder = write_architecture(tmp_path / "base", "cohere", "float32", logit_scale=0.0625)
    model: Any = load_model(folder, "float32")
    model.lm_head.register_forward_hook(lambda module, inputs, output: output + 1.0)
    with pytest.raises(StageError, match=r"and bias, with logit_scale of config\.json; expected no other step"):
        output_layer(model)


def test_the_probe_leaves_the_model_as_it_was(tmp_path: Any) -> None:
    model: Any = load_model(write_architecture(tmp_path / "base", "llama", "float32"), "float32")
    ids, state = torch.arange(3, 19)[None], torch.random.get_rng_state()
    before = model(input_ids=ids).logits
    output_layer(model)
    assert torch.equal(model(input_ids=ids).logits, before)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_logits_are_biased_then_scaled_then_capped() -> None:
    layer = OutputLayer(torch.zeros(2, 1), torch.tensor([1.0, -3.0]), 0.5, 2.0)
    found = finished_logits(layer, torch.tensor([[3.0, 3.0]]))
    assert found[0].tolist() == pytest.approx([2 * 0.76159416, 0.0])
