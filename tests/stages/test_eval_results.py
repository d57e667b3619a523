"""The stage on tiny random models; `models` holds what upstream stages would have written."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from material.tiny_models import CONTROL, write_tokenizer, write_trained_tokenizer

from domainlm.config.domain import DomainConfig
from domainlm.config.evaluation import EvalResults
from domainlm.contract import Inputs, Resources, StageError
from domainlm.evaluation.sets import Encoder
from domainlm.models.base_digest import record_base
from domainlm.pipeline.slices import config_slice, parse_slice
from domainlm.stages.eval_results import run, turn_renderer
from domainlm.text.document import Document, write_documents
from domainlm.tokens.special import SpecialTokens, read_special_tokens, write_special_tokens
from domainlm.tokens.spelled_out import read_text_tokenizer
from domainlm.tokens.tokenizer import read_tokenizer

TEXTS = [f"Name {i}\n\nThe definition of thing number {i}, which is a kind of thing." for i in range(40)]


def write_model(folder: Path, seed: int) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    end = CONTROL[2]
    vocabulary = write_trained_tokenizer(folder, TEXTS, eos_token=end, pad_token=end, bos_token=CONTROL[1])
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        initializer_range=0.3,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    write_special_tokens(folder, SpecialTokens(0, CONTROL[0], 2, end, 2, vocabulary))


def write_adapter(folder: Path, base: Path, seed: int) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_pretrained(base)
    config = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(model, config).save_pretrained(folder)
    record_base(folder, base, base.name)


def document(identifier: str, role: str, source: str, title: str, text: str, **meta: Any) -> Document:
    labels = {"licence": "L", "authority": "unlabelled", "stance": "unlabelled"}
    place = {"path": "file", "section": identifier, "start": 0, "end": 1, "group": f"group {int(identifier[1:]) % 3}"}
    values = {"title": title, "text": text, "meta": json.dumps(meta), "links": json.dumps([identifier[-1]])}
    return Document(id=identifier, role=role, source=source, **place, **values, **labels)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("inputs")
    folders = {name: root / name for name in ("base_model", "merged_model", "corpus_split", "sft_dataset")}
    for folder in folders.values():
        folder.mkdir()
    write_model(folders["base_model"], 1)
    write_model(folders["merged_model"], 2)
    for name, base in (("pt_adapter", "base_model"), ("sft_adapter", "merged_model")):
        folders[name] = root / name
        write_adapter(folders[name], folders[base], 3)
    split = folders["corpus_split"]
    test = [
        document(f"t{i}", "corpus", "terms", f"Name {i}", text, definition=text.split("\n\n")[1], parents=["thing"])
        for i, text in enumerate(TEXTS)
    ]
    write_documents(split / "test.parquet", test)
    general = [document(f"g{i}", "replay", "wiki", "", f"General text {i}. " * (30 + 40 * i)) for i in range(6)]
    write_documents(split / "general_held_out.parquet", general)
    write_documents(split / "evaluation.parquet", [document("e0", "evaluation", "manual", "", "A manual page. " * 20)])
    with (folders["sft_dataset"] / "test.jsonl").open("w", encoding="utf-8") as file:
        for index in range(40):
            for kind in ("definition", "parent"):
                content = [f"What is Name {index} ({kind})?", f"The {kind} of thing number {index}."]
                messages = [{"role": r, "content": c} for r, c in zip(("user", "assistant"), content, strict=True)]
                row = {"id": f"t{index}:{kind}", "document": f"t{index}", "kind": kind, "messages": messages}
                file.write(json.dumps(row) + "\n")
    return folders


SECTION = {
    "max_definitions": 20,
    "max_answers": 30,
    "max_choices": 6,
    "max_generations": 5,
    "max_new_tokens": 12,
    "max_general_tokens": 900,
    "bootstrap_samples": 200,
}


def build(
    folders: dict[str, Path], out: Path, relay: str = "merge", threads: int = 1, **section: Any
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    out.mkdir(parents=True)
    values = EvalResults(**{**SECTION, **section}).model_dump(mode="json")
    domain = {"sft_adapter": {"relay": relay}, "sft_tokens": {"system_prompt": "Be brief.", "template_date": None}}
    config = config_slice("eval_results", DomainConfig.model_validate({"eval_results": values, **domain}))
    run(
        Inputs(folders),
        parse_slice("eval_results", config),
        out,
        out.parent,
        Resources(threads=threads, log=lambda line: None),
    )
    rows = [json.loads(line) for line in (out / "samples.jsonl").read_text(encoding="utf-8").splitlines()]
    return json.loads((out / "results.json").read_text(encoding="utf-8")), rows


@pytest.fixture(scope="module")
def built(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built") / "eval_results"
    build(models, out)
    return out


def read(out: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    rows = [json.loads(line) for line in (out / "samples.jsonl").read_text(encoding="utf-8").splitlines()]
    return json.loads((out / "results.json").read_text(encoding="utf-8")), rows


def test_every_model_has_every_set(built: Path) -> None:
    results, rows = read(built)
    sets = {"definitions", "answers", "choices", "generations", "general_held_out", "evaluation_manual"}
    assert set(results["models"]) == {"base", "pt", "sft"}
    assert all(set(found) == sets for found in results["models"].values())
    assert set(results["changes"]) == {"base_to_pt", "pt_to_sft", "base_to_sft"}
    assert len({(row["model"], row["set"], row["id"]) for row in rows}) == len(rows)
    for found in results["models"].values():
        assert found["definitions"]["n"] == 20
        assert found["answers"]["documents"] == 30
        assert found["general_held_out"]["tokens"] <= SECTION["max_general_tokens"]
        low, high = found["definitions"]["perplexity"]["interval"]
        assert low <= found["definitions"]["perplexity"]["value"] <= high


def test_perplexity_is_weighted_by_tokens(built: Path) -> None:
    results, rows = read(built)
    mine = [row for row in rows if (row["set"], row["model"]) == ("definitions", "pt")]
    expected = math.exp(sum(row["nll"] for row in mine) / sum(row["tokens"] for row in mine))
    assert results["models"]["pt"]["definitions"]["perplexity"]["value"] == pytest.approx(expected, rel=1e-5)


def test_scores_equal_those_of_an_unpacked_pass(built: Path, models: dict[str, Path]) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(models["merged_model"])
    tokenizer = AutoTokenizer.from_pretrained(models["merged_model"])
    for row in [row for row in read(built)[1] if (row["set"], row["model"]) == ("definitions", "pt")][:4]:
        name, definition = TEXTS[int(row["id"][1:])].split("\n\n")
        encoding = tokenizer(f"{name}\n\n{definition}", return_offsets_mapping=True)
        ids = torch.tensor([encoding["input_ids"]])
        scored = [position for position, (_, end) in enumerate(encoding["offset_mapping"]) if end > len(name) + 2]
        with torch.no_grad():
            found = torch.log_softmax(model(ids).logits[0].double(), dim=-1)
        expected = -sum(float(found[position - 1, ids[0, position]]) for position in scored)
        assert row["tokens"] == len(scored)
        assert row["nll"] == pytest.approx(expected, rel=1e-4)


def test_generations_are_those_of_plain_transformers_and_peft(built: Path, models: dict[str, Path]) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(models["merged_model"]), models["sft_adapter"]
    )
    tokenizer = AutoTokenizer.from_pretrained(models["merged_model"])
    rows = [row for row in read(built)[1] if (row["set"], row["model"]) == ("generations", "sft")]
    assert len(rows) == 5
    for row in rows:
        messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": row["question"]}]
        prompt = tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        with torch.no_grad():
            output = model.generate(**prompt, max_new_tokens=12, do_sample=False, eos_token_id=[0, 2], pad_token_id=2)
        new = output[0, prompt["input_ids"].shape[1] :].tolist()
        is_ended = any(token in (0, 2) for token in new)
        assert row["is_ended"] == is_ended
        assert row["answer"] == tokenizer.decode(new, skip_special_tokens=True).strip()


def test_the_same_bytes_with_one_and_two_threads(built: Path, models: dict[str, Path], tmp_path: Path) -> None:
    build(models, tmp_path / "two", threads=2)
    for name in ("results.json", "samples.jsonl"):
        assert (tmp_path / "two" / name).read_bytes() == (built / name).read_bytes()


def test_without_pt_there_is_no_pt_model_and_domains_are_compared(
    built: Path, models: dict[str, Path], tmp_path: Path
) -> None:
    on_base = tmp_path / "on_base"
    write_adapter(on_base, models["base_model"], 3)
    with pytest.raises(StageError, match="was trained on merged_model"):
        build(models, tmp_path / "wrong", relay="none", max_generations=0, max_choices=0)
    folders = {**models, "sft_adapter": on_base, "compare:medical": built}
    results, rows = build(
        folders, tmp_path / "none", relay="none", compare=["medical"], max_generations=0, max_choices=0
    )
    assert set(results["models"]) == {"base", "sft"}
    assert set(results["changes"]) == {"base_to_sft"}
    found = results["compare"]["medical"]["answers"]
    assert found["n"] == 30
    mine = {row["id"]: row for row in rows if (row["model"], row["set"]) == ("sft", "answers")}
    other = {row["id"]: row for row in read(built)[1] if (row["model"], row["set"]) == ("sft", "answers")}
    tokens = sum(row["tokens"] for row in mine.values())
    expected = sum(mine[name]["nll"] - other[name]["nll"] for name in mine) / tokens
    assert found["differences"]["mean_nll"]["value"] == pytest.approx(expected, rel=1e-3)
    low, high = found["differences"]["mean_nll"]["interval"]
    assert low < found["differences"]["mean_nll"]["value"] < high


def test_a_domain_that_shares_no_item_cannot_be_compared(built: Path, models: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "samples.jsonl").write_text("")
    with pytest.raises(StageError, match=r"eval_results\.compare: other"):
        build({**models, "compare:other": tmp_path / "other"}, tmp_path / "out", compare=["other"], max_generations=0)


def template(before_last: str = "", opened: str = "", bare: str | None = None, system: str = "") -> str:
    """A chat template as they are written.

    before_last: what it writes before the last answer. opened: with what a prompt opens it, and bare: where
    enable_thinking is false. system: a turn in front.
    """
    bare = opened if bare is None else bare
    last = f"{{% if m.role == 'assistant' and loop.last %}}{before_last}{{% endif %}}"
    turns = "{% for m in messages %}<|im_start|>{{ m.role }}\n" + last + "{{ m.content }}<|im_end|>\n{% endfor %}"
    choice = f"{{% if enable_thinking is defined and not enable_thinking %}}{bare}{{% else %}}{opened}{{% endif %}}"
    return f"{system}{turns}{{% if add_generation_prompt %}}<|im_start|>assistant\n{choice}{{% endif %}}"


EMPTY = "<think>\n\n</think>\n\n"
MODE = "{% if enable_thinking is defined and not enable_thinking %}/no_think\n{% else %}/think\n{% endif %}"


@pytest.mark.parametrize(
    ("written", "front", "before", "asked"),
    [
        (template(), "", "", ""),
        # Qwen3
        (template(EMPTY, bare=EMPTY), "", EMPTY, EMPTY),
        # Qwen3 that only reasons: the prompt opens what the answer closes
        (template(EMPTY, opened="<think>\n"), "", EMPTY, EMPTY),
        # R1: an answer without a reasoning has no trace of it, and nothing switches it off
        (template(opened="<think>\n"), "", "", "<think>\n"),
        # Nemotron, GLM 4.7: switched off, the prompt is that of training
        (template("<think></think>", "<think>\n", "<think></think>"), "", "<think></think>", "<think></think>"),
        (template("</think>", "<think>", "</think>"), "", "</think>", "</think>"),
        # SmolLM3: switched off, it would have another system turn than in training
        (template(bare=EMPTY, system=MODE), "/think\n", "", ""),
        # gpt-oss
        (template("<|channel|>final<|message|>"), "", "<|channel|>final<|message|>", "<|channel|>final<|message|>"),
    ],
)
def test_an_answer_is_its_own_words_whatever_the_template_writes_before_them(
    written: str, front: str, before: str, asked: str, tmp_path: Path
) -> None:
    write_tokenizer(tmp_path, CONTROL[0])
    write_special_tokens(tmp_path, SpecialTokens(0, CONTROL[0], 2, CONTROL[2], 0, 300))
    (tmp_path / "chat_template.jinja").write_text(written)
    encoder = Encoder(read_tokenizer(tmp_path), read_text_tokenizer(tmp_path), read_special_tokens(tmp_path))
    with turn_renderer(tmp_path, None, None, encoder) as turn_of:
        found = turn_of("Why?", "Because.")
    prompt = f"{front}<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n"
    assert (found.prompt, found.said, found.asked) == (prompt + before, "Because.", prompt + asked)
    assert encoder.count_answer(found) == len("Because.")


def test_answers_longer_than_the_models_positions_are_refused_before_a_model_is_loaded(
    models: dict[str, Path], tmp_path: Path
) -> None:
    base = tmp_path / "base_model"
    shutil.copytree(models["base_model"], base, ignore=shutil.ignore_patterns("*.safetensors"))
    config = json.loads((base / "config.json").read_text()) | {"max_position_embeddings": 12}
    (base / "config.json").write_text(json.dumps(config))
    with pytest.raises(StageError, match=r"eval_results\.max_new_tokens is 12, .* 12 positions .* to 6 or less"):
        build({**models, "base_model": base}, tmp_path / "out")
    # and one that fits, where no question does
    with pytest.raises(
        StageError, match=r"eval_results\.max_new_tokens is 11, .* none of 5 questions fits into the 12"
    ):
        build({**models, "base_model": base}, tmp_path / "other", max_new_tokens=11)


def test_virtual_tokens_take_positions_from_what_is_evaluated(models: dict[str, Path], tmp_path: Path) -> None:
    values = {"peft_type": "P_TUNING", "num_virtual_tokens": 1010}
    shutil.copytree(models["sft_adapter"], tmp_path / "sft_adapter")
    (tmp_path / "sft_adapter/adapter_config.json").write_text(json.dumps(values))
    with pytest.raises(StageError, match=r"none of 5 questions fits into the 14 positions"):
        build({**models, "sft_adapter": tmp_path / "sft_adapter"}, tmp_path / "out")


def test_the_instruct_residual_is_compared_in_the_instruct_model_s_chat_form(
    models: dict[str, Path], tmp_path: Path
) -> None:
    """The instruct model has a token of its own, and its template begins every turn with it."""
    import torch
    from tokenizers import Tokenizer
    from transformers import AutoModelForCausalLM

    folders = dict(models)
    for name in ("instruct_model", "instruct_residual"):
        folders[name] = shutil.copytree(models["merged_model"], tmp_path / name)
        tokenizer = Tokenizer.from_file(str(folders[name] / "tokenizer.json"))
        tokenizer.add_special_tokens(["<|turn|>"])
        tokenizer.save(str(folders[name] / "tokenizer.json"))
        model = AutoModelForCausalLM.from_pretrained(models["merged_model"])
        rows = tokenizer.get_vocab_size()
        torch.manual_seed(7 if name == "instruct_model" else 8)
        model.resize_token_embeddings(rows, mean_resizing=False)
        model.save_pretrained(folders[name])
        write_special_tokens(folders[name], replace(read_special_tokens(folders[name]), vocab_size=rows))
        template = folders[name] / "chat_template.jinja"
        template.write_text(template.read_text().replace("<|im_start|>", "<|turn|>"))
    folders["sft_adapter"] = tmp_path / "adapter"
    write_adapter(folders["sft_adapter"], folders["instruct_residual"], 3)
    # its chat form is not used
    folders["base_model"] = shutil.copytree(models["base_model"], tmp_path / "base_model")
    (folders["base_model"] / "chat_template.jinja").unlink()
    results, rows_ = build(folders, tmp_path / "out", relay="instruct_residual", max_answers=4, max_definitions=3)
    assert set(results["models"]) == {"base", "instruct", "pt", "residual", "sft"}
    assert len({frozenset(found) for found in results["models"].values()}) == 1
    assert set(results["changes"]) == {
        *("base_to_pt", "pt_to_sft", "base_to_sft", "pt_to_residual", "residual_to_sft"),
        *("instruct_to_residual", "instruct_to_sft"),
    }
    answers = [row for row in rows_ if row["set"] == "answers"]
    assert len(answers) == 5 * 4
    assert all(math.isfinite(row["nll"]) for row in answers)
