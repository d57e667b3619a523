"""The JSON files of a base checkpoint, checked.

In: config.json, tokenizer_config.json. Out: their values; or StageError where they ask for code, for another task than
predicting the next token, or say that the weights are quantised.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from domainlm.contract import StageError
from domainlm.raw.json_text import parsed_json

_OTHER_TASK = re.compile(r"For(?!CausalLM|ConditionalGeneration)[A-Z]\w+$")
_DEPTH = re.compile(r"^(n|num)_(hidden_|decoder_|encoder_)?layers?$")


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object of the source. Raises StageError."""
    try:
        values = parsed_json(path.read_text(encoding="utf-8"))
        # an escape may write half a character, which no file that is written from it can hold
        json.dumps(values, ensure_ascii=False).encode("utf-8")
    except ValueError as error:
        raise StageError(
            f"the base model's {path.name} is not JSON ({error}); expected a whole file: download it again, and check"
            " sources.<base_model>"
        ) from error
    if not isinstance(values, dict):
        raise StageError(
            f"the base model's {path.name} holds a {type(values).__name__}; expected a JSON object: check"
            " sources.<base_model>"
        )
    return values


def tokenizer_settings(folder: Path) -> dict[str, Any] | None:
    """tokenizer_config.json without names of files and code, or None.

    Such files may be anywhere.
    """
    path = folder / "tokenizer_config.json"
    values = read_object(path) if path.exists() else {}
    kept = {
        key: value
        for key, value in values.items()
        # code was refused, or is of a class that transformers has
        if not (key.endswith("_file") and isinstance(value, str)) and key not in ("fast_tokenizer_files", "auto_map")
    }
    return None if len(kept) == len(values) else kept


def check_configuration(config: Mapping[str, Any], folder: Path) -> None:
    """Raise StageError for code, another task, or a quantised model."""
    path = folder / "tokenizer_config.json"
    settings = read_object(path) if path.exists() else {}
    if remote := sorted({*_code(config, _is_built_in)}):
        raise StageError(
            f"the base model's configuration names custom code ({', '.join(remote)}); expected an architecture that"
            " transformers has built in: choose another base model in sources.<base_model>"
        )
    if remote := sorted({*_code(settings, _has_built_in_tokenizer)}):
        raise _tokenizer_code(settings, remote)
    if not config.get("return_dict", True):
        raise StageError(
            "config.json asks for tuples in place of named results (return_dict); expected true, as training and evaluation read the"
            " results by name: remove the key from the copy in sources.<base_model>"
        )
    if "transformers_weights" in config:
        raise StageError(
            f"config.json names the file of the weights (transformers_weights: {config['transformers_weights']!r}); expected"
            " model.safetensors or model.safetensors.index.json: remove the key from the copy in sources.<base_model>"
        )
    architectures = [str(name) for name in _names(config.get("architectures"))]
    if config.get("is_encoder_decoder") is True or any(_OTHER_TASK.search(name) for name in architectures):
        raise StageError(
            f"the base model is {', '.join(architectures) or 'an encoder with a decoder'}, which does not predict the next"
            " token of a text; expected a causal language model (...ForCausalLM): choose another one in"
            " sources.<base_model>"
        )
    methods = sorted(set(_quantisations(config)))
    if methods:
        raise StageError(
            f"the base model is quantised by {', '.join(methods)}, as config.json says; expected weights as float32, float16 or"
            " bfloat16, which training, merging and comparing start from: choose the checkpoint that it was made from in"
            " sources.<base_model>"
        )


def _tokenizer_code(settings: Mapping[str, Any], remote: list[str]) -> StageError:
    """The error of a tokenizer with a class of its own.

    It names the keys to remove."""
    name = settings.get("tokenizer_class")
    named = "" if name is None else f", for its class {str(name)[:60]}"
    keys = [key for key, value in settings.items() if any(_code({key: value}, lambda values: False))]
    keys += [] if name is None or _has_built_in_tokenizer(settings) else ["tokenizer_class"]
    return StageError(
        f"tokenizer_config.json names custom code ({', '.join(remote)}{named}); expected a tokenizer that tokenizer.json"
        f" describes whole: where it does, remove {' and '.join(keys)} from tokenizer_config.json in the copy in"
        " sources.<base_model>, and otherwise choose another base model"
    )


def depths(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, int]]:
    """Numbers of layers that a configuration names, with their keys."""
    for key, value in values.items():
        if isinstance(value, int) and not isinstance(value, bool) and _DEPTH.match(key):
            yield f"{above}{key}", value
        elif isinstance(value, dict):
            yield from depths(value, f"{above}{key}.")


def _code(values: Mapping[str, Any], has_own: Callable[[Mapping[str, Any]], bool]) -> Iterator[str]:
    """The code that a configuration asks for, at any depth.

    It may be modules beside it, or kernels of a repository of the hub. has_own: whether transformers has a class of its
    own for the configuration, which it then takes in place of the modules.
    """
    for key, value in values.items():
        if key == "auto_map":
            if has_own(values):
                continue
            yield from (f"auto_map: {name}" for name in _names(value))
        elif key.endswith("_implementation") and "/" in str(value):
            yield f"{key}: {value}"
        elif isinstance(value, dict):
            yield from _code(value, has_own)


def _is_built_in(config: Mapping[str, Any]) -> bool:
    """Whether the architecture is one of transformers itself.

    Both names have to be: a model of one's own may bear the type of the one that it was made from. Where no
    architecture is named, the class is that of the modules (`modeling_llama.LlamaForCausalLM`).
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    known: Any = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(str(config.get("model_type")))
    modules = config.get("auto_map")
    module = modules.get("AutoModelForCausalLM") if isinstance(modules, dict) else None
    names = set(_names(config.get("architectures")) or [str(module).rpartition(".")[2]])
    return known is not None and names <= set([known] if isinstance(known, str) else known)


def _has_built_in_tokenizer(settings: Mapping[str, Any]) -> bool:
    from transformers.models.auto.tokenization_auto import tokenizer_class_from_name

    name = settings.get("tokenizer_class")
    return isinstance(name, str) and tokenizer_class_from_name(name) is not None


def _quantisations(values: Mapping[str, Any]) -> Iterator[str]:
    """Methods that a configuration names for quantised weights, at any depth."""
    for key, value in values.items():
        if key in ("quantization_config", "compression_config") and value is not None:
            named = value.get("quant_method") or value.get("quant_algo") if isinstance(value, dict) else value
            is_old = isinstance(value, dict) and any(key in value for key in ("load_in_4bit", "load_in_8bit"))
            yield str(named or ("bitsandbytes" if is_old else "a method that it does not name"))[:60]
        elif isinstance(value, dict):
            yield from _quantisations(value)


def _names(value: Any) -> list[str]:
    """A list's items, a mapping's keys, or any other value's text."""
    return [str(item) for item in value] if isinstance(value, list | dict) else [str(value)] if value else []
