"""The base checkpoint: from a GGUF file or a Hugging Face folder to safetensors and a tokenizer that can be trusted.

In: the files of the source. Out: a checkpoint folder, stored in one precision, with `tokens.json` and generation
settings that stop at the end of a turn and of a text. Properties: nothing executable is read (no pickles, no code from
the source), every token id has an embedding, and transformers' tokenizer gives the ids that `tokenizer.json` gives.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from domainlm.config.models import BaseModelConfig
from domainlm.models.load import load_model
from domainlm.stage import StageError
from domainlm.tokens.special import SpecialTokens, write_special_tokens

PICKLED = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"}
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json")
GGUF_NAME = "model.gguf"
# Pre-tokenizers of GGUF files whose originals split every digit, after llama.cpp's table of regular expressions.
DIGIT_SPLITTING = {"smollm", "starcoder", "refact", "command-r", "exaone"}
PROBE = "Dose: 12,345 mg.\n\n2.  a_b = 3.14  # don't\n\tЖ 漢字, naïve café 🙂 1/2"


def collect_files(
    files: Sequence[Mapping[str, Any]], open_raw: Callable[[Mapping[str, Any]], BinaryIO], folder: Path
) -> None:
    """Copy the source's files into `folder`: one GGUF file as model.gguf, or the folder that holds config.json."""
    paths = [PurePosixPath(row["path"]) for row in files]
    quantised = [row for row, path in zip(files, paths, strict=True) if path.suffix == ".gguf"]
    configs = [path for path in paths if path.name == "config.json"]
    if len(quantised) == 1 and not configs:
        _copy(open_raw(quantised[0]), folder / GGUF_NAME)
        return
    if quantised or len(configs) != 1:
        raise StageError(
            f"the base model's source has {len(quantised)} .gguf and {len(configs)} config.json files; expected one of"
            " the two, once: narrow sources.<name>.include to one checkpoint"
        )
    chosen = [(row, path) for row, path in zip(files, paths, strict=True) if path.parent == configs[0].parent]
    names = [path.name for _, path in chosen]
    pickled = sorted(name for name in names if PurePosixPath(name).suffix in PICKLED)
    code = sorted(name for name in names if name.endswith(".py"))
    if pickled or code:
        raise StageError(
            f"the base model's source holds {', '.join(pickled + code)}, which run code when loaded; expected"
            " safetensors and JSON only: add them to sources.<name>.exclude, or convert the weights to safetensors"
        )
    if not any(name.endswith(".safetensors") for name in names) or "tokenizer.json" not in names:
        raise StageError(
            f"the base model's source holds {', '.join(sorted(names))}; expected *.safetensors and tokenizer.json"
            " beside config.json: widen sources.<name>.include"
        )
    for row, path in chosen:
        _copy(open_raw(row), folder / path.name)


def convert(source: Path, out: Path, section: BaseModelConfig) -> SpecialTokens:
    """Write the checkpoint in `source` (as `collect_files` leaves it) to `out`."""
    is_quantised = (source / GGUF_NAME).exists()
    if is_quantised:
        model = convert_gguf(source, out, section)
    else:
        _check_folder(source)
        for name in TOKENIZER_FILES:
            if (source / name).exists():
                shutil.copyfile(source / name, out / name)
        tokenizer_ids = _token_ids(out)
        _check_vocabulary(tokenizer_ids, _read_json(source / "config.json").get("vocab_size"))
        model = load_model(source, section.dtype)
        model.save_pretrained(out)
    rows = int(model.get_input_embeddings().weight.shape[0])
    _check_vocabulary(_token_ids(out), rows)
    tokens = special_tokens(out, section.end_of_text, rows)
    write_special_tokens(out, tokens)
    write_generation_config(out, tokens)
    return tokens


