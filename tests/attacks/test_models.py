"""Base models, which are a stranger's files: which of them are read, what their headers may claim, what a bad one costs."""

from __future__ import annotations

import ast
import json
import math
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from material.attack import attack

from domainlm.config.sources import BaseModelConfig
from domainlm.contract import Inputs, Resources, StageError
from domainlm.models import tokenizer_probe
from domainlm.models.checkpoint_files import INDEX, WEIGHTS, check_checkpoint, collect_files
from domainlm.models.checkpoint_settings import read_object
from domainlm.models.convert import convert
from domainlm.models.gguf_header import read_gguf_header
from domainlm.pipeline.slices import parse_slice
from domainlm.stages import base_model

NAMED = r"sources\.<base_model>"
MakeBase = Callable[..., Path]


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **values}), encoding="utf-8")


def refused(base: Path, tmp_path: Path, words: str = "") -> None:
    """The checkpoint is refused in a line that names the source, before and after it is collected."""
    out = tmp_path / "refused"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    with pytest.raises(StageError, match=rf"(?s){words}.*{NAMED}") as caught:
        convert(base, out, BaseModelConfig(dtype="float32"))
    assert "\n" not in str(caught.value)


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
    collect_files(rows, lambda row: (base / row["path"]).open("rb"), source)
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
    "tokenizer_config.json that names files: vocab_file, tokenizer_file, fast_tokenizer_files",
    "the names are removed in the artifact; only tokenizer.json is read",
)
def test_tokenizer_settings_name_no_files(make_base: MakeBase, tmp_path: Path) -> None:
    base, other = make_base("llama"), tmp_path / "tokenizer.5.0.0.json"
    values = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))
    other.write_text(json.dumps({**values, "normalizer": {"type": "Lowercase"}}), encoding="utf-8")
    names = {"vocab_file": "/etc/passwd", "tokenizer_file": str(other), "fast_tokenizer_files": [f"../{other.name}"]}
    change(base / "tokenizer_config.json", **names)
    out = tmp_path / "out"
    out.mkdir()
    convert(base, out, BaseModelConfig(dtype="float32"))
    assert (out / "tokenizer.json").read_bytes() == (base / "tokenizer.json").read_bytes()
    assert not names.keys() & read_object(out / "tokenizer_config.json").keys()


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
        collect_files(rows, lambda row: (base / row["path"]).open("rb"), tmp_path)
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


def safetensors(header: bytes, length: int | None = None, data: bytes = b"\0" * 8) -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header + data


@attack(
    "base model",
    "safetensors header",
    "a length of 2^63, 200 MB or 0; offsets that overlap or end beyond the file; unknown types; negative shapes; no JSON",
    "an error that names file and source, in a moment",
)
def test_headers_of_safetensors(make_base: MakeBase, tmp_path: Path) -> None:
    base = make_base("llama")
    one = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    for data in (
        safetensors(b"{}", 1 << 63),
        safetensors(b"{}", 200_000_000),
        safetensors(b"", 0),
        safetensors(b"not JSON"),
        safetensors(json.dumps({"a": one, "b": one}).encode()),
        safetensors(json.dumps({"a": {**one, "data_offsets": [0, 80]}}).encode()),
        safetensors(json.dumps({"a": {**one, "dtype": "F7"}}).encode()),
        safetensors(json.dumps({"a": {**one, "shape": [-2]}}).encode()),
        safetensors(json.dumps({"a": {**one, "shape": [1 << 40, 1 << 40]}}).encode()),
        safetensors(b"[" * 5000),
        b"",
        (base / WEIGHTS).read_bytes()[:1000],
        b"version https://git-lfs\noid sha256:00\nsize 5\n",
    ):
        (base / WEIGHTS).write_bytes(data)
        refused(base, tmp_path, "model.safetensors is no whole safetensors file")


def gguf(values: bytes = b"", tensors: bytes = b"", counts: tuple[int, int] = (0, 0), version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, *counts) + values + tensors


def text(value: str | bytes, length: int | None = None) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data) if length is None else length) + data


