from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from material.adapters import with_random_b
from material.tiny_models import write_architecture
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from domainlm.config.pretraining import MergedModel, PtAdapter
from domainlm.contract import StageError
from domainlm.models.certificate import certify
from domainlm.models.load import load_model
from domainlm.models.lora import ADAPTER, is_transposed, new_adapter, save_adapter, saved_adapter
from domainlm.models.merge import merge, merged_dtype
from domainlm.tokens.rows import PackedRows, read_split


def test_the_stored_precision_is_the_configured_one_and_files_come_along(
    parts: tuple[Path, Path, PackedRows, Path],
) -> None:
    base, adapter, rows, merged = parts
    own = ("special_tokens_map.json", "tokenizer.model", "generation_config.json", "chat_template.json")
    for name in own:
        (base / name).write_text(json.dumps({"eos_token": "<|im_end|>", "temperature": 0.5}), encoding="utf-8")
    merge(base, adapter, "bfloat16", merged)
    certificate = certify(base, adapter, merged, rows, MergedModel(max_kl=1.0, max_nll_difference=1.0))
    assert 0 < certificate["kl"] < 1e-3
    assert {t.dtype for t in load_file(merged / "model.safetensors").values()} == {torch.bfloat16}
    assert set(load_file(merged / "model.safetensors")) == set(load_file(base / "model.safetensors"))
    for name in ("tokenizer.json", "tokens.json", "chat_template.jinja", *own):
        assert (merged / name).read_bytes() == (base / name).read_bytes()
    assert str(merged.parent) not in (merged / "config.json").read_text()


@pytest.mark.parametrize(
    ("stored", "expected"), [("float16", "float16"), ("bfloat16", "bfloat16"), ("float32", "bfloat16")]
)
def test_float16_stays_unless_told(stored: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"dtype": stored}), encoding="utf-8")
    assert merged_dtype(tmp_path, "auto") == expected
    assert merged_dtype(tmp_path, "float32") == "float32"


MERGED: list[tuple[str, dict[str, Any]]] = [
    ("llama", {"tie_word_embeddings": True}),
    ("llama", {"tie_word_embeddings": False}),
    ("qwen2", {"tie_word_embeddings": True}),
    ("qwen2", {"tie_word_embeddings": False}),
    ("gpt2", {}),
    ("mixtral", {"num_local_experts": 2, "num_experts_per_tok": 1}),
]
NAMES = [f"{kind}{'' if values.get('tie_word_embeddings', True) else ' untied'}" for kind, values in MERGED]


@pytest.mark.parametrize(("kind", "values"), MERGED, ids=NAMES)
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_files_are_those_of_a_merge_in_memory(kind: str, values: dict[str, Any], dtype: str, tmp_path: Path) -> None:
    base, adapter, merged, expected = (tmp_path / name for name in ("base", "adapter", "merged", "expected"))
    for folder in (adapter, merged, expected):
        folder.mkdir()
    write_architecture(base, kind, "bfloat16", **values)
    model = new_adapter(load_model(base, "float32"), PtAdapter(rank=4, alpha=8), 1)
    with_random_b(model)
    save_adapter(model, adapter, "base_model")
    merge(base, adapter, dtype, merged)
    whole = saved_adapter(load_model(base, "auto"), adapter)
    for module in whole.modules():
        if hasattr(module, "lora_A"):
            layer = module.get_base_layer()
            product = (module.lora_B[ADAPTER].weight.data.double() @ module.lora_A[ADAPTER].weight.data.double()) * 2
            layer.weight.data = (layer.weight.double() + (product.t() if is_transposed(layer) else product)).float()
    whole = whole.unload().to(getattr(torch, dtype))
    whole.save_pretrained(expected)
    names = {path.name for path in expected.iterdir()}
    assert names == {"config.json", "generation_config.json", "model.safetensors"}
    assert {path.name: path.read_bytes() for path in merged.iterdir()} == {
        name: (expected / name).read_bytes() for name in names
    }


def adapt(base: Path, adapter: Path, **values: Any) -> torch.nn.Module:
    """peft's own adapter with random weights, saved by peft; the model merged by peft in float32."""
    targets = ["c_attn"] if (base.parent / "gpt2").exists() else ["q_proj", "v_proj"]
    settings = LoraConfig(
        r=4, lora_alpha=8, target_modules=targets, fan_in_fan_out=targets == ["c_attn"], task_type="CAUSAL_LM", **values
    )
    model = get_peft_model(load_model(base, "float32"), settings)
    generator = torch.Generator().manual_seed(2)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += torch.randn(parameter.shape, generator=generator) * 0.05
    model.save_pretrained(adapter)
    return PeftModel.from_pretrained(load_model(base, "float32"), adapter).merge_and_unload()


