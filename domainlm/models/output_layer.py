"""How a model's logits follow from its hidden states.

In: a loaded model. Out: its output layer as four values: weight, bias, scale, soft cap. The loss, its gradient and the
certificate of a merge compute logits by them, in chunks and in a precision of their own. The values come from the
model and its configuration; whether they are all, and whether a scale multiplies or divides, is tried on the model
with hidden states of our own, so large that a soft cap shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from domainlm.contract import StageError

if TYPE_CHECKING:
    import torch

# keys of config.json: Granite and HyperCLOVA X, Cohere, Falcon-H1, Inkling
SCALES = ("logits_scaling", "logit_scale", "lm_head_multiplier", "logits_mup_width_multiplier")
# Gemma, RecurrentGemma, xLSTM
SOFT_CAPS = ("final_logit_softcapping", "logits_soft_cap", "output_logit_soft_cap")
# attributes of a table whose rows are trained (`token_rows`): the rows, and the token of the first
ROWS, FIRST = "trained_rows", "first_trained_row"
PROBE_STATES = 4
# of the probe's products of hidden states and weight, where no soft cap is
LARGEST_PRODUCT = 60.0
_OTHER = "choose another base model in sources.<base_model>"


@dataclass(frozen=True)
class OutputLayer:
    """logits = cap(scale * (hidden x weight' + bias)).

    cap(x) = soft_cap * tanh(x / soft_cap). weight: [vocabulary, width]; bias: [vocabulary], or None; soft_cap: None for none.
    rows: those of the weight that are trained where the weight is not (`token_rows`), from `first_row` on.
    """

    weight: torch.Tensor
    bias: torch.Tensor | None = None
    scale: float = 1.0
    soft_cap: float | None = None
    rows: torch.Tensor | None = None
    first_row: int = 0


@dataclass(frozen=True)
class _OwnSteps:
    """The steps of a model's own forward, in its precision.

    scaling: what is done with the value (none, multiply, divide, or divide_hidden: before the product).
    """

    scaling: str
    value: float
    soft_cap: float | None
    is_float: bool


def output_layer(model: Any) -> OutputLayer:
    """The model's output layer.

    Raises StageError for one that the four values do not describe.
    """
    head = model.get_output_embeddings()
    if getattr(head, "weight", None) is None:
        raise StageError(f"{type(model).__name__} has no output layer with a weight; expected one: {_OTHER}")
    weight, bias = head.weight, getattr(head, "bias", None)
    scales = sorted({value for key in SCALES if (value := _number(model, key))})
    caps = sorted({value for key in SOFT_CAPS if (value := _number(model, key))})
    # in the precision that the decoder gives
    hidden = _probe_states(weight, 2 * max(caps) if caps else LARGEST_PRODUCT).to(
        model.get_input_embeddings().weight.dtype
    )
    expected = _logits_of(model, hidden)
    for steps in _possible_steps(scales, caps):
        if steps.scaling == "divide_hidden" and bias is not None:
            continue
        if _is_equal(_own_logits(hidden, weight, bias, steps), expected):
            scale = 1 / steps.value if steps.scaling.startswith("divide") else steps.value
            rows, first = getattr(head, ROWS, None), getattr(head, FIRST, 0)
            return OutputLayer(weight, bias, scale, steps.soft_cap, rows, first)
    keys = ", ".join(key for key in (*SCALES, *SOFT_CAPS) if _number(model, key))
    raise StageError(
        f"{type(model).__name__} computes its logits by more than hidden states times the output weight"
        f"{f' and bias, with {keys} of config.json' if keys else ' and bias'}; expected no other step, which the loss would not"
        f" know of: {_OTHER}"
    )


def decoder_of(model: Any) -> Any:
    """The module whose last hidden states go to the output layer."""
    inner = getattr(model, model.base_model_prefix)
    # OPT runs the decoder inside its inner model
    return getattr(inner, "decoder", inner)


def finished_logits(layer: OutputLayer, products: torch.Tensor) -> torch.Tensor:
    """Logits, in place of the products of hidden states and weight."""
    if layer.bias is not None:
        products.add_(layer.bias)
    if layer.scale != 1.0:
        products.mul_(layer.scale)
    if layer.soft_cap is not None:
        products.div_(layer.soft_cap).tanh_().mul_(layer.soft_cap)
    return products


def cap_slope(layer: OutputLayer, logits: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """d(logit) / d(logit before the soft cap), in `out`."""
    import torch

    assert layer.soft_cap is not None
    return torch.div(logits, layer.soft_cap, out=out).square_().neg_().add_(1.0)


def _number(model: Any, key: str) -> float | None:
    value = getattr(model.config, key, None)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _probe_states(weight: torch.Tensor, largest: float) -> torch.Tensor:
    """Random hidden states [1, n, width], by their largest product."""
    import torch

    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(1, PROBE_STATES, weight.shape[1], generator=generator).to(weight.device)
    with torch.no_grad():
        found = float(torch.nn.functional.linear(hidden.to(weight.dtype), weight).abs().max())
        return (hidden * (largest / max(found, 1e-6))).to(weight.dtype)


def _logits_of(model: Any, hidden: torch.Tensor) -> torch.Tensor:
    """The model's logits, were these its decoder's hidden states."""
    import torch

    def replaced(module: Any, arguments: Any, output: Any) -> Any:
        output.last_hidden_state = hidden
        return output

    handle = decoder_of(model).register_forward_hook(replaced)
    try:
        with torch.no_grad():
            logits: torch.Tensor = model(
                input_ids=torch.arange(PROBE_STATES, device=hidden.device).unsqueeze(0), use_cache=False
            ).logits
    finally:
        handle.remove()
    return logits


def _possible_steps(scales: list[float], caps: list[float]) -> Iterator[_OwnSteps]:
    scalings = [("none", 1.0), *product(("multiply", "divide", "divide_hidden"), scales)]
    for (scaling, value), cap, is_float in product(scalings, (None, *caps), (False, True)):
        yield _OwnSteps(scaling, value, cap, is_float)


def _own_logits(
    hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, steps: _OwnSteps
) -> torch.Tensor:
    """Logits by a model's steps, in its precision."""
    import torch

    with torch.no_grad():
        states = hidden / steps.value if steps.scaling == "divide_hidden" else hidden
        logits = torch.nn.functional.linear(states, weight, bias)
        logits = logits.float() if steps.is_float else logits
        if steps.scaling == "multiply":
            logits = logits * steps.value
        if steps.scaling == "divide":
            logits = logits / steps.value
        if steps.soft_cap is not None:
            logits = torch.tanh(logits / steps.soft_cap) * steps.soft_cap
    return logits


def _is_equal(one: torch.Tensor, two: torch.Tensor) -> bool:
    import torch

    return torch.equal(one.double(), two.double())
