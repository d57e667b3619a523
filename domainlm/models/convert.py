"""The base checkpoint: safetensors and a checked tokenizer.

In: the files of the source, a GGUF file or a Hugging Face folder. Out: a checkpoint folder, stored in one precision,
with `tokens.json` and generation settings that stop at the end of a turn and of a text. Properties: nothing
executable is read (no pickles, no code from the source), every token id has an embedding, and transformers' tokenizer
gives the ids that `tokenizer.json` gives.
"""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from domainlm.config.sources import BaseModelConfig
from domainlm.contract import StageError
from domainlm.models.added_tokens import add_tokens, check_added
from domainlm.models.architecture import check_architecture, check_model, running
from domainlm.models.checkpoint_files import (
    GGUF_NAME,
    check_checkpoint,
    reading_source,
    stored_dtype,
)
from domainlm.models.checkpoint_settings import read_object, tokenizer_settings
from domainlm.models.control_tokens import check_vocabulary, special_tokens, without_spare_tokens
from domainlm.models.gguf_header import read_gguf_header
from domainlm.models.load import check_loaded, load_model, probe_logits
from domainlm.models.tokenizer_probe import check_tokenizer
from domainlm.text.json_files import write_json
from domainlm.tokens.special import SpecialTokens, write_special_tokens
from domainlm.tokens.tokenizer import TOKENIZER_FILES

# Pre-tokenizers of GGUF files whose originals split every digit, after llama.cpp's table of regular expressions.
DIGIT_SPLITTING = {"smollm", "starcoder", "refact", "command-r", "exaone"}


def convert(
    source: Path,
    out: Path,
    section: BaseModelConfig,
    has_system_turn: bool = False,
    log: Callable[[str], None] = print,
    is_chat_form: bool = True,
) -> SpecialTokens:
    """Write the checkpoint in `source` (as `collect_files` leaves it) to `out`.

    has_system_turn: whether conversations will have a system turn. is_chat_form: whether they are written by its chat
    template.
    """
    import torch

    if (source / GGUF_NAME).exists():
        model = convert_gguf(source, out, section)
    else:
        check_checkpoint(source)
        for name in TOKENIZER_FILES:
            if (source / name).exists():
                shutil.copyfile(source / name, out / name)
        settings = tokenizer_settings(source)
        if settings is not None:
            write_json(out / "tokenizer_config.json", settings)
        check_tokenizer(out)
        rows = read_object(source / "config.json").get("vocab_size")
        if isinstance(rows, int):
            # before minutes are spent on loading
            without_spare_tokens(out, rows, log)
            check_vocabulary(out, rows)
        check_architecture(source)
        with reading_source("loading the model", source):
            model = load_model(source, stored_dtype(source) if section.dtype == "auto" else section.dtype)
    check_weights(model)
    if section.added_tokens:
        rows = int(model.get_input_embeddings().weight.shape[0])
        without_spare_tokens(out, rows, log)
        check_vocabulary(out, rows)
        add_tokens(out, model, section.added_tokens)
    # the class is transformers' own (`check_checkpoint`): what the source names beside it would only be looked for
    vars(model.config).pop("auto_map", None)
    with reading_source("saving the model", source):
        model.save_pretrained(out)
    with running(model, "on a row of tokens", "a model that needs nothing besides"):
        expected = probe_logits(model)
    if not torch.isfinite(expected).all():
        raise StageError(
            f"the base model's type is {model.config.model_type}, and in {model.dtype} its logits are not finite; expected finite"
            " ones: set base_model.dtype to bfloat16 or float32"
        )
    del model
    gc.collect()
    model = check_written(out, expected)
    rows = int(model.get_input_embeddings().weight.shape[0])
    without_spare_tokens(out, rows, log)
    check_vocabulary(out, rows)
    tokens = special_tokens(out, section, rows, has_system_turn, log, is_chat_form)
    if section.added_tokens:
        check_added(out, section.added_tokens)
    write_special_tokens(out, tokens)
    write_generation_config(out, tokens)
    return tokens


