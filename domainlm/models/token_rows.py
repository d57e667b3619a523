"""Rows of added tokens, trained besides an adapter.

In: a model that peft has wrapped for `trainable_token_indices`. Out: the same model with its own tables (embeddings and
output layer), whose rows of these tokens are parameters; tensors under peft's names, which plain peft loads. peft's
wrapper copies the whole table at every look at it, and what was read of an output layer before an update is stale after
it. Here a parameter is a view of the rows, which follow one another: the tables always hold what was trained, and every
reader of them sees it. Other rows have no gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from domainlm.contract import StageError
from domainlm.models import embeddings
from domainlm.models.adapter_name import ADAPTER
from domainlm.models.output_layer import FIRST, ROWS

if TYPE_CHECKING:
    import torch

# peft's name of the tensor, behind the table's
_SAVED = "token_adapter.trainable_tokens_delta"
_OTHER = "set trained_embeddings to all, which trains both tables whole"


def wrapped_tables(model: Any, ids: Sequence[int]) -> dict[str, list[int]]:
    """peft's `trainable_token_indices`; peft adds the table that is tied."""
    if not ids:
        raise StageError(
            "trained_embeddings is added, and the base model has no added tokens; expected some: name them in"
            " base_model.added_tokens, or set trained_embeddings to none"
        )
    names = embeddings.names(model)
    return {name: list(ids) for name in (names[:1] if embeddings.are_tied(model) else names)}


def begin(adapted: Any) -> None:
    """Train the rows that peft has wrapped, in the tables themselves.

    Tied tables have one parameter. Raises StageError where the model does more with a row than look it up and scale it,
    or peft does not know that tables are tied and would load the rows into one of them.
    """
    import torch

    ids = _unwrapped(adapted)
    model = adapted.get_base_model()
    tables = (model.get_input_embeddings(), model.get_output_embeddings())
    if any(id(table) not in ids for table in tables):
        raise StageError(
            f"trained_embeddings is added, and peft does not know that embeddings and output layer of {type(model).__name__} are one"
            f" weight; expected both to hold the rows: {_OTHER}"
        )
    first, count = ids[id(tables[0])][0], len(ids[id(tables[0])])
    rows: dict[int, torch.nn.Parameter] = {}
    for table in tables:
        values = table.weight.data[first : first + count]
        table.register_parameter(ROWS, rows.setdefault(values.data_ptr(), torch.nn.Parameter(values)))
        setattr(table, FIRST, first)
    tables[0].register_forward_hook(
        partial(_with_gradient, scale=_scale(model, tables[0], range(first, first + count)))
    )


def put_into_tables(adapted: Any) -> None:
    """Give the tables of a loaded adapter its rows."""
    import torch

    for _, wrapper in _wrapped(adapted):
        layer = wrapper.token_adapter
        with torch.no_grad():
            weight = layer.get_base_layer().weight
            weight[layer.token_indices[ADAPTER]] = layer.trainable_tokens_delta[ADAPTER].to(weight)
    _unwrapped(adapted)


def saved_tensors(adapted: Any) -> dict[str, torch.Tensor]:
    """The trained rows under peft's names; those of tied tables once."""
    found = {id(rows): (f"{name}.{_SAVED}", rows) for name, rows in reversed(_tables(adapted))}
    return dict(found.values())


def _tables(adapted: Any) -> list[tuple[str, torch.nn.Parameter]]:
    return [(name, module._parameters[ROWS]) for name, module in adapted.named_modules() if ROWS in module._parameters]


def _wrapped(adapted: Any) -> list[tuple[str, Any]]:
    """peft's wrappers of tables, by name."""
    from peft.utils.other import TrainableTokensWrapper

    return [(name, each) for name, each in adapted.named_modules() if isinstance(each, TrainableTokensWrapper)]


def _unwrapped(adapted: Any) -> dict[int, list[int]]:
    """Take peft's wrappers off; tokens by the table's identity."""
    found: dict[int, list[int]] = {}
    for name, wrapper in _wrapped(adapted):
        table = wrapper.token_adapter.get_base_layer()
        adapted.set_submodule(name, table)
        found[id(table)] = wrapper.token_adapter.token_indices[ADAPTER]
    return found


def _scale(model: Any, table: Any, ids: range) -> torch.Tensor | float:
    """What the model multiplies an embedding by (Gemma); 1 for most."""
    import torch

    scale = getattr(table, "embed_scale", 1.0)
    scale = scale.to(table.weight.dtype) if isinstance(scale, torch.Tensor) else scale
    wanted = torch.tensor(list(ids), device=table.weight.device)
    with torch.no_grad():
        if not torch.equal(table(wanted), table.weight[wanted] * scale):
            raise StageError(
                f"trained_embeddings is added, and {type(model).__name__} does more with a token's row than look it up and scale it;"
                f" expected nothing else, as the gradient would be wrong: {_OTHER}"
            )
    return scale


def _with_gradient(table: Any, inputs: Any, output: torch.Tensor, scale: torch.Tensor | float) -> torch.Tensor:
    """Embeddings of the same values, through which trained rows get their gradient.

    Also where no such token is: every update asks for the gradient.
    """
    import torch

    rows = table._parameters[ROWS]
    places = inputs[0] - getattr(table, FIRST)
    is_trained = (places >= 0) & (places < len(rows))
    found = torch.nn.functional.embedding(places[is_trained], rows) * scale
    return output.index_put((is_trained,), found)
