"""Base models, which are a stranger's files: which of them are read, and that none runs code."""

from __future__ import annotations

import ast
import json
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
from material.attack import attack
from material.checkpoints import NAMED, MakeBase, change, opener, refused

from domainlm.config.sources import BaseModelConfig
from domainlm.contract import StageError
from domainlm.models.checkpoint_files import INDEX, WEIGHTS, check_checkpoint, collect_files
from domainlm.models.convert import convert
from domainlm.stages import base_model


def split_weights(base: Path) -> dict[str, str]:
    """The weights in two files with an index; returns its weight_map."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(base / WEIGHTS)
    names = sorted(tensors)
    weight_map = {}
    for number, part in enumerate((names[::2], names[1::2])):
        shard = f"model-0000{number + 1}-of-00002.safetensors"
        save_file({name: tensors[name] for name in part}, base / shard, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(part, shard)
    (base / WEIGHTS).unlink()
    (base / INDEX).write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}), encoding="utf-8")
    return weight_map


@attack(
    "base model",
    "files outside the key",
    "a safetensors index that leads out of the folder: upwards, absolute, into a subfolder, through a link",
    "an error that names the file and the source, before anything is loaded",
)
def test_an_index_names_files_of_the_source_only(make_base: MakeBase, tmp_path: Path) -> None:
    base = make_base("llama")
    weight_map = split_weights(base)
    outside = shutil.copy(base / next(iter(weight_map.values())), tmp_path / "w2.safetensors")
    (base / "sub").mkdir()
    shutil.copy(outside, base / "sub/w.safetensors")
    for name in ("../w2.safetensors", str(outside), "sub/w.safetensors", "./model.safetensors", "", ".."):
        change(base / INDEX, weight_map=dict.fromkeys(weight_map, name))
        refused(base, tmp_path, "is no file of the source beside it")
    # a link in the source is read as the bytes that were inventoried, and the copy is a file
    (base / "linked.safetensors").symlink_to(outside)
    source = tmp_path / "source"
    source.mkdir()
    rows = [{"path": path.name} for path in base.iterdir() if path.is_file()]
    collect_files(rows, opener(base), source)
    assert not any(path.is_symlink() or path.is_dir() for path in source.iterdir())


@attack(
    "base model",
    "index and shards that disagree",
    "a missing shard, a tensor that the index looks for elsewhere, one in two shards, an index without a map",
    "an error that names tensor, file and source",
)
def test_an_index_agrees_with_its_files(make_base: MakeBase, tmp_path: Path) -> None:
    base = make_base("llama")
    weight_map = split_weights(base)
    first, second = sorted(set(weight_map.values()))
    one = next(name for name, shard in weight_map.items() if shard == first)
    for values, words in (
        ({**weight_map, one: second}, "looks for"),
        ({**weight_map, "more.weight": second}, "does not hold 'more.weight'"),
        ({}, "no weight_map"),
        ([first], "no weight_map"),
        ({one: 5}, "no weight_map"),
    ):
        change(base / INDEX, weight_map=values)
        refused(base, tmp_path, words)
    change(base / INDEX, weight_map=weight_map)
    shutil.copy(base / first, base / WEIGHTS)
    refused(base, tmp_path, "expected either model.safetensors, or")
    (base / WEIGHTS).unlink()
    convert(base, tmp_path, BaseModelConfig(dtype="float32"))
    shutil.copy(base / first, base / second)
    refused(base, tmp_path, "is in two files|looks for")
    (base / second).unlink()
    refused(base, tmp_path, f"names '{second}'")


@attack(
    "base model",
    "files outside the key",
    "files of the folder that no other file names: decoy weights, chat templates in a subfolder, vocabularies of other libraries",
    "they are not in the folder that is loaded",
)
def test_only_what_loading_needs_is_copied(make_base: MakeBase, tmp_path: Path) -> None:
    base = make_base("llama")
    for name in ("vocab.json", "tokenizer.model", "added_tokens.json", "README.md", "chat_template.json"):
        (base / name).write_text("{}", encoding="utf-8")
    paths = [{"path": f"m/{path.name}"} for path in base.iterdir()] + [{"path": "m/additional_chat_templates/x.jinja"}]
    sizes = collect_files(paths, lambda row: (base / Path(row["path"]).name).open("rb"), tmp_path)
    kept = {path.name for path in tmp_path.iterdir() if path.is_file()}
    expected = {"config.json", "generation_config.json", WEIGHTS, "tokenizer.json", "tokenizer_config.json"}
    # the last two come along for others to use; they are in the key as what is loaded is
    assert kept == {*expected, "chat_template.jinja", "chat_template.json", "tokenizer.model"}
    assert len(sizes) == len(list(base.iterdir()))


@attack(
    "base model",
    "files outside the key",
    "config.json that names the file of the weights; an adapter's configuration that names another base",
    "an error that names the key or the file, and the source",
)
def test_neither_configuration_leads_elsewhere(make_base: MakeBase, tmp_path: Path) -> None:
    base = make_base("llama")
    rows = [{"path": path.name} for path in base.iterdir()] + [{"path": "adapter_config.json"}]
    with pytest.raises(StageError, match=rf"an adapter.*{NAMED}"):
        collect_files(rows, opener(base), tmp_path)
    change(base / "config.json", transformers_weights="../w2.safetensors")
    refused(base, tmp_path, "transformers_weights")


@attack(
    "base model",
    "code in a model",
    "auto_map in config.json or tokenizer_config.json, as a mapping, a list or text",
    "an error that names the source; no code of the model is imported",
)
def test_code_of_a_model_is_refused(make_base: MakeBase, tmp_path: Path) -> None:
    for name, value in (
        ("config.json", {"AutoConfig": "own.Own"}),
        ("tokenizer_config.json", ["own.Own", None]),
        ("tokenizer_config.json", "own.Own"),
    ):
        base, out = make_base("llama"), tmp_path / f"out_{len(list(tmp_path.iterdir()))}"
        out.mkdir()
        (base / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')", encoding="utf-8")
        change(base / name, auto_map=value)
        # of a class that transformers has, the code is not looked at
        convert(base, out, BaseModelConfig(dtype="float32"))
        change(base / name, model_type="own", tokenizer_class="OwnTokenizer")
        refused(base, tmp_path, "auto_map")
    assert not (tmp_path / "ran").exists()


@attack(
    "base model",
    "code in a model",
    "config.json that names kernels of a repository of the hub as its attention, also in a part of the configuration",
    "an error that names them and the source; nothing is fetched",
)
def test_kernels_of_a_repository_are_refused(make_base: MakeBase, tmp_path: Path) -> None:
    for values in (
        {"_attn_implementation": "own/kernels"},
        {"attn_implementation": {"text_config": "own/kernels@main:forward"}},
        {"text_config": {"experts_implementation": "own/kernels"}},
    ):
        base = make_base("llama")
        change(base / "config.json", **values)
        refused(base, tmp_path, "custom code.*own/kernels")


@attack(
    "base model",
    "pickle",
    "weights as .bin, .pt or .ckpt; a pickle under the name model.safetensors",
    "an error that explains the conversion; nothing is unpickled",
)
def test_no_pickle_is_loaded(make_base: MakeBase, tmp_path: Path) -> None:
    class Runs:
        def __reduce__(self) -> Any:
            return open, (str(tmp_path / "ran"), "w")

    base = make_base("llama")
    for name in ("pytorch_model.bin", "x.pt", "x.ckpt"):
        with pytest.raises(StageError, match=rf"{name}, which run code.*convert"):
            collect_files(
                [{"path": path.name} for path in base.iterdir()] + [{"path": name}], lambda row: None, tmp_path
            )  # type: ignore[arg-type, return-value]
    (base / WEIGHTS).write_bytes(pickle.dumps(Runs()))
    refused(base, tmp_path, "it is a pickle")
    assert not (tmp_path / "ran").exists()


@attack(
    "code",
    "unsafe loaders",
    "a call in the package that unpickles, trusts remote code or loads a data set by its script",
    "there are none: every module is searched for such calls",
)
def test_the_package_has_no_unsafe_loader() -> None:
    banned = {"pickle.load", "pickle.loads", "torch.load", "load_dataset", "load_from_disk", "datasets.load_dataset"}
    package = Path(base_model.__file__).parents[1]
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in banned, path
                trusts = [word for word in node.keywords if word.arg == "trust_remote_code"]
                assert all(isinstance(word.value, ast.Constant) and word.value.value is False for word in trusts), path


@attack(
    "base model",
    "links in a model's folder",
    "weights that are a link to a file elsewhere",
    "the bytes are read by the inventory's digest, and copied; the link is not followed again",
)
def test_links_are_read_as_bytes(make_base: MakeBase, tmp_path: Path) -> None:
    from domainlm.config.sources import Source
    from domainlm.sources.folders import local_files

    base = make_base("llama")
    outside = tmp_path / "elsewhere.safetensors"
    os.replace(base / WEIGHTS, outside)
    (base / WEIGHTS).symlink_to(outside)
    listed = local_files(tmp_path, "m", Source.model_validate({"role": "base_model", "local": base.name}))
    assert {file.path.rsplit("/")[-1]: file.fault for file in listed}[WEIGHTS] is None
    source = tmp_path / "source"
    source.mkdir()
    collect_files([{"path": path.name} for path in base.iterdir()], opener(base), source)
    outside.write_bytes(b"later")
    check_checkpoint(source)
