"""Attention of packed rows, document by document.

In: queries, keys and values of a row, and positions that restart at each document. Out: the attention that a mask of the whole row
gives, without the products that such a mask throws away: a row of 512 tokens that packs seven documents needs a quarter of
them. On a CPU, bfloat16 heads of short documents are computed in float32, because the kernel there spends its time on
small blocks (1.8 ms against 0.5 ms a layer and document of 64 tokens, Xeon with AMX).

It serves models whose layers all attend to the whole document. For others (sliding windows, chunks, soft caps), the
mask says more than the positions, and transformers' own way stays.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from domainlm.models.load import check_trainable, hidden_states, load_model, probe_ids, probe_positions

if TYPE_CHECKING:
    import torch

NAME = "domainlm_documents"
KEPT = "_domainlm_documents"
# longer ones are faster in bfloat16
MAX_FLOAT_TOKENS = 256
# mean difference, relative to the mean hidden state: what rounding of another order of sums makes
MAX_DIFFERENCE = {"torch.float32": 1e-4, "torch.bfloat16": 2e-2, "torch.float16": 5e-3}


def load_for_packing(folder: Path, dtype: str) -> Any:
    """A frozen model that packed rows can be trained on, checked.

    dtype: as for `load_model`. Raises StageError for an architecture that cannot be trained.
    """
    model = load_model(folder, dtype)
    check_trainable(model)
    use_document_attention(model)
    return model


def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **named: Any,
) -> tuple[torch.Tensor, None]:
    """Attention [rows, length, heads, width] of packed rows.

    query: [rows, heads, length, width]; key, value: [rows, key heads, length, width]. named holds position_ids.
    """
    import torch

    found = []
    documents = document_lengths(named["position_ids"], query.shape[0])
    if query.device.type == "cuda" and query.dtype != torch.float32:
        return _all_documents(query, key, value, documents, scaling), None
    for row, lengths in enumerate(documents):
        queries, keys, values = (torch.split(tensor[row : row + 1], lengths, dim=2) for tensor in (query, key, value))
        outputs = [_one_document(*parts, scaling) for parts in zip(queries, keys, values, strict=True)]
        found.append(torch.cat(outputs, dim=2))
    result = found[0] if len(found) == 1 else torch.cat(found)
    return result.transpose(1, 2).contiguous(), None


def _all_documents(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, documents: list[list[int]], scaling: float | None
) -> torch.Tensor:
    """The same on a GPU, by one kernel in 16 bits."""
    import torch
    from torch.nn.attention.varlen import varlen_attn

    rows, _, length, _ = query.shape
    lengths = [each for row in documents for each in row]
    edges = torch.tensor([0, *accumulate(lengths)], dtype=torch.int32, device=query.device)
    queries, keys, values = (tensor.transpose(1, 2).flatten(0, 1) for tensor in (query, key, value))
    longest, is_grouped = max(lengths), key.shape[1] != query.shape[1]
    result: Any = varlen_attn(
        queries, keys, values, edges, edges, longest, longest, window_size=(-1, 0), scale=scaling, enable_gqa=is_grouped
    )
    return cast("torch.Tensor", result.unflatten(0, (rows, length)))


def document_lengths(positions: torch.Tensor, rows: int) -> list[list[int]]:
    """Tokens of each document of each row.

    A document begins where its position does not go on. The lengths are kept at the tensor, which every layer is given:
    read from a GPU, they would stop it once a layer.
    """
    import torch

    known: list[list[int]] | None = getattr(positions, KEPT, None)
    if known is not None and len(known) == rows:
        return known
    found = []
    for row in positions.expand(rows, -1):
        begins = torch.nonzero(row[1:] != row[:-1] + 1)[:, 0] + 1
        edges = [0, *begins.tolist(), len(row)]
        found.append([end - begin for begin, end in pairwise(edges)])
    setattr(positions, KEPT, found)
    return found


def _one_document(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None) -> torch.Tensor:
    import torch

    dtype = query.dtype
    if dtype == torch.bfloat16 and query.device.type == "cpu" and query.shape[2] <= MAX_FLOAT_TOKENS:
        query, key, value = query.float(), key.float(), value.float()
    is_grouped = key.shape[1] != query.shape[1]
    result = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, is_causal=True, scale=scaling, enable_gqa=is_grouped
    )
    return result.to(dtype)


def use_document_attention(model: Any) -> bool:
    """Give a model this attention, if it computes what the model does.

    Whether it does is tried on a packed row. Returns whether the model has it now.
    """
    import torch
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface

    own = model.config._attn_implementation
    if own != "sdpa" or not _sees_whole_documents(model.config):
        return False
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, _no_mask)
    ids, positions = probe_ids(model), probe_positions()
    with torch.no_grad():
        expected = hidden_states(model, ids, positions)
        model.set_attn_implementation(NAME)
        try:
            found = hidden_states(model, ids, positions)
        # a model whose layers do not hand the positions on
        except (AttributeError, LookupError, TypeError, RuntimeError, ValueError):
            found = None
    limit = MAX_DIFFERENCE[str(expected.dtype)] * expected.float().abs().mean()
    if found is None or not bool((found - expected).float().abs().mean() <= limit):
        model.set_attn_implementation(own)
        return False
    return True


def _sees_whole_documents(config: Any) -> bool:
    """Whether no layer's view is limited, as far as the configuration tells."""
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    window = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
    chunk = getattr(config, "attention_chunk_size", None)
    return kinds == {"full_attention"} and window is None and chunk is None


def _no_mask(*arguments: Any, local_size: int | None = None, **named: Any) -> None:
    """The mask that transformers is to make for it: none.

    Raises ValueError for a layer of a limited view, whatever the configuration calls it.
    """
    if local_size is not None:
        raise ValueError(f"a layer sees {local_size} tokens; expected the whole document")
