"""The certificate that a merged model is base + adapter.

In: base, adapter and merged folders, validation rows. Out: figures of the distance of the two models. Both run from the
disk in float32, one layer in memory at a time (`domainlm.models.streaming`), and their predictions are compared: the
largest logit difference says little, and bf16 compute alone is noisier (1e-3) than a right merge (5e-5).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domainlm.config.pretraining import MergedModel
from domainlm.contract import StageError
from domainlm.models.load import hidden_states
from domainlm.models.output_layer import OutputLayer, decoder_of, finished_logits, output_layer
from domainlm.models.rows import CHUNK_ROWS, batch_tensors, labelled_positions
from domainlm.models.streaming import Streamed, each_row, empty, fill, open_streamed
from domainlm.tokens.rows import PackedRows

if TYPE_CHECKING:
    import torch

# numbers of the output weight in float32 at a time: 16 MiB
BLOCK_NUMBERS = 1 << 22


@dataclass(frozen=True)
class Predictions:
    """What a model says of labels.

    hidden: [labels, width], float32; labels: [labels]; layer: the output layer, its weight in a precision that loses
    nothing.
    """

    hidden: torch.Tensor
    labels: torch.Tensor
    layer: OutputLayer


def certify(
    base: Path, adapter: Path | None, merged: Path, rows: PackedRows, section: MergedModel, threads: int = 1
) -> dict[str, Any]:
    """The certificate's figures over the first validation rows.

    StageError beyond the section's limits. kl: mean over labels of KL(base + adapter || merged), nats. Figures are
    rounded: fp32 products of some shapes depend on threads.
    """
    count = min(section.certificate_rows, len(rows))
    expected = predictions(base, adapter, rows, count, threads)
    found = predictions(merged, None, rows, count, threads)
    kl, nll_base_adapter, nll_merged = compare(expected, found)
    certificate = {
        "kl": _rounded(kl, 4),
        "nll_base_adapter": _rounded(nll_base_adapter, 6),
        "nll_merged": _rounded(nll_merged, 6),
        "max_kl": section.max_kl,
        "max_nll_difference": section.max_nll_difference,
        "rows": count,
        "dtype": section.dtype,
    }
    difference = abs(nll_merged - nll_base_adapter)
    if not (kl <= section.max_kl and difference <= section.max_nll_difference):
        raise StageError(
            f"the merged model is not base + adapter: KL {kl:.3g} (at most {section.max_kl:g}), NLL differs by"
            f" {difference:.3g} (at most {section.max_nll_difference:g}) over {count} rows; set merged_model.dtype to"
            " float32, or lower pt_adapter.learning_rate if the adapter is very large"
        )
    return certificate


def predictions(folder: Path, adapter: Path | None, rows: PackedRows, count: int, threads: int) -> Predictions:
    """Hidden states of the labels of the first rows, and the output layer."""
    import torch

    streamed = open_streamed(folder, adapter)
    outputs: list[Any] = []
    keep = outputs.append

    def of_row(index: int) -> tuple[torch.Tensor, torch.Tensor]:
        ids, positions, mask = batch_tensors(rows, [index])
        return labelled_positions(hidden_states(streamed.model, ids, positions), ids, mask)

    handle = decoder_of(streamed.model).register_forward_hook(
        lambda module, inputs, output: None if outputs else keep(output)
    )
    try:
        found = list(each_row(streamed, of_row, range(count), threads))
    finally:
        handle.remove()
    layer = _output_layer(streamed, outputs[0])
    return Predictions(torch.cat([one for one, _ in found]), torch.cat([two for _, two in found]), layer)


def compare(expected: Predictions, found: Predictions) -> tuple[float, float, float]:
    """Mean KL, and both models' mean NLL, over labels.

    Logits are computed for some of the vocabulary at a time, and summed as they come: those of all labels and tokens
    would be larger than the model.
    """
    import torch

    count, labels = len(expected.labels), expected.labels[:, None]
    sizes = [each.layer.weight.shape[0] for each in (expected, found)]
    if sizes[0] != sizes[1]:
        raise StageError(
            f"the merged model has {sizes[1]} tokens, and base + adapter has {sizes[0]}; expected as many: build merged_model"
            " again"
        )
    sums = [_Sums.of(count), _Sums.of(count)]
    # the sum of p (x - y) exp(-largest x) over tokens
    weighted = torch.zeros(count, 1, dtype=torch.float64)
    step = max(1, BLOCK_NUMBERS // expected.layer.weight.shape[1])
    for start in range(0, sizes[0], step):
        parts = [_part(each.layer, start, start + step) for each in (expected, found)]
        for at in range(0, count, CHUNK_ROWS):
            some = slice(at, at + CHUNK_ROWS)
            one, two = (
                finished_logits(part, (each.hidden[some] @ part.weight.t()).double())
                for part, each in zip(parts, (expected, found), strict=True)
            )
            shrunk = sums[0].add(some, one, labels[some] - start)
            sums[1].add(some, two, labels[some] - start)
            shares = (one - sums[0].largest[some]).exp_()
            weighted[some] = weighted[some] * shrunk + (shares * (one - two)).sum(dim=-1, keepdim=True)
    # logarithms of the sums of exp(logit)
    one, two = (each.largest + each.total.log() for each in sums)
    differences = (weighted / sums[0].total - one + two, one - sums[0].label, two - sums[1].label)
    kl, nll_expected, nll_found = (float(each.sum()) / count for each in differences)
    return kl, nll_expected, nll_found


@dataclass(frozen=True)
class _Sums:
    """Sums over the tokens so far, of each label: [labels, 1], float64.

    largest: logit; total: of exp(logit - largest); label: the label's own logit.
    """

    largest: torch.Tensor
    total: torch.Tensor
    label: torch.Tensor

    @classmethod
    def of(cls, count: int) -> _Sums:
        import torch

        zeros = torch.zeros(count, 1, dtype=torch.float64)
        return cls(torch.full_like(zeros, -torch.inf), zeros.clone(), zeros.clone())

    def add(self, some: slice, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Add tokens of some labels; the factor by which what was summed shrinks."""
        import torch

        largest = torch.maximum(self.largest[some], logits.amax(dim=-1, keepdim=True))
        shrunk = (self.largest[some] - largest).exp_()
        self.total[some] = self.total[some] * shrunk + (logits - largest).exp_().sum(dim=-1, keepdim=True)
        self.largest[some] = largest
        inside = (labels >= 0) & (labels < logits.shape[1])
        own = logits.gather(1, labels.clamp(0, logits.shape[1] - 1))
        self.label[some] += torch.where(inside, own, 0.0)
        return shrunk