@attack(
    "base model",
    "GGUF header",
    "counts and lengths of 2^60, lists within lists, unknown types, offsets beyond the file, other magic, version and byte order",
    "an error that names value or tensor, and the source, in a moment and in little memory",
)
def test_headers_of_gguf(tmp_path: Path) -> None:
    number = struct.pack
    for data in (
        b"",
        b"GGUF",
        b"GGML" + b"\0" * 60,
        gguf(version=1),
        gguf(version=3 << 24),
        gguf(counts=(0, 1 << 60)),
        gguf(counts=(1 << 60, 0)),
        gguf(counts=(0, 5)),
        gguf(text("a", 1 << 62), counts=(0, 1)),
        gguf(text(b"\xff") + number("<I", 4) + b"\0" * 4, counts=(0, 1)),
        gguf(text("a") + number("<I", 99), counts=(0, 1)),
        gguf((text("a") + number("<IB", 0, 1)) * 2, counts=(0, 2)),
        gguf(text("a") + number("<IIQ", 9, 0, 1 << 60), counts=(0, 1)),
        gguf(text("a") + number("<IIQ", 9, 8, 9_000_000), counts=(0, 1)),
        gguf(text("a") + number("<IIQ", 9, 9, 1), counts=(0, 1)),
        gguf(text("general.alignment") + number("<II", 4, 0), counts=(0, 1)),
        gguf(text("general.alignment") + number("<II", 4, 48), counts=(0, 1)),
        gguf(text("split.count") + number("<I", 8) + text("two"), counts=(0, 1)),
        gguf(text("split.count") + number("<If", 6, math.nan), counts=(0, 1)),
        gguf(text("split.count") + number("<If", 6, math.inf), counts=(0, 1)),
        gguf((text("a" * 1_000_000) + number("<IB", 0, 1)) * 2, counts=(0, 2)),
        gguf(tensors=text("t") + number("<I", 1 << 31), counts=(1, 0)),
        gguf(tensors=text("t") + number("<IQQIQ", 2, 1 << 40, 1 << 40, 0, 0), counts=(1, 0)),
        gguf(tensors=text("t") + number("<IQIQ", 1, 4, 77, 0), counts=(1, 0)),
        gguf(tensors=text("t") + number("<IQIQ", 1, 4, 0, 1 << 50), counts=(1, 0)),
        gguf(tensors=(text("t") + number("<IQIQ", 1, 0, 0, 0)) * 2, counts=(2, 0)),
        gguf(
            text("general.architecture")
            + number("<I", 8)
            + text("x")
            + text("x.block_count")
            + number("<II", 4, 1 << 31),
            counts=(0, 2),
        ),
    ):
        path = tmp_path / "model.gguf"
        path.write_bytes(data)
        with pytest.raises(StageError, match=rf"header that cannot be right.*{NAMED}") as caught:
            read_gguf_header(path)
        assert len(str(caught.value)) < 1000


@attack(
    "base model",
    "GGUF header",
    "one part of a GGUF file that is split into several",
    "an error that says how to join them",
)
def test_a_part_of_a_gguf_file(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(gguf(text("split.count") + struct.pack("<IH", 2, 3), counts=(0, 1)))
    with pytest.raises(StageError, match=rf"one of 3 parts.*{NAMED}"):
        read_gguf_header(tmp_path / "m.gguf")


@attack(
    "base model",
    "regular expressions of a tokenizer",
    "a pre-tokenizer that searches back and forth over a line of one letter",
    "an error that names the source: such texts are tried first, in a process with a time limit",
)
def test_expressions_without_end(make_base: MakeBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer_probe, "MAX_SECONDS", 2.0)
    base = make_base("llama")
    for pattern in (r"(a+)+c", r"(a|aa)+$", r"(?=(a+)+c)a"):
        step = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
        byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
        change(base / "tokenizer.json", pre_tokenizer={"type": "Sequence", "pretokenizers": [step, byte_level]})
        refused(base, tmp_path, "tokenizer.json (took more than|cannot be read or used)")


@attack(
    "base model",
    "tokenizer that makes text grow",
    "a normalizer that puts a thousand letters in the place of one, twice",
    "an error that names the source",
)
def test_replacements_that_grow(make_base: MakeBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer_probe, "MAX_SECONDS", 2.0)
    monkeypatch.setattr(tokenizer_probe, "MAX_MEMORY_MB", 500)
    base = make_base("llama")
    step = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 1000}
    for steps in ([step], [step, step]):
        change(base / "tokenizer.json", normalizer={"type": "Sequence", "normalizers": steps})
        refused(base, tmp_path, "tokenizer.json (took more than|ended its process|makes)")


@attack(
    "base model",
    "invalid tokenizer.json",
    "nesting of 100,000, a file cut short, merges of the wrong type, no vocabulary, ids beyond the embeddings",
    "an error that names the source",
)
def test_tokenizers_that_are_none(make_base: MakeBase, tmp_path: Path) -> None:
    base = make_base("llama")
    path = base / "tokenizer.json"
    whole = json.loads(path.read_text(encoding="utf-8"))
    model = whole["model"]
    for data in (
        "[" * 100_000,
        path.read_text(encoding="utf-8")[:500],
        "{}",
        "5",
        json.dumps({**whole, "model": {**model, "merges": [5]}}),
        json.dumps({**whole, "model": {**model, "merges": [["nowhere", "b"]]}}),
        json.dumps({**whole, "model": {**model, "vocab": {}}, "added_tokens": []}),
        json.dumps({**whole, "model": {**model, "vocab": {**model["vocab"], "zz": 4_000_000_000}}}),
    ):
        path.write_text(data, encoding="utf-8")
        refused(base, tmp_path)