METHODS: dict[str, dict[str, Any]] = {
    "LoRA": {},
    "LoRA by patterns": {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"v_proj": 3}},
    "rsLoRA": {"use_rslora": True},
    "DoRA": {"use_dora": True},
    "tokens": {"trainable_token_indices": [3, 250]},
    "embeddings": {"modules_to_save": ["EMBEDDINGS"]},
    "tied embeddings": {"modules_to_save": ["EMBEDDINGS"], "ensure_weight_tying": True},
    "output layer": {"modules_to_save": ["lm_head"]},
    "both": {"modules_to_save": ["EMBEDDINGS", "lm_head"]},
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("kind", "values"), MERGED, ids=NAMES)
def test_each_method_merges_as_peft_does(
    kind: str, values: dict[str, Any], method: str, make_tokens: Callable[..., Path], tmp_path: Path
) -> None:
    base, adapter, merged = tmp_path / "base", tmp_path / "adapter", tmp_path / "merged"
    merged.mkdir()
    write_architecture(base, kind, "bfloat16", **values)
    settings = dict(METHODS[method])
    embeddings = "wte" if kind == "gpt2" else "embed_tokens"
    if kind == "gpt2":
        (tmp_path / "gpt2").touch()
    for key in ("modules_to_save",):
        if key in settings:
            settings[key] = [embeddings if name == "EMBEDDINGS" else name for name in settings[key]]
    if "trainable_token_indices" in settings:
        settings["trainable_token_indices"] = {embeddings: settings["trainable_token_indices"]}
    if method == "LoRA by patterns" and kind == "gpt2":
        settings = {"rank_pattern": {"h.0.attn.c_attn": 2}, "alpha_pattern": {"h.1.attn.c_attn": 3}}
    expected = adapt(base, adapter, **settings)
    merge(base, adapter, "float32", merged)
    found = load_model(merged, "float32")
    ids = torch.arange(1, 33).view(1, 32) * 9
    with torch.no_grad():
        assert (found(input_ids=ids).logits - expected(input_ids=ids).logits).abs().max() < 1e-4
        assert (load_model(base, "float32")(input_ids=ids).logits - expected(input_ids=ids).logits).abs().max() > 1e-2
    tensors = expected.state_dict()
    for name, tensor in found.state_dict().items():
        assert (tensor - tensors[name]).abs().max() < 1e-6, name
    # peft does not know that GPT-2's are tied
    apart = ("embeddings", "output layer", "both", *(("tied embeddings",) if kind == "gpt2" else ()))
    is_tied = values.get("tie_word_embeddings", True) and method not in apart
    assert found.config.tie_word_embeddings == is_tied
    assert ("lm_head.weight" in load_file(merged / "model.safetensors")) != is_tied
    rows = read_split(make_tokens([31, 14, 9, 32]), "validation")
    assert certify(base, adapter, merged, rows, MergedModel(dtype="float32"))["kl"] < 1e-9


def test_trained_experts_are_stored_as_the_base_stores_them(make_tokens: Callable[..., Path], tmp_path: Path) -> None:
    base, adapter, merged = tmp_path / "base", tmp_path / "adapter", tmp_path / "merged"
    merged.mkdir()
    write_architecture(base, "mixtral", num_local_experts=2, num_experts_per_tok=1)
    expected = adapt(base, adapter, modules_to_save=["experts"]).state_dict()
    merge(base, adapter, "float32", merged)
    assert load_file(merged / "model.safetensors").keys() == load_file(base / "model.safetensors").keys()
    found = load_model(merged, "float32").state_dict()
    assert all((tensor - expected[name]).abs().max() < 1e-6 for name, tensor in found.items())
    rows = read_split(make_tokens([31, 14, 9, 32]), "validation")
    assert certify(base, adapter, merged, rows, MergedModel(dtype="float32"))["kl"] < 1e-9


