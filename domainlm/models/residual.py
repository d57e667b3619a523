"""A pretrained model, plus what instruction made of its base.

In: the folders of `merged_model`, `base_model` and `instruct_model`, and a weight. Out: a checkpoint with
merged + weight x (instruct - base), the instruct model's tokenizer and settings, stored in the precision of
merged_model; and the figures of its certificate. The sum is made in float64 and rounded to fp32, then once to the stored
precision, as in a merge. Where pretraining left a number as it was and the weight is 1, the result is the instruct
model's number to the last bit. Tensors pass through in pieces, so that memory does not grow with the model.

The method is that of Huang et al., arXiv 2310.04799 (chat vector), and of Jindal et al., arXiv 2410.10739 (instruction
residuals).

Embeddings may have rows that one of the two models lacks (added tokens, padding of the table). The result has the rows of
the instruct model: those that it alone has are taken as they are, as there is nothing to subtract; those that the base
alone has are dropped, as no token stands behind them (`domainlm.models.pair`).
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domainlm.contract import StageError
from domainlm.models.load import load_model, probe_logits
from domainlm.models.pair import FIX
from domainlm.models.tensor_files import (
    PlannedTensor,
    StoredTensor,
    blocks,
    create_checkpoint,
    read_rows,
    stored_tensors,
    write_rows,
)
from domainlm.text.json_files import read_json, write_json
from domainlm.tokens.tokenizer import TOKENIZER_FILES

if TYPE_CHECKING:
    import torch

COPIED = ("generation_config.json", "tokens.json", *TOKENIZER_FILES)
FLOATS = ("float64", "float32", "float16", "bfloat16")
DIGITS = 6
MAX_SHARE = 1.2
Tensors = Mapping[str, StoredTensor]


@dataclass
class Tally:
    """What is counted of a residual while tensors pass.

    squares: kind of layer -> sums of squares of the residual and of the base. equal: tensors whose residual is zero.
    """

    squares: dict[str, tuple[float, float]] = field(default_factory=dict)
    equal: list[str] = field(default_factory=list)
    rows_added: int = 0
    rows_dropped: int = 0

    def add(self, name: str, residual: torch.Tensor, base: torch.Tensor) -> None:
        found = self.squares.get(kind_of_layer(name), (0.0, 0.0))
        self.squares[kind_of_layer(name)] = (
            found[0] + float(residual.square().sum()),
            found[1] + float(base.square().sum()),
        )


def kind_of_layer(name: str) -> str:
    """A tensor's name with a star for the number of its layer."""
    return ".".join("*" if part.isdigit() else part for part in name.split("."))


def write_residual(merged: Path, base: Path, instruct: Path, weight: float, out: Path) -> dict[str, Any]:
    """Write the checkpoint; returns its figures. Raises StageError."""
    settings = read_json(instruct / "config.json")
    dtype = read_json(merged / "config.json")["dtype"]
    tally = Tally()
    ours, before, tuned = (stored_tensors(folder) for folder in (merged, base, instruct))
    check_forms(ours, before, tuned, _rows(base), _rows(instruct))
    planned = {
        name: PlannedTensor(dtype if each.dtype in FLOATS else each.dtype, each.shape)
        for name, each in sorted(tuned.items())
    }
    for name, place in create_checkpoint(out, planned).items():
        start = 0
        for rows in _summed(name, ours[name], before[name], tuned[name], weight, dtype, tally):
            write_rows(place, start, rows)
            start += len(rows)
    if len(tally.equal) == len(planned):
        raise StageError(
            f"instruct_model equals base_model in all {len(planned)} tensors, so that nothing would be added to merged_model;"
            " expected the instruct checkpoint of the release: correct the source of role instruct_model, or set"
            " sft_adapter.relay to merge"
        )
    _check_related(tally)
    settings.pop("torch_dtype", None)
    write_json(out / "config.json", {**settings, "dtype": dtype})
    for name in COPIED:
        if (instruct / name).exists():
            shutil.copyfile(instruct / name, out / name)
    return {
        "weight": weight,
        "dtype": dtype,
        "tensors": len(planned),
        "equal_tensors": sorted(tally.equal),
        "rows_added": tally.rows_added,
        "rows_dropped": tally.rows_dropped,
        "norms": {kind: _norms(*squares) for kind, squares in sorted(tally.squares.items())},
    }


