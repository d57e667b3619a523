from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from material.checkpoints import opener
from material.gguf_files import write_gguf

from domainlm.config.sources import BaseModelConfig
from domainlm.contract import StageError
from domainlm.models.chat_probe import find_turn_end
from domainlm.models.checkpoint_files import collect_files
from domainlm.models.convert import check_written, convert, with_digit_splitting
from domainlm.models.load import load_model, probe_logits


@pytest.mark.parametrize(("pre", "tokens"), [("smollm", ["ab", "1", "2"]), ("gpt-2", ["ab", "12"])])
def test_gguf_becomes_safetensors_and_digits_are_split_where_they_were(
    pre: str, tokens: list[str], tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    out.mkdir()
    write_gguf(source / "model.gguf", pre)
    found = convert(source, out, BaseModelConfig())
    assert (found.end_of_text_id, found.turn_end_id, found.pad_id) == (0, 2, 2)
    assert found.vocab_size == 3 + 256 + 2
    assert json.loads((out / "tokens.json").read_text())["turn_end"] == "<|im_end|>"
    assert AutoTokenizer.from_pretrained(out).tokenize("ab12") == tokens
    model = AutoModelForCausalLM.from_pretrained(out, dtype="auto")
    assert model.dtype == torch.bfloat16
    assert model.generation_config.eos_token_id == [2, 0]
    for file in out.glob("*.json"):
        assert str(tmp_path) not in file.read_text()


@pytest.mark.parametrize("end", [0, 2])
def test_plain_generate_stops_at_either_end(end: int, make_base: Callable[..., Path], tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    out = tmp_path / "out"
    out.mkdir()
    convert(make_base("llama", tie_word_embeddings=False), out, BaseModelConfig(dtype="float32"))
    model = AutoModelForCausalLM.from_pretrained(out)

    def only_end(module: torch.nn.Module, inputs: object, output: torch.Tensor) -> torch.Tensor:
        output[..., end] = 1e9
        return output

    model.lm_head.register_forward_hook(only_end)
    assert model.generate(torch.tensor([[5, 6]]), max_new_tokens=9, do_sample=False).tolist() == [[5, 6, end]]


def test_a_folder_keeps_its_logits_and_its_tokenizer_file(make_base: Callable[..., Path], tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    base = make_base("qwen2")
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    out.mkdir()
    files = [{"path": f"{base.name}/{path.name}"} for path in base.iterdir()] + [{"path": "elsewhere/notes.bin"}]
    collect_files(files, opener(base.parent), source)
    tokens = convert(source, out, BaseModelConfig(dtype="float32"))
    assert (out / "tokenizer.json").read_bytes() == (base / "tokenizer.json").read_bytes()
    assert json.loads((out / "tokens.json").read_text())["vocab_size"] == tokens.vocab_size
    ids = torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        one, two = (AutoModelForCausalLM.from_pretrained(folder)(ids).logits for folder in (base, out))
    assert torch.equal(one, two)


def test_a_tokenizer_that_truncates_is_taken_and_its_files_come_along(
    make_base: Callable[..., Path], tmp_path: Path
) -> None:
    base, source, out = make_base("llama"), tmp_path / "source", tmp_path / "out"
    source.mkdir()
    out.mkdir()
    values = json.loads((base / "tokenizer.json").read_text())
    values["truncation"] = {"direction": "Right", "max_length": 5, "strategy": "LongestFirst", "stride": 0}
    values["padding"] = {
        "strategy": {"Fixed": 4096},
        "direction": "Left",
        "pad_to_multiple_of": None,
        "pad_id": 2,
        "pad_type_id": 0,
        "pad_token": "<|im_end|>",
    }
    (base / "tokenizer.json").write_text(json.dumps(values))
    (base / "special_tokens_map.json").write_text('{"bos_token": "<|im_start|>"}')
    (base / "tokenizer.model").write_bytes(b"of SentencePiece")
    collect_files([{"path": path.name} for path in base.iterdir()], opener(base), source)
    tokens = convert(source, out, BaseModelConfig(dtype="float32"))
    assert (tokens.end_of_text_id, tokens.turn_end_id) == (0, 2)
    for name in ("special_tokens_map.json", "tokenizer.model"):
        assert (out / name).read_bytes() == (base / name).read_bytes()


def test_ids_without_an_embedding_are_refused(make_base: Callable[..., Path], tmp_path: Path) -> None:
    base = make_base("llama", vocab_size=200)
    with pytest.raises(StageError, match="ids up to 258, its embeddings 200 rows"):
        convert(base, tmp_path, BaseModelConfig())


def test_the_end_of_text_can_be_named_and_must_exist(make_base: Callable[..., Path], tmp_path: Path) -> None:
    base = make_base("llama")
    assert convert(base, tmp_path, BaseModelConfig(end_of_text="<|im_start|>")).end_of_text_id == 1
    with pytest.raises(StageError, match=r"base_model\.end_of_text"):
        convert(base, tmp_path, BaseModelConfig(end_of_text="</s>"))


def test_the_tokens_before_a_text_are_those_of_the_tokenizer(make_base: Callable[..., Path], tmp_path: Path) -> None:
    base = make_base("llama")
    assert convert(base, tmp_path, BaseModelConfig()).text_start_ids == ()
    assert "text_start_ids" not in json.loads((tmp_path / "tokens.json").read_text())
    values = json.loads((base / "tokenizer.json").read_text())
    start = {"id": "<|im_start|>", "ids": [1], "tokens": ["<|im_start|>"]}
    single = [{"SpecialToken": {"id": "<|im_start|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    values["post_processor"] = {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<|im_start|>": start},
    }
    (base / "tokenizer.json").write_text(json.dumps(values))
    assert convert(base, tmp_path, BaseModelConfig()).text_start_ids == (1,)
    assert json.loads((tmp_path / "tokens.json").read_text())["text_start_ids"] == [1]


def test_a_bos_that_only_the_settings_ask_for_begins_a_text(make_base: Callable[..., Path], tmp_path: Path) -> None:
    """transformers 5 does not read add_bos_token beside a tokenizer.json."""
    base = make_base("llama")
    path = base / "tokenizer_config.json"
    settings = json.loads(path.read_text()) | {"bos_token": "<|im_start|>", "add_bos_token": False}
    path.write_text(json.dumps(settings))
    assert convert(base, tmp_path, BaseModelConfig()).text_start_ids == ()
    path.write_text(json.dumps(settings | {"add_bos_token": True}))
    assert convert(base, tmp_path, BaseModelConfig()).text_start_ids == (1,)


def without_template(base: Path) -> Path:
    (base / "chat_template.jinja").unlink()
    return base


def test_a_model_without_a_chat_template_is_told_how_to_get_one(make_base: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"no chat template.*set base_model\.chat_template to .*plain"):
        convert(without_template(make_base("llama")), tmp_path, BaseModelConfig())


GIVEN = "{% for m in messages %}[{{ m['role'][0] }} {{ m['content'] }}<|im_end|>{% endfor %}"


@pytest.mark.parametrize(
    ("given", "turn_end", "rendered"),
    [
        ("plain", "<|endoftext|>", "### User\nWhy?\n\n### Assistant\nBecause.<|endoftext|>\n\n"),
        ("chatml", "<|im_end|>", "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\nBecause.<|im_end|>\n"),
        (GIVEN, "<|im_end|>", "[u Why?<|im_end|>[a Because.<|im_end|>"),
    ],
)
def test_a_chat_template_can_be_given(
    given: str, turn_end: str, rendered: str, make_base: Callable[..., Path], tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    base = without_template(make_base("llama"))
    settings = json.loads((base / "tokenizer_config.json").read_text())
    own = {"chat_template": "{{ raise_exception('of the model itself') }}"}
    (base / "tokenizer_config.json").write_text(json.dumps(settings | own))
    tokens = convert(base, tmp_path, BaseModelConfig(chat_template=given), has_system_turn=True)
    assert (tokens.turn_end, tokens.end_of_text) == (turn_end, "<|endoftext|>")
    turns = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."}]
    assert AutoTokenizer.from_pretrained(tmp_path).apply_chat_template(turns, tokenize=False) == rendered


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (
            "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}",
            "no system role",
        ),
        (
            "{% if messages[0]['role'] == 'system' %}{% set messages = messages[1:] %}{% endif %}",
            "omits the system turn",
        ),
    ],
)
def test_a_template_without_a_system_turn_is_told_where_one_is_configured(
    start: str, words: str, make_base: Callable[..., Path], tmp_path: Path
) -> None:
    base = make_base("llama")
    path = base / "chat_template.jinja"
    path.write_text(start + path.read_text())
    assert convert(base, tmp_path, BaseModelConfig()).turn_end == "<|im_end|>"
    with pytest.raises(StageError, match=rf"{words}.*set sft_tokens\.system_prompt to null"):
        convert(base, tmp_path, BaseModelConfig(), has_system_turn=True)


def test_a_template_without_a_control_token_after_the_answer_is_refused() -> None:
    def plain(messages: Sequence[Mapping[str, str]], has_prompt: bool) -> str:
        return "\n".join(message["content"] for message in messages) + "\nUser:"

    with pytest.raises(StageError, match="control token"):
        find_turn_end(plain, ["<|im_end|>"])


@pytest.mark.parametrize("name", ["Qwen2Tokenizer", "OwnTokenizer"])
def test_a_tokenizer_class_that_changes_the_ids_is_replaced(
    name: str, make_base: Callable[..., Path], tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    base = shutil.copytree(make_base("llama"), tmp_path / "copy")
    values = json.loads((base / "tokenizer.json").read_text())
    values["normalizer"] = {"type": "Lowercase"}
    (base / "tokenizer.json").write_text(json.dumps(values))
    settings = json.loads((base / "tokenizer_config.json").read_text())
    (base / "tokenizer_config.json").write_text(json.dumps(settings | {"tokenizer_class": name}))
    out = tmp_path / "out"
    out.mkdir()
    convert(base, out, BaseModelConfig(dtype="float32"))
    assert (
        AutoTokenizer.from_pretrained(out)("AB")["input_ids"] == AutoTokenizer.from_pretrained(out)("ab")["input_ids"]
    )


def with_spare_token(base: Path, is_special: bool) -> None:
    """The base with a token of a sibling beyond its embeddings."""
    values = json.loads((base / "tokenizer.json").read_text())
    token = {"content": "<image_soft_token>", "id": 259, "special": is_special}
    flags = dict.fromkeys(("lstrip", "normalized", "rstrip", "single_word"), False)
    values["added_tokens"].append({**token, **flags})
    (base / "tokenizer.json").write_text(json.dumps(values))


def test_a_control_token_without_an_embedding_is_removed_where_nothing_uses_it(
    make_base: Callable[..., Path], tmp_path: Path
) -> None:
    from tokenizers import Tokenizer

    base = make_base("llama", vocab_size=259)
    with_spare_token(base, True)
    assert convert(base, tmp_path, BaseModelConfig()).vocab_size == 259
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert max(tokenizer.encode("an <image_soft_token>").ids) < 259


@pytest.mark.parametrize("use", ["text", "padding", "template", "processor"])
def test_a_token_without_an_embedding_that_may_be_met_is_refused(
    use: str, make_base: Callable[..., Path], tmp_path: Path
) -> None:
    base, out = make_base("llama", vocab_size=259), tmp_path / "out"
    out.mkdir()
    with_spare_token(base, use != "text")
    if use == "padding":
        settings = json.loads((base / "tokenizer_config.json").read_text())
        (base / "tokenizer_config.json").write_text(json.dumps(settings | {"pad_token": "<image_soft_token>"}))
    if use == "template":
        path = base / "chat_template.jinja"
        path.write_text("{% if tools %}<image_soft_token>{% endif %}" + path.read_text())
    if use == "processor":
        template = without_template(base) / "chat_template.json"
        template.write_text(json.dumps({"chat_template": "{% if tools %}<image_soft_token>{% endif %}" + GIVEN}))
    with pytest.raises(StageError, match=r"ids up to 259, its embeddings 259 rows.*<image_soft_token>"):
        convert(base, out, BaseModelConfig())


@pytest.mark.parametrize(
    ("stored", "dtype", "expected"),
    [
        ("float16", "auto", torch.float16),
        ("float16", "bfloat16", torch.bfloat16),
        ("bfloat16", "auto", torch.bfloat16),
        ("float32", "auto", torch.bfloat16),
        ("float32", "float16", torch.float16),
    ],
)
def test_float16_stays_unless_told(
    stored: str, dtype: Any, expected: torch.dtype, make_base: Callable[..., Path], tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    base, out = make_base("llama", stored), tmp_path / "out"
    out.mkdir()
    convert(base, out, BaseModelConfig(dtype=dtype))
    assert {tensor.dtype for tensor in load_file(out / "model.safetensors").values()} == {expected}
    assert json.loads((out / "config.json").read_text())["dtype"] == str(expected).removeprefix("torch.")


def test_what_a_model_raises_on_its_first_row_is_one_line(
    make_base: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(model: Any) -> Any:
        raise ValueError("Input language unknown")

    monkeypatch.setattr("domainlm.models.convert.probe_logits", fails)
    with pytest.raises(StageError, match=r"type is llama, which cannot run on a row of tokens .ValueError: Input lang"):
        convert(make_base("llama"), tmp_path, BaseModelConfig())


def test_a_type_in_which_the_logits_overflow_is_refused(make_base: Callable[..., Path], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    base = make_base("llama", "float16")
    tensors = load_file(base / "model.safetensors")
    name = next(each for each in tensors if each.endswith("norm.weight") and "layers" not in each)
    save_file({**tensors, name: torch.full_like(tensors[name], 60_000)}, base / "model.safetensors", {"format": "pt"})
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(StageError, match=r"logits are not finite.*set base_model\.dtype to bfloat16"):
        convert(base, out, BaseModelConfig())
    convert(base, out, BaseModelConfig(dtype="bfloat16"))


def test_what_is_written_is_what_was_loaded(make_base: Callable[..., Path]) -> None:
    base = make_base("llama")
    logits = probe_logits(load_model(base, "auto"))
    check_written(base, logits)
    with pytest.raises(StageError, match="type is llama, and what was written of it gives other logits"):
        check_written(base, logits + 1)


def test_digit_splitting_goes_before_the_byte_level_step() -> None:
    step = {"type": "ByteLevel", "add_prefix_space": False}
    found = with_digit_splitting({"pre_tokenizer": step, "model": {}})
    assert found["pre_tokenizer"]["pretokenizers"] == [{"type": "Digits", "individual_digits": True}, step]
    with pytest.raises(StageError, match="'Sequence'"):
        with_digit_splitting(found)