def convert_gguf(source: Path, out: Path, section: BaseModelConfig) -> Any:
    """Dequantise, save, and mend the tokenizer; returns the model."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=GGUF_NAME, local_files_only=True)
    tokenizer.save_pretrained(out)
    path = out / "tokenizer.json"
    values = _read_json(path)
    if section.is_digit_splitting_restored and pre_tokenizer_name(source / GGUF_NAME) in DIGIT_SPLITTING:
        values = with_digit_splitting(values)
    _write_json(path, values)
    settings = _read_json(out / "tokenizer_config.json")
    _write_json(
        out / "tokenizer_config.json",
        {key: value for key, value in settings.items() if key not in ("is_local", "local_files_only", "name_or_path")},
    )
    model = AutoModelForCausalLM.from_pretrained(
        source,
        gguf_file=GGUF_NAME,
        dtype=getattr(torch, section.dtype),
        quantization_config=GgufConfig(dequantize=True),
        local_files_only=True,
    )
    model.save_pretrained(out)
    return model


def pre_tokenizer_name(path: Path) -> str:
    """`tokenizer.ggml.pre` of a GGUF file, or an empty string."""
    from gguf import GGUFReader

    field = GGUFReader(path).get_field("tokenizer.ggml.pre")
    return "" if field is None else str(field.contents())


def with_digit_splitting(tokenizer: dict[str, Any]) -> dict[str, Any]:
    """tokenizer.json with every digit a token of its own, as the model was pretrained; the conversion drops the step.

    Without it "\\n\\n2." is tokenised as the model never saw it: 35 tokens instead of 31 on a short list, NLL 82
    instead of 73.
    """
    current = tokenizer.get("pre_tokenizer") or {}
    if current.get("type") != "ByteLevel":
        raise StageError(
            f"the converted tokenizer's pre-tokenizer is {current.get('type')!r}; expected 'ByteLevel', to which digit"
            " splitting is restored: set base_model.is_digit_splitting_restored to false and check its ids"
        )
    steps = [{"type": "Digits", "individual_digits": True}, current]
    return {**tokenizer, "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps}}


def special_tokens(folder: Path, end_of_text: str | None, vocab_size: int) -> SpecialTokens:
    """The control tokens, from the tokenizer and its chat template; the tokenizer's own checks on the way."""
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    plain = Tokenizer.from_file(str(folder / "tokenizer.json"))
    expected = plain.encode(PROBE, add_special_tokens=False).ids
    found = tokenizer(PROBE, add_special_tokens=False)["input_ids"]
    if found != expected:
        raise StageError(
            f"the tokenizer that transformers builds gives {found[:12]}... for {PROBE[:20]!r}..., tokenizer.json"
            f" {expected[:12]}...; expected equal ids: the tokenizer class of tokenizer_config.json changes it"
        )
    if end_of_text is None:
        end_of_text = "<|endoftext|>" if plain.token_to_id("<|endoftext|>") is not None else tokenizer.eos_token
    end_of_text_id = None if end_of_text is None else plain.token_to_id(end_of_text)
    if end_of_text is None or end_of_text_id is None:
        raise StageError(
            f"the tokenizer has no token {end_of_text!r}; expected the one that ends a document: name it in"
            " base_model.end_of_text"
        )
    turn_end = find_turn_end(tokenizer, [token.content for token in plain.get_added_tokens_decoder().values()])
    pad = tokenizer.pad_token_id
    return SpecialTokens(
        end_of_text_id=end_of_text_id,
        end_of_text=end_of_text,
        turn_end_id=None if turn_end is None else plain.token_to_id(turn_end),
        turn_end=turn_end,
        pad_id=end_of_text_id if pad is None else int(pad),
        vocab_size=vocab_size,
    )


def find_turn_end(tokenizer: Any, added: Sequence[str]) -> str | None:
    """The control token that the chat template puts first after an assistant's words; None without a template."""
    if not tokenizer.chat_template:
        return None
    said = "The answer."
    messages = [{"role": "user", "content": "A question."}, {"role": "assistant", "content": said}]
    text = str(tokenizer.apply_chat_template(messages, tokenize=False))
    rest = text[text.rindex(said) + len(said) :].lstrip()
    candidates = [token for token in added if rest.startswith(token)]
    if not candidates:
        raise StageError(
            f"the chat template ends the assistant's turn with {rest[:40]!r}; expected a control token, without which"
            " an answer has no end to learn: give sources.<name> a tokenizer with such a chat_template"
        )
    return max(candidates, key=len)


def write_generation_config(folder: Path, tokens: SpecialTokens) -> None:
    """Let plain generate() stop at the end of a turn as well as of a text.

    `_from_model_config` goes: with it, transformers may build these settings anew from config.json, which has one end.
    """
    path = folder / "generation_config.json"
    values = _read_json(path) if path.exists() else {}
    ends = [end for end in (tokens.turn_end_id, tokens.end_of_text_id) if end is not None]
    values.pop("_from_model_config", None)
    values |= {"eos_token_id": list(dict.fromkeys(ends)), "pad_token_id": tokens.pad_id}
    _write_json(path, values)


def _check_folder(source: Path) -> None:
    values = _read_json(source / "config.json")
    remote = sorted({*values.get("auto_map", {}), *_tokenizer_auto_map(source)})
    if remote:
        raise StageError(
            f"the base model's configuration names code of its own (auto_map: {', '.join(remote)}); expected an"
            " architecture that transformers has built in: choose another base model"
        )


def _tokenizer_auto_map(source: Path) -> Mapping[str, Any]:
    path = source / "tokenizer_config.json"
    found: Mapping[str, Any] = _read_json(path).get("auto_map", {}) if path.exists() else {}
    return found


def _token_ids(folder: Path) -> list[int]:
    from tokenizers import Tokenizer

    return list(Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab(with_added_tokens=True).values())


def _check_vocabulary(ids: Sequence[int], embedding_rows: int | None) -> None:
    if embedding_rows is not None and max(ids) >= embedding_rows:
        raise StageError(
            f"the base model's tokenizer has ids up to {max(ids)}, its embeddings {embedding_rows} rows; expected every"
            " id below the number of rows: tokenizer and weights are not of one model, check sources.<name>"
        )


def _copy(source: BinaryIO, target: Path) -> None:
    with source, target.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)


def _read_json(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return values


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, indent=1) + "\n"
    path.write_text(text, encoding="utf-8", newline="\n")
