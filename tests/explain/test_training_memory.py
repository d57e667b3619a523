"""The planner's activations against what autograd keeps, and its parts against plain arithmetic."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from material.model_shapes import QWEN_14B, configuration, random_model

from domainlm.explain.model_shape import shape_of
from domainlm.explain.training_memory import (
    Job,
    Machine,
    adapted,
    block_bytes,
    trainable_parameters,
    training_memory,
)

ROW = 64
# kinds of which each block's bytes are found to the byte, and others with the largest share that is left out: a
# gemma's weights in fp32, a mixture's indices
SHARES = {
    "llama": 0.0,
    "qwen2": 0.0,
    "qwen3": 0.0,
    "gpt2": 0.0,
    "gemma": 0.01,
    "gemma2": 0.01,
    "gemma3_text": 0.01,
    "mixtral": 0.01,
    "phi3": 0.0,
}


def kept_bytes(kind: str, layers: int, job: Job) -> int:
    """Bytes that autograd keeps for the backward pass of one row of two documents, weights left out."""
    import torch

    from domainlm.config.training import Training
    from domainlm.models.document_attention import use_document_attention
    from domainlm.models.load import hidden_states
    from domainlm.models.lora import new_adapter

    more = {"n_layer" if kind == "gpt2" else "num_hidden_layers": layers, "attention_bias": False, "mlp_bias": False}
    config = configuration(kind, **more)
    attention = "eager" if kind == "gemma2" else "sdpa"
    model = random_model(config, attn_implementation=attention)
    model = model.to(getattr(torch, job.precision)).eval().requires_grad_(job.method == "full")
    use_document_attention(model)
    if job.method == "lora":
        model = new_adapter(model, Training(rank=job.rank), 0).get_base_model()
    own = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    found: dict[int, tuple[int, Any]] = {}

    def keep(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            # the tensor is held, so that no other one takes its place
            found[storage.data_ptr()] = storage.nbytes(), tensor
        return tensor

    ids = torch.arange(ROW).unsqueeze(0)
    positions = torch.arange(ROW // 2).repeat(2).unsqueeze(0)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        if job.method == "p_tuning":
            # what virtual tokens are: a gradient that reaches frozen blocks
            inputs = model.get_input_embeddings()(ids).detach().requires_grad_(True)
            decoder = getattr(model, model.base_model_prefix)
            decoder(inputs_embeds=inputs, position_ids=positions, use_cache=False)
        else:
            hidden_states(model, ids, positions)
    return sum(size for size, _ in found.values())


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("method", ["lora", "full", "p_tuning"])
@pytest.mark.parametrize("kind", SHARES)
def test_a_block_keeps_what_autograd_keeps(kind: str, method: Any, precision: str) -> None:
    job = Job(method=method, precision=precision, rank=5, window=ROW)
    # the difference of three and two blocks is one block
    measured = kept_bytes(kind, 3, job) - kept_bytes(kind, 2, job)
    shape = shape_of(configuration(kind, attention_bias=False, mlp_bias=False).to_dict())
    planned = block_bytes(shape, job, Machine()) * ROW
    if method == "lora":
        # the scaled B of every adapter, in bf16 its A, too
        planned += sum(5 * (e.outputs + (e.inputs if job.width == 2 else 0)) * job.width for e in adapted(shape, job))
    assert planned <= measured
    assert measured - planned <= SHARES[kind] * measured


@pytest.mark.parametrize("kind", [*SHARES, "qwen3_moe"])
@pytest.mark.parametrize("targets", ["all-linear", ["q_proj", "v_proj"]])
def test_trained_parameters_are_those_of_the_adapter(kind: str, targets: Any) -> None:
    from domainlm.config.training import Training
    from domainlm.models.lora import new_adapter

    if kind in ("gpt2", "phi3") and targets != "all-linear":
        targets = ["c_attn"] if kind == "gpt2" else ["qkv_proj"]
    config = configuration(kind)
    section = Training(rank=3, target_modules=targets)
    model = new_adapter(random_model(config), section, 0)
    expected = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    job = Job(rank=3, targets=targets)
    assert trainable_parameters(shape_of(config.to_dict()), job) == expected


SHAPE = shape_of(QWEN_14B)
CARD = Machine("gpu")
LORA = Job(rank=16, window=4096)


def parts(job: Job, machine: Machine = CARD) -> dict[str, int]:
    return training_memory(SHAPE, job, machine).parts


def test_lora_of_a_14b() -> None:
    found = parts(LORA)
    # rank x (in + out): 4 layers of attention, 3 of feed-forward, 48 blocks
    trained = 48 * 16 * (2 * 10240 + 2 * 6144 + 3 * 18944)
    assert trainable_parameters(SHAPE, LORA) == trained == 68_812_800
    assert found["weights"] == 2 * 14_770_033_664
    assert (found["adapter"], found["gradients"], found["optimiser"]) == (4 * trained, 4 * trained, 8 * trained)
    # 256 rows of logits in bf16 and fp32, more than what passes backwards at 512 tokens
    assert parts(replace(LORA, window=512))["loss"] == 256 * 152064 * 6 + 2 * 512 * 5120 * 2


@pytest.mark.parametrize(("precision", "each"), [("bfloat16", 2 + 2 + 4 + 4 + 8), ("float32", 4 + 4 + 4 + 8)])
def test_full_training_takes_20_bytes_a_parameter(precision: str, each: int) -> None:
    """Weights, a row's gradients, their fp32 sum, fp32 masters of 16-bit weights, two moments."""
    found = parts(replace(LORA, method="full", precision=precision))
    assert found["weights"] + found["gradients"] + found["optimiser"] == each * SHAPE.parameters
    assert found["adapter"] == 0


