"""A Qwen2 of random weights, written tensor by tensor.

Its vocabulary, width and tied embeddings are those of Qwen2.5-1.5B; 16 layers make a billion parameters. The script that
writes it needs no memory for the model.
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

SHAPE: dict[str, Any] = {
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "vocab_size": 151936,
    "max_position_embeddings": 32768,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0},
    "tie_word_embeddings": True,
    "dtype": "bfloat16",
}
LAYERS = 16
BLOCK_ROWS = 1024
DRAWN = 1_000_003


def write_model(base: Path, layers: int) -> int:
    """Write config.json and model.safetensors; the number of parameters."""
    import torch
    from transformers import Qwen2Config

    from domainlm.models.tensor_files import PlannedTensor, create_checkpoint, write_rows
    from domainlm.models.weights import empty_model

    Qwen2Config(**SHAPE, num_hidden_layers=layers).save_pretrained(base)
    shapes = {
        name: tuple(each.shape) for name, each in empty_model(base).named_parameters() if name != "lm_head.weight"
    }
    generator = torch.Generator().manual_seed(0)
    drawn = (torch.randn(DRAWN, generator=generator) * 0.02).bfloat16()
    places = create_checkpoint(base, {name: PlannedTensor("bfloat16", shape) for name, shape in shapes.items()})
    for name, place in places.items():
        for start in range(0, place.shape[0], BLOCK_ROWS):
            shape = (min(BLOCK_ROWS, place.shape[0] - start), *place.shape[1:])
            # a billion random numbers would take longer than the merge
            at = int(torch.randint(len(drawn), (), generator=generator))
            rows = drawn.roll(at).repeat(prod(shape) // len(drawn) + 1)[: prod(shape)].view(shape)
            write_rows(place, start, rows + 1 if "norm" in name else rows)
    return sum(map(prod, shapes.values()))
