from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from material.checkpoints import opener

from domainlm.config.sources import BaseModelConfig
from domainlm.contract import StageError
from domainlm.models.checkpoint_files import INDEX, WEIGHTS, check_checkpoint, collect_files, reading_source
from domainlm.models.checkpoint_settings import check_configuration, tokenizer_settings
from domainlm.models.convert import convert


def test_a_checkpoint_in_several_files_gives_the_bytes_of_one(make_base: Callable[..., Path], tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    base = make_base("llama")
    split = tmp_path / "split"
    AutoModelForCausalLM.from_pretrained(base).save_pretrained(split, max_shard_size="30KB")
    assert len(list(split.glob("*.safetensors"))) > 2
    for path in [*base.glob("*token*"), base / "chat_template.jinja"]:
        (split / path.name).write_bytes(path.read_bytes())
    digests = []
    for source in (base, split):
        out = tmp_path / f"out_{source.name}"
        out.mkdir()
        convert(source, out, BaseModelConfig(dtype="float32"))
        digests.append((out / WEIGHTS).read_bytes())
    assert digests[0] == digests[1]


def test_weights_that_nothing_names_are_not_looked_at(make_base: Callable[..., Path]) -> None:
    base = make_base("llama")
    (base / "consolidated.safetensors").write_bytes(b"anything")
    check_checkpoint(base)


def test_an_index_of_the_one_file_beside_it_is_sound(make_base: Callable[..., Path]) -> None:
    from safetensors.torch import load_file

    base = make_base("llama")
    weight_map = dict.fromkeys(load_file(base / WEIGHTS), WEIGHTS)
    (base / INDEX).write_text(json.dumps({"weight_map": weight_map}), encoding="utf-8")
    check_checkpoint(base)


def test_more_rows_than_the_tokenizer_has_ids_are_sound(make_base: Callable[..., Path], tmp_path: Path) -> None:
    assert convert(make_base("llama", vocab_size=512), tmp_path, BaseModelConfig()).vocab_size == 512


@pytest.mark.parametrize(
    "name", ["LlamaForCausalLM", "GPT2LMHeadModel", "Gemma3ForConditionalGeneration", "LlamaModel"]
)
def test_architectures_that_predict_the_next_token_are_not_refused_by_name(
    name: str, make_base: Callable[..., Path]
) -> None:
    base = make_base("llama")
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    (base / "config.json").write_text(json.dumps({**config, "architectures": [name]}), encoding="utf-8")
    check_checkpoint(base)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "modeling_own.py", "training_args.pt"])
def test_files_that_run_code_are_refused(name: str, make_base: Callable[..., Path], tmp_path: Path) -> None:
    base = make_base("llama")
    files = [{"path": path.name} for path in base.iterdir()] + [{"path": name}]
    with pytest.raises(StageError, match=name):
        collect_files(files, opener(base), tmp_path)


@pytest.mark.parametrize("files", [[], ["a.gguf", "b.gguf"], ["config.json", "x/config.json"], ["config.json"]])
def test_a_source_that_is_not_one_checkpoint_is_refused(files: list[str], tmp_path: Path) -> None:
    with pytest.raises(StageError, match="expected"):
        collect_files([{"path": path} for path in files], lambda row: io.BytesIO(), tmp_path)


def test_settings_that_name_no_file_are_kept_as_they_are(make_base: Callable[..., Path]) -> None:
    base = make_base("llama")
    assert tokenizer_settings(base) is None
    (base / "tokenizer_config.json").write_text('{"vocab_file": null, "eos_token": "x"}', encoding="utf-8")
    assert tokenizer_settings(base) is None
    (base / "tokenizer_config.json").write_text('{"vocab_file": "x", "eos_token": "x"}', encoding="utf-8")
    assert tokenizer_settings(base) == {"eos_token": "x"}


def test_what_a_library_raises_is_one_line_without_the_folder(tmp_path: Path) -> None:
    with (
        pytest.raises(StageError, match=r"loading failed with KeyError: 'no the source/x y'; expected"),
        reading_source("loading", tmp_path),
    ):
        raise KeyError(f"no {tmp_path}/x y")
    with pytest.raises(MemoryError), reading_source("loading", tmp_path):
        raise MemoryError
    with pytest.raises(KeyboardInterrupt), reading_source("loading", tmp_path):
        raise KeyboardInterrupt


def test_a_tied_output_layer_is_not_missing(make_base: Callable[..., Path], tmp_path: Path) -> None:
    from safetensors.torch import load_file

    base = make_base("llama", tie_word_embeddings=True)
    assert "lm_head.weight" not in load_file(base / WEIGHTS)
    convert(base, tmp_path, BaseModelConfig(dtype="float32"))
    assert torch.isfinite(load_file(tmp_path / WEIGHTS)["model.embed_tokens.weight"]).all()


@pytest.mark.parametrize(
    ("settings", "keys"),
    [
        ({"auto_map": {"AutoTokenizer": ["own.Own", None]}, "tokenizer_class": "Own"}, "auto_map and tokenizer_class"),
        ({"auto_map": ["own.Own", None]}, "auto_map"),
        ({"extra": {"auto_map": {"AutoTokenizer": "own.Own"}}, "tokenizer_class": "Qwen2Tokenizer"}, "extra"),
    ],
)
def test_a_tokenizer_s_own_code_is_refused_with_the_keys_to_remove(
    settings: dict[str, Any], keys: str, tmp_path: Path
) -> None:
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 5, **settings}), encoding="utf-8")
    with pytest.raises(StageError) as caught:
        check_configuration({"model_type": "llama", "architectures": ["LlamaForCausalLM"]}, tmp_path)
    assert str(caught.value).startswith("tokenizer_config.json names custom code (auto_map: ")
    assert f"remove {keys} from tokenizer_config.json in the copy in sources.<base_model>" in str(caught.value)
    kept = {key: value for key, value in settings.items() if key not in keys.split(" and ")}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(kept), encoding="utf-8")
    check_configuration({"model_type": "llama", "architectures": ["LlamaForCausalLM"]}, tmp_path)
