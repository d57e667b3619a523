"""What an adapter makes of each weight of its base.

In: a model with an adapter, as peft builds it. Out: for each changed weight a function from its stored numbers to the
merged ones, in float32 from float64 sums. Kinds: LoRA (with peft's own scale, so rsLoRA and PiSSA that was saved as
LoRA too), DoRA, modules that were trained whole, rows of tokens. An adapter of another kind is refused: to merge one,
add its function here. Merging a file and merging a model in memory apply the same functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from domainlm.contract import StageError
from domainlm.models.adapter_name import ADAPTER
from domainlm.models.targets import is_transposed

if TYPE_CHECKING:
    import torch

# peft's starts of LoRA that subtract from the base what they put into the adapter
CHANGES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")


@dataclass(frozen=True)
class Change:
    """A change of one weight.

    changed(rows, start): merged rows (float32) from stored ones, the first of which is row `start` of the weight. tensors:
    all that the result depends on. is_by_rows: whether some of the rows can be given; else all at once.
    """

    kind: str
    tensors: tuple[torch.Tensor, ...]
    changed: Callable[[torch.Tensor, int], torch.Tensor]
    is_by_rows: bool = True


def changes(adapted: Any) -> dict[str, Change]:
    """Changes by the name of the parameter in the bare model.

    adapted: a peft model, whose base may be empty. Raises StageError for an adapter that cannot be merged.
    """
    check_mergeable(adapted.peft_config[ADAPTER].to_dict())
    found: dict[str, Change] = {}
    for name, change in _changes(adapted.get_base_model()):
        if name in found:
            raise StageError(
                f"the adapter changes {name} in two ways ({found[name].kind}, {change.kind}); expected one: train it by"
                " one of pt_adapter's methods"
            )
        found[name] = change
    if not found:
        raise StageError(
            "the adapter changes no weight of base_model; expected one at least: check pt_adapter.target_modules"
        )
    return found


def check_mergeable(settings: Mapping[str, Any]) -> None:
    """Raise StageError for an adapter that is more than changed weights.

    settings: its adapter_config.json. Loaded onto the base, such an adapter would add nothing, or something else, without an error.
    """
    kind, start = settings.get("peft_type"), settings.get("init_lora_weights")
    kind = getattr(kind, "value", kind)
    reason = None
    if kind != "LORA":
        reason = f"is of the type {kind}, which adds no weights to the base's"
    elif isinstance(start, str) and start.startswith(CHANGES_BASE):
        reason = f"started from {start}, which also changed the base in memory, and was not saved as LoRA"
    elif settings.get("bias") not in (None, "none"):
        reason = f"holds biases of the base (bias: {settings['bias']})"
    elif settings.get("layer_replication"):
        reason = "repeats layers of the base (layer_replication)"
    if reason is not None:
        raise StageError(
            f"the adapter {reason}; expected LoRA, rsLoRA or DoRA of linear layers, PiSSA that was saved as LoRA, trained rows of"
            " tokens, or modules trained whole: set sft_adapter.relay to none or continue"
        )


def is_same(one: Change, two: Change) -> bool:
    """Whether two changes make the same of the same weight."""
    import torch

    return (
        one.kind == two.kind
        and len(one.tensors) == len(two.tensors)
        and all(a.shape == b.shape and torch.equal(a, b) for a, b in zip(one.tensors, two.tensors, strict=True))
    )


def add_adapter(adapted: Any) -> None:
    """Change the weights of a model in memory as a merge would.

    They become float32. Modules that were trained whole are left: peft's `unload` puts them into place.
    """
    base = adapted.get_base_model()
    for name, change in changes(adapted).items():
        if change.kind != "trained whole":
            path, _, attribute = name.rpartition(".")
            module = base.get_submodule(path)
            parameter = getattr(_base_layer(module), attribute)
            parameter.data = change.changed(parameter.data, 0)


def low_rank(a: torch.Tensor, b: torch.Tensor, scale: float, transposed: bool) -> Change:
    """LoRA: W + scale B A.

    transposed: for a weight [in, out].
    """
    added = partial(_added, a, b, scale, transposed)
    return Change("LoRA", (a, b), lambda rows, start: added(rows, start).float())


def low_rank_with_magnitude(
    a: torch.Tensor, b: torch.Tensor, scale: float, magnitude: torch.Tensor, transposed: bool
) -> Change:
    """DoRA: W + scale B A, each output at its trained length.

    Lengths are those of rows, so that rows can be given; of a weight [in, out] those of columns.
    """
    import torch

    def changed(rows: torch.Tensor, start: int) -> torch.Tensor:
        total = _added(a, b, scale, transposed, rows, start)
        lengths = torch.linalg.norm(total, dim=0 if transposed else 1, keepdim=True)
        wanted = magnitude.double() if transposed else magnitude[start : start + len(rows)].double()
        return total.mul_(wanted.view_as(lengths) / lengths).float()

    return Change("DoRA", (a, b, magnitude), changed, is_by_rows=not transposed)


def trained_whole(weight: torch.Tensor) -> Change:
    """A weight that was trained itself."""
    # a single number is a row
    rows_of_weight = weight.reshape(-1, *weight.shape[1:])
    return Change("trained whole", (weight,), lambda rows, start: rows_of_weight[start : start + len(rows)].float())


def trained_rows(indices: torch.Tensor, values: torch.Tensor) -> Change:
    """Trained rows of tokens, in place of those of the base."""

    def changed(rows: torch.Tensor, start: int) -> torch.Tensor:
        result = rows.float()
        inside = (indices >= start) & (indices < start + len(rows))
        return result.index_copy(0, indices[inside] - start, values[inside].float())

    return Change("trained rows", (indices, values), changed)


def _added(
    a: torch.Tensor, b: torch.Tensor, scale: float, transposed: bool, rows: torch.Tensor, start: int
) -> torch.Tensor:
    """W + scale B A in float64, of some rows of W."""
    stop = start + len(rows)
    left, right = (a[:, start:stop].t(), b.t()) if transposed else (b[start:stop], a)
    return (left.double() @ right.double()).mul_(scale).add_(rows.double())


def _changes(base: Any) -> Iterator[tuple[str, Change]]:
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import AuxiliaryTrainingWrapper

    wrapped: list[str] = []
    for name, module in base.named_modules():
        if any(name.startswith(f"{each}.") for each in wrapped):
            continue
        if isinstance(module, BaseTunerLayer | AuxiliaryTrainingWrapper):
            wrapped.append(name)
            yield from _changes_of_module(name, module)


def _changes_of_module(name: str, module: Any) -> Iterator[tuple[str, Change]]:
    import torch
    from peft.tuners.lora.layer import Linear
    from peft.tuners.lora.variants import DoraLinearVariant
    from peft.utils.other import ModulesToSaveWrapper, TrainableTokensWrapper

    if isinstance(module, ModulesToSaveWrapper):
        for part, value in module.modules_to_save[ADAPTER].state_dict().items():
            yield f"{name}.{part}", trained_whole(value)
        return
    if isinstance(module, TrainableTokensWrapper):
        layer: Any = module.token_adapter
        indices = torch.tensor(layer.token_indices[ADAPTER], dtype=torch.int64)
        yield f"{name}.weight", trained_rows(indices, layer.trainable_tokens_delta[ADAPTER].detach())
        return
    variant = module.lora_variant.get(ADAPTER) if isinstance(module, Linear) else None
    if not isinstance(module, Linear) or not isinstance(variant, DoraLinearVariant | None) or module.lora_bias[ADAPTER]:
        raise StageError(
            f"the adapter's layer {name} is a {type(module).__module__}.{type(module).__name__}"
            f"{f' with {type(variant).__name__}' if variant else ''}, which cannot be merged; expected LoRA or DoRA of a linear"
            " layer, trained rows of tokens, or a module that was trained whole: set sft_adapter.relay to none or continue"
        )
    pairs: tuple[Any, Any] = (module.lora_A, module.lora_B)
    a, b = (pair[ADAPTER].weight.detach() for pair in pairs)
    scale, transposed = module.scaling[ADAPTER], is_transposed(module.get_base_layer())
    if variant is None:
        yield f"{name}.weight", low_rank(a, b, scale, transposed)
    else:
        lengths: Any = module.lora_magnitude_vector
        magnitude = lengths[ADAPTER].weight.detach()
        yield f"{name}.weight", low_rank_with_magnitude(a, b, scale, magnitude, transposed)


def _base_layer(module: Any) -> Any:
    if hasattr(module, "token_adapter"):
        return module.token_adapter.get_base_layer()
    return module.get_base_layer()