def test_qlora_stores_linear_layers_in_4_bits() -> None:
    # 4 bits, 8 for 64 weights, 32 for 64 x 256 weights
    quantised = 13_212_057_600 * (4 + 0.125 + 0.001953125) / 8
    assert parts(replace(LORA, method="qlora"))["weights"] == round(quantised + 2 * (14_770_033_664 - 13_212_057_600))


def test_p_tuning_trains_keys_and_values() -> None:
    job = replace(LORA, method="p_tuning", virtual_tokens=20)
    assert trainable_parameters(SHAPE, job) == 48 * 2 * 1024 * 20
    # no layer needs its input for a gradient
    assert parts(job)["activations"] < parts(LORA)["activations"]


def test_checkpointing_keeps_the_inputs_of_blocks() -> None:
    found = parts(replace(LORA, is_checkpointed=True))["activations"]
    block = block_bytes(SHAPE, LORA, CARD)
    inputs = 48 * 5120 * 2
    copies = 48 * 16 * 2 * (2 * 10240 + 2 * 6144 + 3 * 18944)
    assert found == 4096 * (inputs + block + 2 * 128 * 2 + 5120 * 4) + copies


def test_zero_3_divides_all_states_and_gathers_two_blocks() -> None:
    job = replace(LORA, method="full")
    found = parts(job, Machine("gpu", cards=8, sharding="zero3"))
    weights = 2 * SHAPE.parameters
    assert found["weights"] == round(weights / 8 + 2 * weights / 48)
    assert found["gradients"] == round(weights / 8)
    assert found["optimiser"] == round(12 * SHAPE.parameters / 8)
    whole = parts(job, Machine("gpu", cards=8, sharding="zero2"))
    assert (whole["weights"], whole["optimiser"]) == (weights, found["optimiser"])
    alone = parts(job, Machine("gpu", cards=8))
    assert alone["optimiser"] == 12 * SHAPE.parameters


def test_rows_side_by_side_multiply_what_a_row_needs() -> None:
    one, two, many = (parts(LORA, Machine("cpu", threads=count)) for count in (1, 2, 64))
    assert (two["activations"], two["loss"]) == (2 * one["activations"], 2 * one["loss"])
    assert (one["gradients"], two["gradients"]) == (2 * 4 * 68_812_800, 3 * 4 * 68_812_800)
    # no more than an update has
    assert many["activations"] == 4 * one["activations"]
    # on the CPU, short documents in fp32
    assert one["activations"] > parts(LORA)["activations"]


def test_a_micro_batch_multiplies_activations() -> None:
    one, two = (parts(replace(LORA, micro_batch_rows=rows)) for rows in (1, 2))
    copies = 48 * 16 * 2 * (2 * 10240 + 2 * 6144 + 3 * 18944)
    assert two["activations"] - copies == 2 * (one["activations"] - copies)


def test_targets_and_layers_and_embeddings() -> None:
    assert {each.name for each in adapted(SHAPE, replace(LORA, targets="mlp"))} == {"gate_proj", "up_proj", "down_proj"}
    attention = {"q_proj", "k_proj", "v_proj", "o_proj"}
    assert {each.name for each in adapted(SHAPE, replace(LORA, targets="attention"))} == attention
    assert trainable_parameters(SHAPE, replace(LORA, adapted_layers=12)) * 4 == 68_812_800
    both = trainable_parameters(SHAPE, replace(LORA, has_trained_embeddings=True))
    assert both == 68_812_800 + 2 * 152064 * 5120