def convert_gguf(source: Path, out: Path, section: BaseModelConfig) -> Any:
    """Write the repaired tokenizer; return the dequantised model."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    header = read_gguf_header(source / GGUF_NAME)
    with reading_source("converting the tokenizer", source):
        tokenizer = AutoTokenizer.from_pretrained(
            source, gguf_file=GGUF_NAME, local_files_only=True, trust_remote_code=False
        )
        tokenizer.save_pretrained(out)
    path = out / "tokenizer.json"
    values = read_object(path)
    if section.is_digit_splitting_restored and header.get("tokenizer.ggml.pre") in DIGIT_SPLITTING:
        values = with_digit_splitting(values)
    write_json(path, values)
    settings = read_object(out / "tokenizer_config.json")
    write_json(
        out / "tokenizer_config.json",
        {key: value for key, value in settings.items() if key not in ("is_local", "local_files_only", "name_or_path")},
    )
    check_tokenizer(out)
    with reading_source("loading the model", source):
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            source,
            gguf_file=GGUF_NAME,
            # a file's quantised weights are restored to bfloat16
            dtype=torch.bfloat16 if section.dtype == "auto" else getattr(torch, section.dtype),
            quantization_config=GgufConfig(dequantize=True),
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    return check_loaded(*loaded)


def check_written(folder: Path, expected: Any) -> Any:
    """The written checkpoint, loaded again, if it is what was loaded.

    Some checkpoints are changed when they are read (dequantised, renamed) and written in another form than they are
    read. expected: logits of the probe before writing.
    """
    import torch

    model = load_model(folder, "auto")
    check_model(model)
    found = probe_logits(model)
    if not torch.equal(found, expected):
        difference = float((found.double() - expected.double()).abs().max())
        raise StageError(
            f"the base model's type is {model.config.model_type}, and what was written of it gives other logits than what was"
            f" loaded (off by {difference:.3g}, of {float(expected.double().abs().max()):.3g}); expected equal ones: choose a"
            " checkpoint in another form in sources.<base_model>"
        )
    return model


def check_weights(model: Any) -> None:
    """Raise StageError for weights that no training can start from.

    They are quantised, or hold NaN or infinity.
    """
    import torch

    for name, weight in model.named_parameters():
        if not weight.is_floating_point() or weight.element_size() < 2:
            raise StageError(
                f"the base model's weight {name} is kept as {weight.dtype}; expected float32, float16 or bfloat16: give"
                " sources.<base_model> a checkpoint that is not quantised"
            )
        # the extremes carry whatever is not a number, and take no memory
        extremes = torch.stack(torch.aminmax(weight.detach())) if weight.numel() else weight
        if not torch.isfinite(extremes).all():
            raise StageError(
                f"the base model's weight {name} holds numbers that are infinite or none (NaN); expected finite ones: the"
                " checkpoint is damaged or its training diverged, choose another one in sources.<base_model>"
            )


def with_digit_splitting(tokenizer: dict[str, Any]) -> dict[str, Any]:
    """tokenizer.json with every digit as one token.

    The model was pretrained so, and the conversion drops the step. Without it "\\n\\n2." is tokenised as the model
    never saw it: 35 tokens instead of 31 on a short list, NLL 82 instead of 73.
    """
    current = tokenizer.get("pre_tokenizer") or {}
    if current.get("type") != "ByteLevel":
        raise StageError(
            f"the converted tokenizer's pre-tokenizer is {current.get('type')!r}; expected 'ByteLevel', to which digit"
            " splitting is restored: set base_model.is_digit_splitting_restored to false and check its ids"
        )
    steps = [{"type": "Digits", "individual_digits": True}, current]
    return {**tokenizer, "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps}}


def write_generation_config(folder: Path, tokens: SpecialTokens) -> None:
    """Let generate() stop at the end of turns and of texts.

    `_from_model_config` is removed: with it, transformers may rebuild these settings from config.json, which has one
    end.
    """
    path = folder / "generation_config.json"
    values = read_object(path) if path.exists() else {}
    ends = dict.fromkeys((tokens.turn_end_id, tokens.end_of_text_id))
    values.pop("_from_model_config", None)
    values |= {"eos_token_id": list(ends), "pad_token_id": tokens.pad_id}
    write_json(path, values)