def _part(layer: OutputLayer, start: int, stop: int) -> OutputLayer:
    bias = None if layer.bias is None else layer.bias[start:stop]
    return replace(layer, weight=layer.weight[start:stop].float(), bias=bias)


def _output_layer(streamed: Streamed, output: Any) -> OutputLayer:
    """The output layer, as large as it is stored.

    output: one of the decoder's. Trying the layer takes no second pass through the others.
    """
    import torch

    model = streamed.model
    head, decoder = model.get_output_embeddings(), decoder_of(model)
    names = [name for block, of_block in streamed.blocks.items() for name in of_block if head in block.modules()]
    forward = decoder.forward
    fill(streamed, names)
    try:
        decoder.forward = lambda *arguments, **named: output
        layer = output_layer(model)
        weight = layer.weight.detach()
        if isinstance(head, torch.nn.Linear):
            # float32 holds the stored numbers, so that they lose nothing on the way back
            weight = weight.to(_stored_dtype(streamed, names) or weight.dtype)
        bias = None if layer.bias is None else layer.bias.detach().clone()
        return replace(layer, weight=weight, bias=bias)
    finally:
        decoder.forward = forward
        empty(streamed, names)


def _stored_dtype(streamed: Streamed, names: list[str]) -> torch.dtype | None:
    import torch

    weights = streamed.weights
    for name in names:
        group = weights.groups[weights.tied.get(name, name)]
        if name.endswith(".weight") and not group.is_rearranged:
            return getattr(torch, weights.stored[group.tensors[0]].dtype)  # type: ignore[no-any-return]
    return None


def _rounded(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")
