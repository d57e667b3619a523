"""The memory of a training, by part, before it runs.

In: the shape of a model, a `Job` (method, precision, rank, window, micro-batch) and a `Machine` (the CPU with its
threads, or cards). Out: a `Memory`: bytes of weights, adapter, gradients, optimiser, activations, loss, overhead. Pure
arithmetic; nothing is read and torch is not imported. The activations are what autograd keeps for our loop, counted by
hooks on saved tensors (`tests/explain/test_training_memory.py` counts them again on tiny models, and wants equal
bytes). What was calibrated by measured peaks (`benchmarks/training/memory.py`) are the three constants of the CPU; those
of cards are assumptions, as no card was at hand, and so each plan of a card is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

from domainlm.explain.model_shape import Linear, Shape

Method = Literal["lora", "qlora", "full", "p_tuning"]
METHODS: tuple[Method, ...] = ("lora", "qlora", "full", "p_tuning")
PARTS = ("weights", "adapter", "gradients", "optimiser", "activations", "loss", "overhead")
# AdamW's two moments; weights, gradients and moments of what is trained are fp32
MOMENT_BYTES = 8
FLOAT_BYTES = 4
# positions whose logits are computed at once (domainlm/models/rows.py)
CHUNK_ROWS = 256
# NF4 with double quantisation: 4 bits, 8 bits for each 64 weights, 32 bits for each 64 of these by 256 (arXiv 2305.14314)
QLORA_BYTES = (4 + 8 / 64 + 32 / (64 * 256)) / 8
# what Python, torch, transformers and peft take before a model is loaded, on the CPU (benchmarks/training/memory.py)
CPU_LIBRARY_BYTES = 540_000_000
# compiled kernels and their workspaces; of what every update allocates and frees, the share that malloc keeps (the same
# benchmark: with these two, its 16 ratios are nearest to 1)
CPU_WORKSPACE_BYTES = 55_000_000
CPU_ALLOCATOR_SHARE = 0.31
# context of CUDA, workspaces of cuBLAS, kernels: an assumption
GPU_LIBRARY_BYTES = 1_000_000_000
GPU_ALLOCATOR_SHARE = 0.05


@dataclass(frozen=True)
class Job:
    """What is trained, and on how much at once.

    targets: names of the adapted layers, or all-linear, mlp, attention. window: tokens of a row. virtual_tokens: those
    that P-tuning puts before a text. is_checkpointed: whether activations are computed again in the backward pass.
    has_trained_embeddings: whether embeddings and output layer are trained besides an adapter. adapted_layers: blocks with
    an adapter (None: all). has_short_documents: whether packed documents have at most 256 tokens, which a CPU computes
    in fp32; the default is what takes more.
    """

    method: Method = "lora"
    precision: str = "bfloat16"
    rank: int = 16
    targets: str | Sequence[str] = "all-linear"
    window: int = 512
    micro_batch_rows: int = 1
    rows_per_step: int = 4
    virtual_tokens: int = 20
    is_checkpointed: bool = False
    has_trained_embeddings: bool = False
    adapted_layers: int | None = None
    has_short_documents: bool = True

    @property
    def width(self) -> int:
        """Bytes of a number in the products."""
        return 4 if self.precision == "float32" else 2


@dataclass(frozen=True)
class Machine:
    """Where it is trained.

    threads: rows side by side on the CPU. cards: GPUs of a run, each with rows of its own. sharding: what of the model
    is divided among them: nothing, gradients and optimiser (zero2), the weights too (zero3).
    """

    kind: Literal["cpu", "gpu"] = "cpu"
    threads: int = 1
    cards: int = 1
    sharding: Literal["none", "zero2", "zero3"] = "none"


@dataclass(frozen=True)
class Memory:
    """Bytes by part, of the machine's memory or of each card's."""

    parts: dict[str, int]
    trainable_parameters: int

    @property
    def total(self) -> int:
        return sum(self.parts.values())


def training_memory(shape: Shape, job: Job, machine: Machine) -> Memory:
    """The peak of a training, by part."""
    trained = trainable_parameters(shape, job)
    is_cpu = machine.kind == "cpu"
    rows = min(machine.threads, max(1, ceil(job.rows_per_step / job.micro_batch_rows))) if is_cpu else 1
    state = 1 if machine.sharding == "none" else machine.cards
    weights = _weight_bytes(shape, job)
    if machine.sharding == "zero3":
        # of the whole model two blocks are gathered at a time
        weights = weights / machine.cards + 2 * weights / shape.layers
    # those that are added up, and those of every row that is computed
    gradients = trained * _gradient_bytes(job, rows, is_cpu, state > 1) / state
    tokens = job.micro_batch_rows * (job.window + (job.virtual_tokens if job.method == "p_tuning" else 0))
    kept = _activation_bytes(shape, job, machine) * tokens
    copies = _adapter_copies(shape, job) if job.method in ("lora", "qlora") else 0
    passing = max(_loss_bytes(shape, job), _backward_bytes(shape, job, tokens))
    # the copy of the hidden states that predict a label, and its gradient
    passing += 2 * tokens * shape.hidden * job.width
    share = CPU_ALLOCATOR_SHARE if is_cpu else GPU_ALLOCATOR_SHARE
    library = CPU_LIBRARY_BYTES + CPU_WORKSPACE_BYTES if is_cpu else GPU_LIBRARY_BYTES
    parts = {
        "weights": weights,
        "adapter": 0 if job.method == "full" else trained * FLOAT_BYTES,
        "gradients": gradients,
        "optimiser": trained * _optimiser_bytes(job) / state,
        "activations": rows * (kept + copies),
        "loss": rows * passing,
        "overhead": library + share * rows * (kept + copies + passing),
    }
    return Memory({name: round(size) for name, size in parts.items()}, trained)


def is_target(job: Job, linear: Linear) -> bool:
    """Whether a linear layer gets an adapter."""
    if job.targets == "all-linear":
        return True
    is_mlp = linear.reads in ("normed", "product")
    if isinstance(job.targets, str):
        return is_mlp == (job.targets == "mlp")
    return linear.name in job.targets


def adapted(shape: Shape, job: Job) -> list[Linear]:
    """The layers of a block that get an adapter."""
    return [each for each in shape.linears if is_target(job, each)] if job.method in ("lora", "qlora") else []


def trainable_parameters(shape: Shape, job: Job) -> int:
    """Parameters that the optimiser changes."""
    if job.method == "full":
        return shape.parameters
    if job.method == "p_tuning":
        # a key and a value of every layer for each virtual token (P-tuning v2, arXiv 2110.07602)
        return shape.layers * 2 * shape.key_width * job.virtual_tokens
    layers = shape.layers if job.adapted_layers is None else min(job.adapted_layers, shape.layers)
    found = layers * sum(job.rank * (each.inputs + each.outputs) for each in adapted(shape, job))
    return found + (shape.table_parameters if job.has_trained_embeddings else 0)


def _weight_bytes(shape: Shape, job: Job) -> float:
    """Bytes of the model's weights as products read them."""
    if job.method == "qlora":
        return shape.linear_parameters * QLORA_BYTES + (shape.parameters - shape.linear_parameters) * job.width
    return shape.parameters * job.width