@attack(
    "base model",
    "configuration bomb",
    "config.json with 10^9 layers, with widths of 10^12, nested 100,000 deep",
    "an error that names the source, in a moment",
)
def test_configurations_without_bound(make_base: MakeBase, tmp_path: Path) -> None:
    base = make_base("llama")
    kept = (base / "config.json").read_text(encoding="utf-8")
    for values in ({"num_hidden_layers": 10**9}, {"hidden_size": 10**12}, {"vocab_size": 10**15}, {"head_dim": 10**18}):
        (base / "config.json").write_text(kept, encoding="utf-8")
        change(base / "config.json", **values)
        refused(base, tmp_path)
    (base / "config.json").write_text('{"a":' * 100_000, encoding="utf-8")
    refused(base, tmp_path, "config.json is not JSON")


@attack(
    "base model",
    "chance in a tokenizer",
    "merges that are skipped at random (dropout), so that one text has other tokens in each run",
    "an error that names the source",
)
def test_a_tokenizer_draws_nothing(make_base: MakeBase, tmp_path: Path) -> None:
    base = make_base("llama")
    values = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))
    values["model"]["dropout"] = 0.0001
    (base / "tokenizer.json").write_text(json.dumps(values), encoding="utf-8")
    refused(base, tmp_path, "random")


@attack(
    "base model",
    "bad model called a defect",
    "an architecture that transformers does not know, broken or wrongly typed JSON, vocabulary of another model",
    "one line with the source and the fix; no traceback",
)
def test_bad_configurations_are_bad_input(make_base: MakeBase, tmp_path: Path) -> None:
    base = make_base("llama")
    kept = (base / "config.json").read_text(encoding="utf-8")
    for values in (
        {"model_type": "llama9", "architectures": ["Llama9ForCausalLM"]},
        {"model_type": 5},
        {"model_type": None},
        {"vocab_size": 9999},
        {"vocab_size": "many"},
        {"num_hidden_layers": 3},
        {"num_hidden_layers": -1},
        {"return_dict": False},
        {"num_attention_heads": 0},
        {"hidden_act": "nonsense"},
        {"tie_word_embeddings": False},
        {"architectures": ["LlamaForSequenceClassification"]},
        {"is_encoder_decoder": True},
        {"quantization_config": {"quant_method": "gptq", "bits": 4}},
        {"quantization_config": 5},
        {"rope_parameters": "x"},
        {"eos_token_id": "x"},
    ):
        (base / "config.json").write_text(kept, encoding="utf-8")
        change(base / "config.json", **values)
        refused(base, tmp_path)
    for data in (kept[:50], "", "[]", "null", "5", kept.encode("utf-16").decode("latin-1")):
        (base / "config.json").write_text(data, encoding="utf-8")
        refused(base, tmp_path, "config.json")
    (base / "config.json").write_text(kept, encoding="utf-8")
    for name in ("generation_config.json", "tokenizer_config.json"):
        whole = (base / name).read_text(encoding="utf-8")
        half = json.dumps({**json.loads(whole), "x": "\ud800"})
        deep = whole.rstrip()[:-1] + ', "x": ' + '{"a": ' * 300 + "1" + "}" * 301
        for data in (whole[:20], half, deep):
            (base / name).write_text(data, encoding="utf-8")
            refused(base, tmp_path, f"{name} is not JSON")
        (base / name).write_text(whole, encoding="utf-8")


@attack(
    "base model",
    "weights that no training can start from",
    "missing tensors, NaN, infinity, integers, 8-bit floats",
    "one line with the tensor and the source; nothing is drawn at random",
)
def test_bad_weights_are_bad_input(make_base: MakeBase, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    base = make_base("llama")
    tensors = load_file(base / WEIGHTS)
    name = "model.norm.weight"
    for value, words in (
        (None, "lacks.*model.norm.weight"),
        (torch.full((32,), float("nan")), "NaN"),
        (torch.tensor([1.0] * 31 + [float("-inf")]), "infinite"),
        (torch.ones(32, dtype=torch.int8), "I8"),
        (torch.ones(32).to(torch.float8_e4m3fn), "F8_E4M3"),
        (torch.ones(33), "other shapes than the configuration says"),
    ):
        changed = {**tensors, name: value} if value is not None else {k: v for k, v in tensors.items() if k != name}
        save_file(changed, base / WEIGHTS, metadata={"format": "pt"})
        refused(base, tmp_path, words)


@attack(
    "base model",
    "bad model called a defect",
    "the stage base_model on a source that is bad",
    "the message names sources.NAME, with the name from the domain file",
)
def test_the_source_is_named(make_base: MakeBase, tmp_path: Path) -> None:
    base = make_base("llama")
    change(base / "config.json", model_type="llama9")
    section = BaseModelConfig().model_dump(mode="json")
    files = [{"path": path.name} for path in base.iterdir()]
    config = {"section": section, "source": {"source": "qwen"}, "files": files, "hub": None}
    inputs = Inputs({}, lambda row: (base / row["path"]).open("rb"))
    with pytest.raises(StageError, match=r"llama9.*sources\.qwen$"):
        base_model.run(inputs, parse_slice("base_model", config), tmp_path, tmp_path / "scratch", Resources())


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
    collect_files([{"path": path.name} for path in base.iterdir()], lambda row: (base / row["path"]).open("rb"), source)
    outside.write_bytes(b"later")
    check_checkpoint(source)
