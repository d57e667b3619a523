"""Merging an adapter into its base, with a certificate.

In: base and adapter folders, validation rows. Out: a checkpoint folder and figures of its distance from the adapter's
model. The product B A is added in float64 and rounded to fp32, then once to the stored precision. The certificate
runs both models from disk in fp32 compute and compares their predictions: the largest logit difference says little,
and bf16 compute alone is noisier (1e-3) than a right merge (5e-5).
"""

from __future__ import annotations

import gc
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from domainlm.config.pretraining import MergedModel
from domainlm.contract import StageError
from domainlm.models.load import hidden_states, load_model
from domainlm.models.lora import ADAPTER, is_transposed, saved_adapter
from domainlm.models.output_layer import OutputLayer, finished_logits, output_layer
from domainlm.models.rows import CHUNK_ROWS, batch_tensors, labelled_positions
from domainlm.tokens.rows import PackedRows
from domainlm.tokens.tokenizer import TOKENIZER_FILES

if TYPE_CHECKING:
    import torch

COPIED = ("generation_config.json", "tokens.json", *TOKENIZER_FILES)


def merged_dtype(base: Path, dtype: str) -> str:
    """The precision to store a merged model in.

    auto: float16 if the base is, else bfloat16.
    """
    if dtype != "auto":
        return dtype
    stored = json.loads((base / "config.json").read_text(encoding="utf-8")).get("dtype")
    return "float16" if stored == "float16" else "bfloat16"


def merge(base: Path, adapter: Path, dtype: str, out: Path) -> None:
    """Write base + adapter as one checkpoint.

    It has the base's tokenizer and generation settings.
    """
    import torch

    model = saved_adapter(load_model(base, "auto"), adapter)
    with torch.no_grad():
        add_adapter(model)
    merged = model.unload().to(getattr(torch, dtype))
    merged.config.dtype = getattr(torch, dtype)
    merged.save_pretrained(out)
    for name in COPIED:
        if (base / name).exists():
            shutil.copyfile(base / name, out / name)


def add_adapter(model: Any) -> None:
    """Add scale B A to every adapted layer's weight.

    The weight becomes float32 until it is rounded as a whole.
    """
    from peft.tuners.lora.layer import Linear

    for module in model.modules():
        if isinstance(module, Linear):
            layer: Any = module.get_base_layer()
            a, b = (cast("torch.Tensor", pair[ADAPTER].weight) for pair in (module.lora_A, module.lora_B))
            product = (b.double() @ a.double()).mul_(module.scaling[ADAPTER])
            if is_transposed(layer):
                product = product.t().contiguous()
            layer.weight.data = product.add_(layer.weight.double()).float()


def certify(base: Path, adapter: Path, merged: Path, rows: PackedRows, section: MergedModel) -> dict[str, Any]:
    """The certificate's figures over the first validation rows.

    StageError beyond the section's limits. kl: mean over labels of KL(base + adapter || merged), nats. Only hidden
    states are kept of the first model, so that one of the two is in memory at a time. Figures are rounded: fp32
    products of some shapes depend on threads.
    """
    count = min(section.certificate_rows, len(rows))
    reference = saved_adapter(load_model(base, "float32"), adapter).get_base_model()
    expected = _label_states(reference, rows, count)
    layer = output_layer(reference)
    # not the model's own, which is freed
    layer = replace(layer, weight=layer.weight.clone(), bias=None if layer.bias is None else layer.bias.clone())
    del reference
    gc.collect()
    candidate = load_model(merged, "float32")
    found = _label_states(candidate, rows, count)
    kl, nll_base_adapter, nll_merged = compare(expected, layer, found, output_layer(candidate))
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


def compare(
    expected: tuple[torch.Tensor, torch.Tensor],
    expected_layer: OutputLayer,
    found: tuple[torch.Tensor, torch.Tensor],
    found_layer: OutputLayer,
) -> tuple[float, float, float]:
    """Mean KL, and both models' mean NLL, over labels.

    Each model is given as (hidden states, labels).
    """
    import torch

    kl, nll_expected, nll_found = 0.0, 0.0, 0.0
    labels = expected[1]
    for at in range(0, len(labels), CHUNK_ROWS):
        label = labels[at : at + CHUNK_ROWS, None]
        with torch.no_grad():
            one = _log_probabilities(expected_layer, expected[0][at : at + CHUNK_ROWS])
            two = _log_probabilities(found_layer, found[0][at : at + CHUNK_ROWS])
            kl += float((one.exp() * (one - two)).sum(dim=-1).sum())
            nll_expected -= float(one.gather(1, label).sum())
            nll_found -= float(two.gather(1, label).sum())
    return kl / len(labels), nll_expected / len(labels), nll_found / len(labels)


def _log_probabilities(layer: OutputLayer, hidden: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.log_softmax(finished_logits(layer, (hidden @ layer.weight.t()).double()), dim=-1)


def _label_states(model: Any, rows: PackedRows, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    states, labels = [], []
    for index in range(count):
        ids, positions, mask = batch_tensors(rows, [index])
        with torch.no_grad():
            hidden, label = labelled_positions(hidden_states(model, ids, positions), ids, mask)
        states.append(hidden)
        labels.append(label)
    return torch.cat(states), torch.cat(labels)


def _rounded(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")