def _gradient_bytes(job: Job, rows: int, is_cpu: bool, is_divided: bool) -> int:
    """Bytes of a trained parameter's gradients, rows' and sum."""
    if job.method == "full" and is_divided:
        # as DeepSpeed keeps them
        return job.width
    if job.method == "full":
        # the sum is fp32, whatever the rows' are
        return FLOAT_BYTES + job.width * rows
    return FLOAT_BYTES * (1 + rows if is_cpu else 1)


def _optimiser_bytes(job: Job) -> int:
    """Bytes of a trained parameter in the optimiser.

    Moments, and an fp32 copy of weights in bf16 (ZeRO, arXiv 1910.02054).
    """
    return MOMENT_BYTES + (FLOAT_BYTES if job.method == "full" and job.width < FLOAT_BYTES else 0)


def _adapter_copies(shape: Shape, job: Job) -> int:
    """Bytes of the factors as products read them.

    These are the scaled B and, in bf16, A.
    """
    found = adapted(shape, job)
    read = sum(each.outputs + (each.inputs if job.width < FLOAT_BYTES else 0) for each in found)
    return shape.layers * job.rank * read * job.width


def _activation_bytes(shape: Shape, job: Job, machine: Machine) -> float:
    """Bytes of a token that all blocks keep for the backward pass."""
    block = block_bytes(shape, job, machine)
    # rotations; the last norm's input
    outside = 2 * shape.head_width * job.width + shape.hidden * FLOAT_BYTES
    if job.is_checkpointed:
        # the input of every block, and the one block that is computed again
        return shape.layers * shape.hidden * job.width + block + outside
    return shape.layers * block + outside


def block_bytes(shape: Shape, job: Job, machine: Machine) -> int:
    """Bytes of a token that one block keeps for the backward pass."""
    return _norm_bytes(shape, job) + _attention_bytes(shape, job, machine) + _feed_forward_bytes(shape, job)


