"""The tiny domain with an instruct model: pretrained on the base, then its difference added, up to the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CHAT = "  tiny_chat: {role: instruct_model, local: data/tiny/chat, licence: CC0-1.0}\n"


def write_pair(project: Path) -> None:
    """An instruct model beside the base: other weights, a chat template and an end token of its own; the base has none."""
    import shutil

    import torch
    from safetensors.torch import load_file, save_file

    base, chat = project / "data/tiny/model", project / "data/tiny/chat"
    shutil.copytree(base, chat)
    generator = torch.Generator().manual_seed(4)
    tensors = load_file(base / "model.safetensors")
    changed = {name: each + 0.05 * torch.randn(each.shape, generator=generator) for name, each in tensors.items()}
    save_file(changed, chat / "model.safetensors", metadata={"format": "pt"})
    settings = json.loads((base / "tokenizer_config.json").read_text(encoding="utf-8"))
    settings.pop("chat_template", None)
    (base / "chat_template.jinja").unlink()
    for folder, eos in ((base, "<|endoftext|>"), (chat, "<|im_end|>")):
        (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "eos_token": eos}), encoding="utf-8")


def test_the_difference_of_an_instruct_model_is_added_and_tuned(fresh_tree: Any) -> None:
    from safetensors.torch import load_file

    write_pair(fresh_tree.path)
    name = "config/domains/tiny.yaml"
    fresh_tree.edit(name, "raw_corpus:", f"{CHAT}raw_corpus:")
    fresh_tree.edit(
        name, "sft_adapter: {", "instruct_residual: {weight: 0.7}\nsft_adapter: {relay: instruct_residual, "
    )
    fresh_tree.snakemake("eval_report")
    assert {row["outcome"] for row in fresh_tree.builds()} == {"built"}
    # the sum is what it says, of the artifacts that were built
    parts = ("merged_model", "base_model", "instruct_model", "instruct_residual")
    merged, base, instruct, found = (load_file(fresh_tree.artifact(part) / "model.safetensors") for part in parts)
    for tensor, value in found.items():
        expected = merged[tensor].double() + 0.7 * (instruct[tensor].double() - base[tensor].double())
        assert (value.double() - expected).abs().max() <= 1e-7
    # conversations are the instruct model's, and SFT starts from the sum
    tokens = {
        part: json.loads((fresh_tree.artifact(part) / "tokens.json").read_text(encoding="utf-8")) for part in parts
    }
    assert tokens["base_model"]["turn_end"] == "<|endoftext|>"
    assert tokens["instruct_residual"] == tokens["instruct_model"]
    assert tokens["instruct_residual"]["turn_end"] == "<|im_end|>"
    adapter = json.loads((fresh_tree.artifact("sft_adapter") / "adapter_config.json").read_text(encoding="utf-8"))
    assert adapter["base_model_name_or_path"] == "instruct_residual"
    # all models on the same sets, in one report
    results = json.loads((fresh_tree.artifact("eval_results") / "results.json").read_text(encoding="utf-8"))
    assert list(results["models"]) == ["base", "instruct", "pt", "residual", "sft"]
    assert len({frozenset(sets) for sets in results["models"].values()}) == 1
    page = (fresh_tree.artifact("eval_report") / "report.html").read_text(encoding="utf-8")
    for said in (
        "Against the instruct model",
        "PT + residual",
        "Instruct residual",
        "The base model tiny_model looks like a base model",
        "The instruct model tiny_chat looks like an instruct model",
    ):
        assert said in page
    metrics = json.loads((fresh_tree.artifact("eval_report") / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["residual_weight"] == 0.7
    assert set(metrics["perplexity"]["definitions"]) == {"base", "instruct", "pt", "residual", "sft"}
    # what another weight costs: no training of the base, no conversation
    fresh_tree.edit(name, "weight: 0.7", "weight: 1.0")
    with fresh_tree.outcomes() as done:
        fresh_tree.snakemake("sft_adapter")
    assert done["built"] == {"instruct_residual", "sft_adapter"}