def test_blocks_of_rows_and_files_make_no_difference(
    parts: tuple[Path, Path, PackedRows, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    base, adapter, _, merged = parts
    merge(base, adapter, "bfloat16", merged)
    whole = load_file(merged / "model.safetensors")
    monkeypatch.setattr("domainlm.models.tensor_files.BLOCK_NUMBERS", 100)
    several = tmp_path / "several"
    several.mkdir()
    merge(base, adapter, "bfloat16", several, shard_bytes=18_000)
    files = sorted(several.glob("*.safetensors"))
    assert len(files) > 2
    assert all(path.stat().st_size < 21_000 for path in files)
    found = {name: tensor for path in files for name, tensor in load_file(path).items()}
    assert found.keys() == whole.keys()
    assert all(torch.equal(tensor, whole[name]) for name, tensor in found.items())
    ids = torch.arange(3, 19).view(1, 16)
    models = [AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32) for folder in (merged, several)]
    with torch.no_grad():
        one, two = (model(input_ids=ids).logits for model in models)
    assert torch.equal(one, two)


def test_an_adapter_of_another_base_is_refused(tmp_path: Path) -> None:
    base, wide, adapter, merged = (tmp_path / name for name in ("base", "wide", "adapter", "merged"))
    merged.mkdir()
    write_architecture(base, "llama")
    write_architecture(wide, "llama", vocab_size=310)
    adapt(wide, adapter, modules_to_save=["lm_head"])
    with pytest.raises((StageError, RuntimeError), match=r"310"):
        merge(base, adapter, "float32", merged)


def test_an_adapter_that_lacks_a_weight_is_refused(parts: tuple[Path, Path, PackedRows, Path]) -> None:
    base, adapter, _, merged = parts
    tensors = load_file(adapter / "adapter_model.safetensors")
    del tensors["base_model.model.model.layers.1.mlp.up_proj.lora_B.weight"]
    save_file(tensors, adapter / "adapter_model.safetensors")
    with pytest.raises(StageError, match=r"lacks 1 weights, the first one .*layers\.1\.mlp\.up_proj\.lora_B"):
        merge(base, adapter, "float32", merged)


MEASURED = """
import sys
from pathlib import Path
import accelerate, peft, torch, transformers
from transformers import LlamaForCausalLM
from domainlm.config.pretraining import MergedModel
from domainlm.models.certificate import certify
from domainlm.models.merge import merge
from domainlm.tokens.rows import read_split

def status(key):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(key)) * 1024

torch.set_num_threads(1)
base, adapter, merged, tokens = map(Path, sys.argv[1:])
before = status("VmRSS")
merge(base, adapter, "bfloat16", merged)
one = status("VmHWM")
certify(base, adapter, merged, read_split(tokens, "validation"), MergedModel(max_kl=9, max_nll_difference=9), 2)
print(one - before, status("VmHWM") - before)
"""


def test_memory_stays_within_the_checkpoint_s_size(make_tokens: Callable[..., Path], tmp_path: Path) -> None:
    base, adapter, merged = (tmp_path / name for name in ("base", "adapter", "merged"))
    merged.mkdir()
    size = write_large_model(base, adapter)
    assert 300e6 < size < 400e6
    command = [sys.executable, "-c", MEASURED, *map(str, (base, adapter, merged, make_tokens([31, 14, 9, 32])))]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    merging, both = map(int, result.stdout.split())
    # nothing of the model is kept
    assert merging < 0.7 * size
    assert both < 1.3 * size


def write_large_model(base: Path, adapter: Path) -> int:
    """A Llama of 12 layers and an adapter of all its linear layers, written tensor by tensor; bytes of the model."""
    from transformers import LlamaConfig

    from domainlm.models.tensor_files import PlannedTensor, create_checkpoint, write_rows
    from domainlm.models.weights import empty_model

    shape = {"hidden_size": 1024, "intermediate_size": 2816, "num_hidden_layers": 12, "num_attention_heads": 16}
    LlamaConfig(**shape, vocab_size=32000, tie_word_embeddings=True, dtype="bfloat16").save_pretrained(base)
    model = empty_model(base)
    planned = {
        name: PlannedTensor("bfloat16", tuple(each.shape))
        for name, each in model.named_parameters()
        if name != "lm_head.weight"
    }
    low: dict[str, torch.Tensor] = {}
    for name, place in create_checkpoint(base, planned).items():
        write_rows(place, 0, torch.full(place.shape, 0.01, dtype=torch.bfloat16).bernoulli_(0.5).mul_(0.02))
        if "_proj" in name:
            prefix = f"base_model.model.{name.removesuffix('.weight')}"
            low[f"{prefix}.lora_A.weight"] = torch.full((8, place.shape[1]), 0.01)
            low[f"{prefix}.lora_B.weight"] = torch.full((place.shape[0], 8), 0.01)
    adapter.mkdir()
    save_file(low, adapter / "adapter_model.safetensors")
    LoraConfig(r=8, target_modules="all-linear", task_type="CAUSAL_LM").save_pretrained(adapter)
    return (base / "model.safetensors").stat().st_size
