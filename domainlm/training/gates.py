"""Checks that a training passes, always, before its adapter is an artifact.

In: the rows and the model before a training, the first update, what was trained, and what was written. Out: nothing,
or StageError, which leaves no artifact and names the row, tensor or token. Each looks for a fault that a loss curve
does not show: an end that is never learned, documents that see each other, weights that rounding keeps still, a file
that lacks a tensor.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domainlm.contract import StageError
from domainlm.models.methods import load_base, saved_model
from domainlm.models.output_layer import output_layer
from domainlm.tokens.rows import PackedRows
from domainlm.training.loss import label_losses, row_losses
from domainlm.training.watch import documents_of

if TYPE_CHECKING:
    import torch

# computed packed and apart, forward only, they take less than one update of the default domain
COMPARED_ROWS = 2
# mean difference over a document, nats; a document that sees another one differs by tenths
MAX_DIFFERENCE = {"torch.float32": 1e-3}
MAX_ROUNDED_DIFFERENCE = 5e-2
ADAM_EPSILON = 1e-8


def check_reloads(
    base: Path,
    precision: str,
    adapter: Path,
    device: torch.device,
    method: str,
    validation: PackedRows,
    expected: list[tuple[float, int]],
) -> None:
    """Load base and adapter from disk and compare the first rows' losses.

    They must be equal, not close.
    """
    model = saved_model(lambda folder: load_base(folder, precision, device, method), base, adapter)
    found = row_losses(model, validation, list(range(len(expected))))
    if found != expected:
        raise StageError(
            f"the saved adapter has validation losses {found[:2]} after loading, {expected[:2]} in memory; expected"
            " the same figures: the adapter does not hold all that was trained"
        )


def check_vocabulary(model: Any, splits: Mapping[str, PackedRows]) -> None:
    """Raise StageError where token ids and the model's layers do not agree.

    A row may name no token that the embeddings or the output layer lack, and layers that are tied are equal.
    """
    import torch

    embeddings, output = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    known = min(len(embeddings), len(output))
    for split, rows in splits.items():
        for row in range(len(rows)):
            largest = int(rows.ids[row].max())
            if largest >= known:
                raise StageError(
                    f"row {row} of the {split} split holds token {largest}, and the model has {known}; expected tokens of its own"
                    " vocabulary: the rows were packed with another model's tokenizer"
                )
    is_tied = getattr(model.config.get_text_config(), "tie_word_embeddings", False)
    if is_tied and embeddings.shape == output.shape and embeddings.data_ptr() != output.data_ptr():
        with torch.no_grad():
            different = (embeddings != output).any(dim=-1).nonzero()
        if len(different):
            raise StageError(
                f"the embedding of token {int(different[0])} differs from its row of the output layer, and the model ties the two"
                f" (tie_word_embeddings; {len(different)} rows differ); expected equal ones: the checkpoint of"
                " sources.<base_model> is damaged, or its config.json is of another model"
            )


def check_labels(rows: PackedRows, stop_id: int, stop_name: str, is_end_of_text: bool) -> None:
    """Raise StageError for a row without labels, or an end not learned.

    A text's end is the last token of its document, a conversation's end the last label. A document that fills its row may
    go on in another.
    """
    for row in range(len(rows)):
        ids, mask = rows.ids[row], rows.loss_mask[row]
        if not mask.any():
            raise StageError(
                f"row {row} of the training split has no label; expected at least one in each: nothing would be learned from it"
                f" (its documents: train_sidecar.parquet, row {row})"
            )
        for start, end in documents_of(rows, row):
            last = end - 1 if is_end_of_text else start + int(mask[start:end].nonzero()[0][-1])
            is_stop, is_learned = int(ids[last]) == stop_id, bool(mask[last])
            is_cut = is_end_of_text and end - start == rows.row_length and not is_stop
            if not is_cut and not (is_stop and is_learned):
                found = f"token {int(ids[last])}, {'a label' if is_learned else 'no label'}"
                raise StageError(
                    f"row {row} of the training split: the document at positions {start} to {end - 1} ends with {found} (position"
                    f" {last}); expected token {stop_id} ({stop_name}) as a label: a model that does not learn the end writes on"
                )


def check_packing(model: Any, rows: PackedRows) -> None:
    """Raise StageError if a packed document has other losses than alone.

    Sampled are the rows of the most documents.
    """
    places = {row: documents_of(rows, row) for row in _fullest(rows)}
    layer = output_layer(model)
    limit = MAX_DIFFERENCE.get(str(model.dtype), MAX_ROUNDED_DIFFERENCE)
    for row, documents in places.items():
        packed = label_losses(model, layer, rows, row)
        done = 0
        for number, (start, end) in enumerate(documents, 1):
            alone = label_losses(model, layer, _cut_out(rows, row, start, end), 0)
            difference = float((packed[done : done + len(alone)] - alone).abs().mean())
            done += len(alone)
            if not difference <= limit:
                raise StageError(
                    f"row {row} of the training split: document {number} of {len(documents)}, at positions {start} to {end - 1}, has"
                    f" losses that differ by {difference:.4g} nats a token from its losses alone; expected at most {limit:g}: it"
                    " sees another document of the row, so choose another model in sources.<base_model>"
                )
        if done != len(packed):
            raise StageError(
                f"row {row} of the training split has {len(packed)} labels, its documents {done}; expected the same: its"
                " positions or its loss mask are wrong"
            )


def _fullest(rows: PackedRows) -> list[int]:
    """The rows of the most documents, at least two each."""
    counts = {row: len(documents_of(rows, row)) for row in range(len(rows))}
    chosen = sorted((row for row, count in counts.items() if count > 1), key=lambda row: (-counts[row], row))
    return chosen[:COMPARED_ROWS]


def _cut_out(rows: PackedRows, row: int, start: int, end: int) -> PackedRows:
    part = (slice(row, row + 1), slice(start, end))
    return PackedRows(rows.ids[part], rows.positions[part], rows.loss_mask[part])


Place = tuple[int, float]


def largest_gradients(parameters: list[tuple[str, torch.nn.Parameter]]) -> list[Place | None]:
    """Where each weight's gradient is largest, and the value there.

    None where the gradient is zero, or too small to count beside AdamW's epsilon: A has none while B is zero.
    """
    places: list[Place | None] = []
    for _, parameter in parameters:
        if parameter.grad is None or not parameter.grad.numel():
            places.append(None)
            continue
        flat = parameter.grad.flatten()
        at = int(flat.abs().argmax())
        is_counted = abs(float(flat[at])) > ADAM_EPSILON
        places.append((at, float(parameter.detach().flatten()[at])) if is_counted else None)
    return places


def check_moved(parameters: list[tuple[str, torch.nn.Parameter]], places: list[Place | None], rate: float) -> None:
    """Raise StageError for a weight that an update did not change.

    places: those of `largest_gradients` before the update, or none.
    """
    import torch

    for (name, parameter), place in zip(parameters, places, strict=False):
        if place is not None and float(parameter.detach().flatten()[place[0]]) == place[1]:
            if parameter.dtype == torch.float32 and _is_lost(place[1], rate):
                # a large weight, and the first rate of a warm-up
                continue
            raise StageError(
                f"{name} did not change in the first update, though it has a gradient; expected it to: an update of size {rate:.3g}"
                f" is lost in rounding beside {place[1]:.3g} in {parameter.dtype}, so raise learning_rate, or the optimizer was not"
                " given this tensor"
            )


def _is_lost(value: float, rate: float) -> bool:
    """Whether fp32 cannot tell a value from its neighbours.

    They are `rate` away.
    """
    import torch

    number = torch.tensor(value, dtype=torch.float32)
    return bool((number + rate == number) | (number - rate == number))


def check_saved(model: Any, folder: Path) -> None:
    """Raise StageError if a saved tensor is not what was trained.

    It may be absent, empty, of another shape, or not finite.
    """
    from peft import get_peft_model_state_dict
    from safetensors import safe_open

    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    expected = {name: tuple(tensor.shape) for name, tensor in state.items()}
    with safe_open(folder / "adapter_model.safetensors", framework="pt") as file:
        names = set(file.keys())
        if names != set(expected):
            name = min(names ^ set(expected))
            what = "lacks" if name in expected else "has besides"
            raise StageError(
                f"the saved adapter {what} {name}; expected the {len(expected)} tensors that were trained: it is not whole"
            )
        for name in sorted(names):
            tensor = file.get_tensor(name)
            if not tensor.numel() or tuple(tensor.shape) != expected[name]:
                raise StageError(
                    f"{name} was saved as {list(tensor.shape)}; expected {list(expected[name])}: a part of it was on another process"
                    " when it was written"
                )
            if not bool(tensor.isfinite().all()):
                raise StageError(
                    f"{name} was saved with {int((~tensor.isfinite()).sum())} values that are not finite; expected none: lower"
                    " learning_rate, or set precision to float32"
                )
