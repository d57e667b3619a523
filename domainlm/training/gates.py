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
from domainlm.models.lora import saved_state
from domainlm.models.methods import load_base, saved_model
from domainlm.models.output_layer import output_layer
from domainlm.tokens.rows import PackedRows
from domainlm.training.loss import label_losses, row_losses
from domainlm.training.watch import documents_of

if TYPE_CHECKING:
    import torch

# computed packed and apart, forward only, they take less than one update of the default domain
COMPARED_ROWS = 2
# mean difference over a document, nats, when other documents of its row change. A document that sees one differs by
# tenths. In 16 bits it is 0 as well, but for a mixture of experts, whose products' shapes follow from the whole row
MAX_SEEN = {"torch.float32": 1e-3}
MAX_ROUNDED_SEEN = 5e-2
# and when it is computed alone, whose products have other shapes: in bfloat16 a logit of 16 is a multiple of 0.125
MAX_DIFFERENCE = {"torch.float32": 1e-3}
MAX_ROUNDED_DIFFERENCE = 3e-1
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
    """Raise StageError if a packed document depends on the others.

    Sampled are the rows of the most documents. Every second document is turned round: the losses of those between must
    stay, and they do to the last bit, whatever the precision. Losses of the document alone would not tell in 16 bits: they
    are rounded otherwise, by other shapes (0.053 nats a token on one processor, 0.02 on another). They are compared
    besides, for positions that are wrong.
    """
    layer = output_layer(model)
    for row in _fullest(rows):
        documents = documents_of(rows, row)
        packed = _document_losses(label_losses(model, layer, rows, row), rows, row)
        for first in (0, 1):
            changed = _turned_round(rows, row, documents[first::2])
            found = _document_losses(label_losses(model, layer, changed, 0), changed, 0)
            for number in range(1 - first, len(documents), 2):
                difference = float((packed[number] - found[number]).abs().mean())
                if not difference <= MAX_SEEN.get(str(model.dtype), MAX_ROUNDED_SEEN):
                    raise StageError(
                        f"{_place(row, number, documents)} has losses that change by {difference:.4g} nats a token with other documents"
                        " of the row; expected the same losses: it sees another document, so choose another model in"
                        " sources.<base_model>"
                    )
        for number, (start, end) in enumerate(documents):
            alone = label_losses(model, layer, _cut_out(rows, row, start, end), 0)
            difference = float((packed[number] - alone).abs().mean())
            limit = MAX_DIFFERENCE.get(str(model.dtype), MAX_ROUNDED_DIFFERENCE)
            if not difference <= limit:
                raise StageError(
                    f"{_place(row, number, documents)} has losses that differ by {difference:.4g} nats a token from its losses alone;"
                    f" expected at most {limit:g}: the model does not follow the positions of the row, so choose another model in"
                    " sources.<base_model>"
                )


def _place(row: int, number: int, documents: list[tuple[int, int]]) -> str:
    start, end = documents[number]
    return f"row {row} of the training split: document {number + 1} of {len(documents)}, at positions {start} to {end - 1},"


def _document_losses(losses: torch.Tensor, rows: PackedRows, row: int) -> list[torch.Tensor]:
    """Losses of a row's labels, by document."""
    import torch

    documents = documents_of(rows, row)
    # the token before a document must not learn its first one
    counts = [int(rows.loss_mask[row, start + 1 : end].sum()) for start, end in documents]
    if sum(counts) != len(losses):
        raise StageError(
            f"row {row} of the training split has {len(losses)} labels, its documents {sum(counts)}; expected the same: its"
            " positions or its loss mask are wrong"
        )
    return list(torch.split(losses, counts))


def _turned_round(rows: PackedRows, row: int, documents: list[tuple[int, int]]) -> PackedRows:
    """The row alone, the ids of some documents in reverse."""
    ids = rows.ids[row : row + 1].copy()
    for start, end in documents:
        ids[0, start:end] = ids[0, start:end][::-1].copy()
    return PackedRows(ids, rows.positions[row : row + 1], rows.loss_mask[row : row + 1])


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
    from safetensors import safe_open

    expected = {name: tuple(tensor.shape) for name, tensor in saved_state(model).items()}
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