def _norm_bytes(shape: Shape, job: Job) -> int:
    """The norms' inputs and deviations; for full training their outputs, too."""
    kind, hidden, width = shape.kind, shape.hidden, job.width
    if shape.model_type == "gpt2":
        # a layer norm, in the model's own precision
        return kind.norms * (hidden * width + 2 * width)
    # a gemma's norm multiplies in fp32
    product = FLOAT_BYTES if shape.model_type.startswith("gemma") else width
    found = kind.norms * (hidden * FLOAT_BYTES + FLOAT_BYTES)
    found += kind.norms * hidden * product if job.method == "full" else 0
    if kind.query_norm is not None:
        inner = shape.query_width + shape.key_width
        heads = shape.heads + shape.key_heads if kind.query_norm == "head" else 2
        # of fp32, the norm's input is what the layer before it gave
        found += inner * FLOAT_BYTES + heads * FLOAT_BYTES
        found += inner * product if job.method == "full" else 0
    return found


def _attention_bytes(shape: Shape, job: Job, machine: Machine) -> int:
    """Queries, keys, values, what was attended, and the mask."""
    width, inner = job.width, shape.query_width
    kept = _kept_inputs(shape, job)
    found = shape.hidden * width if "block" in kept else 0
    found += _inner_bytes(shape, job, ("block", "attended"))
    if shape.kind.has_eager_attention:
        # soft-capped scores twice, and their softmax in fp32; queries, keys, values
        scores = 2 * width + (FLOAT_BYTES if width < FLOAT_BYTES else 0)
        found += shape.heads * job.window * scores + 3 * inner * width
        return found + (inner * width if "attended" in kept else 0)
    found += shape.heads * FLOAT_BYTES
    if shape.has_mask:
        # sdpa is given the packed documents' mask as numbers, and keys and values for every head
        return found + 4 * inner * width + job.window * width
    if machine.kind == "gpu":
        return found + 2 * (inner + shape.key_width) * width
    # each document by itself; the output layer of the attention reads a copy of them all
    of_document = FLOAT_BYTES if job.has_short_documents else width
    found += inner * width if "attended" in kept else 0
    if shape.kind.is_fused and of_document == width:
        # the values are a part of what the fused layer gave, and keep all of it
        found += (inner + shape.key_width) * width
    return found + 2 * (inner + shape.key_width) * of_document


def _feed_forward_bytes(shape: Shape, job: Job) -> int:
    width, kept = job.width, _kept_inputs(shape, job)
    if shape.experts:
        # gate and up, the activation, the output before its share; indices
        of_expert = 3 * shape.expert_width + shape.hidden
        of_expert += shape.hidden + shape.expert_width if job.method == "full" else 0
        routing = shape.experts * FLOAT_BYTES + shape.experts_per_token * 40
        return (
            shape.experts_per_token * of_expert * width
            + routing
            + (shape.hidden * width if job.method == "full" else 0)
        )
    # gate, up and the activation; their product is what the last layer reads
    copies = shape.kind.activation_copies or 3
    found = copies * shape.feed_forward * width
    found += shape.hidden * width if "normed" in kept else 0
    found += shape.feed_forward * width if "product" in kept else 0
    return found + _inner_bytes(shape, job, ("normed", "product"))


def _kept_inputs(shape: Shape, job: Job) -> set[str]:
    """What linear layers read that they need again for a gradient."""
    return {each.reads for each in (shape.linears if job.method == "full" else adapted(shape, job))}


def _inner_bytes(shape: Shape, job: Job, reads: tuple[str, ...]) -> int:
    """The products with A, of `rank` numbers a layer."""
    return job.rank * job.width * sum(each.reads in reads for each in adapted(shape, job))


def _loss_bytes(shape: Shape, job: Job) -> int:
    """A chunk of logits: as products, and in fp32."""
    rows = min(CHUNK_ROWS, job.micro_batch_rows * job.window)
    head = shape.vocabulary * shape.hidden * FLOAT_BYTES if job.method == "full" else 0
    return rows * shape.vocabulary * (job.width + FLOAT_BYTES) + head


def _backward_bytes(shape: Shape, job: Job, tokens: int) -> int:
    """Gradients that pass through the last block; a dequantised weight."""
    inner = shape.experts_per_token * shape.expert_width if shape.experts else shape.feed_forward
    largest = max((each.inputs * each.outputs for each in shape.linears), default=0)
    return tokens * (3 * inner + 3 * shape.hidden) * job.width + (largest * job.width if job.method == "qlora" else 0)