def check_forms(ours: Tensors, before: Tensors, tuned: Tensors, base_rows: int, tuned_rows: int) -> None:
    """Raise StageError unless the three have the same tensors.

    base_rows, tuned_rows: rows of the embeddings, which may differ.
    """
    for label, other in (("merged_model", ours), ("instruct_model", tuned)):
        unpaired = sorted(before.keys() ^ other.keys())
        if unpaired:
            holder = "base_model" if unpaired[0] in before else label
            raise StageError(
                f"the tensor {unpaired[0]} is in {holder} alone ({len(unpaired)} such tensors, base_model has"
                f" {len(before)}, {label} {len(other)}); expected the same tensors in both: {FIX}"
            )
    for name, form in sorted(before.items()):
        mine, theirs = ours[name], tuned[name]
        if mine.shape != form.shape:
            raise StageError(
                f"the tensor {name} has the shape {list(form.shape)} in base_model and {list(mine.shape)} in merged_model;"
                " expected equal shapes, as tokens that pretraining adds have no row in the instruct model: add none, or set"
                " sft_adapter.relay to merge"
            )
        is_table = (form.shape[:1], theirs.shape[:1]) == ((base_rows,), (tuned_rows,))
        if form.shape != theirs.shape and not (is_table and form.shape[1:] == theirs.shape[1:]):
            raise StageError(
                f"the tensor {name} has the shape {list(form.shape)} in base_model and {list(theirs.shape)} in instruct_model;"
                f" expected equal shapes but for rows of added tokens: {FIX}"
            )
        if (form.dtype in FLOATS) != (theirs.dtype in FLOATS) or (form.dtype in FLOATS) != (mine.dtype in FLOATS):
            raise StageError(
                f"the tensor {name} is stored as {form.dtype} in base_model, {mine.dtype} in merged_model and {theirs.dtype} in"
                f" instruct_model; expected one kind of numbers: {FIX}"
            )


def _rows(folder: Path) -> int:
    return int(read_json(folder / "tokens.json")["vocab_size"])


def _summed(
    name: str,
    ours: StoredTensor,
    before: StoredTensor,
    tuned: StoredTensor,
    weight: float,
    dtype: str,
    tally: Tally,
) -> Iterator[torch.Tensor]:
    """The rows of one resulting tensor, a block at a time.

    A single number is one row.
    """
    import torch

    shape = tuned.shape
    shared = min(before.shape[0], shape[0]) if shape else 1
    is_equal = before.shape == shape
    for start, end in blocks(shape):
        target = read_rows(tuned, start, end)
        if tuned.dtype not in FLOATS:
            _check_equal(name, target, read_rows(before, start, end), read_rows(ours, start, end))
            yield target
            continue
        target = target.double()
        own = target
        if start < shared:
            stop = min(end, shared)
            base, merged = read_rows(before, start, stop).double(), read_rows(ours, start, stop).double()
            common = target[: stop - start]
            residual = common - base
            is_equal = is_equal and not residual.any()
            tally.add(name, residual, base)
            # lerp ends at the instruct model's own number, which base + (instruct - base) may miss by a rounding
            summed = torch.where(merged == base, torch.lerp(base, common, weight), merged + weight * residual)
            own = torch.cat([summed, target[stop - start :]])
        stored = own.float().to(getattr(torch, dtype))
        if not torch.isfinite(stored).all():
            raise StageError(
                f"the tensor {name} is not finite in {dtype} (its largest number is {float(own.abs().max()):.3g}); expected"
                " finite numbers: lower instruct_residual.weight, or set merged_model.dtype to float32"
            )
        yield stored
    if is_equal:
        tally.equal.append(name)
    if shape:
        # a table whose rows both models have counts nothing
        tally.rows_added = max(tally.rows_added, shape[0] - shared)
        tally.rows_dropped = max(tally.rows_dropped, before.shape[0] - shared)


def _check_related(tally: Tally) -> None:
    """Raise StageError for two unrelated checkpoints.

    The difference of unrelated weights is longer than they are (1.4 times); instruction moves them by a few hundredths.
    """
    residual, base = (math.sqrt(math.fsum(pair[at] for pair in tally.squares.values())) for at in (0, 1))
    if residual > MAX_SHARE * base:
        raise StageError(
            f"instruct_model differs from base_model by {residual / max(base, 1e-30):.2f} times the length of its weights;"
            f" expected at most {MAX_SHARE:g}, as an instruct model is made from its base: {FIX}"
        )


def _check_equal(name: str, *found: torch.Tensor) -> None:
    if any(not other.equal(found[0]) for other in found[1:]):
        raise StageError(
            f"the tensor {name} holds whole numbers, which differ between base_model, merged_model and instruct_model;"
            f" expected equal ones, as they cannot be weighted: {FIX}"
        )


def _norms(residual: float, base: float) -> dict[str, float]:
    """Norms of the residual and of the base, and their ratio."""
    found = {"residual": math.sqrt(residual), "base": math.sqrt(base)}
    if base > 0:
        found["share"] = found["residual"] / found["base"]
    return {key: float(f"{value:.{DIGITS}g}") for key, value in found.items()}


def check_result(folder: Path) -> None:
    """Raise StageError unless the checkpoint loads and gives finite logits."""
    import torch

    logits = probe_logits(load_model(folder, "auto"))
    if not torch.isfinite(logits).all():
        raise StageError(
            "merged_model plus the instruct residual gives logits that are not finite; expected finite ones: lower"
            " instruct_residual.weight, or set merged_model.dtype to float32"
        )
