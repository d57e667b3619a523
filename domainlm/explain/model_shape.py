"""The shape of a language model, by its config.json.

In: a checkpoint's folder, or the values of a config.json. Out: a `Shape`: layers, widths, linear layers, number of
parameters. The parameters are counted from the headers of the safetensors files if those are there, and otherwise by
the configuration; for the kinds in `KINDS` the two are equal, and any other kind is counted as a Llama and says so.
Nothing of torch is imported: `plan` is asked before a GPU is, often on a machine without one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from domainlm.config.bounded_file import read_bounded
from domainlm.raw.json_text import InvalidJson, parsed_json

MAX_CONFIG_BYTES = 10_000_000
MAX_HEADER_BYTES = 100_000_000
LARGEST = 10**9


class UnknownShape(ValueError):
    """A configuration that does not say what memory depends on."""


@dataclass(frozen=True)
class Linear:
    """A linear layer of every block.

    reads: what it multiplies; layers that read the same tensor keep it once. has_bias: whether it adds one.
    """

    name: str
    inputs: int
    outputs: int
    reads: str
    has_bias: bool = False


@dataclass(frozen=True)
class Kind:
    """What a model type does that its config.json does not say.

    norms: of a block. query_norm: of queries and keys, over a head's width or over the whole one. head_width, is_tied:
    defaults of transformers. biases: names of linear layers that always have one. is_fused: one layer for queries, keys
    and values, and one for gate and up. activation_copies: tensors of the feed-forward width that a block without a gate
    keeps. has_own_mask: whether packed documents are kept apart by a mask, not computed one by one, as
    `domainlm.models.document_attention` does where layers see whole documents and are given their positions.
    """

    norms: int = 2
    query_norm: str | None = None
    head_width: int | None = None
    is_tied: bool = False
    biases: tuple[str, ...] = ()
    is_fused: bool = False
    activation_copies: int = 0
    has_eager_attention: bool = False
    has_own_mask: bool = False


KINDS: dict[str, Kind] = {
    "llama": Kind(),
    # without the key, a window of 4,096
    "mistral": Kind(has_own_mask=True),
    "granite": Kind(),
    "smollm3": Kind(is_tied=True),
    "qwen2": Kind(biases=("q_proj", "k_proj", "v_proj")),
    "qwen3": Kind(query_norm="head", head_width=128),
    "gemma": Kind(head_width=256, is_tied=True),
    "gemma2": Kind(norms=4, head_width=256, is_tied=True, has_eager_attention=True, has_own_mask=True),
    "gemma3_text": Kind(norms=4, query_norm="head", head_width=256, is_tied=True, has_own_mask=True),
    "olmo2": Kind(query_norm="whole"),
    "phi3": Kind(is_fused=True),
    "mixtral": Kind(),
    "qwen3_moe": Kind(query_norm="head", head_width=128),
    "gpt2": Kind(is_tied=True, activation_copies=4),
}
# transformers' defaults of keys that a config.json may leave out
_EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts")
_WIDTH_OF_EXPERTS = ("moe_intermediate_size",)


@dataclass(frozen=True)
class Shape:
    """What the memory and the speed of training depend on.

    parameters: all, tied ones once; is_exact: whether their number is counted and not estimated.
    is_tied: whether the output layer is the embeddings' table. has_mask: whether attention is given a mask of packed
    documents. linears: of one block,
    those in experts left out. experts: of a block (0: none); expert_width: feed-forward width of one.
    """

    model_type: str
    hidden: int
    layers: int
    heads: int
    key_heads: int
    head_width: int
    feed_forward: int
    vocabulary: int
    linears: tuple[Linear, ...]
    parameters: int
    is_exact: bool
    is_tied: bool
    has_mask: bool
    kind: Kind
    experts: int = 0
    experts_per_token: int = 0
    expert_width: int = 0

    @property
    def query_width(self) -> int:
        return self.heads * self.head_width

    @property
    def key_width(self) -> int:
        return self.key_heads * self.head_width

    @property
    def table_parameters(self) -> int:
        """Parameters of the embeddings and of the output layer."""
        return self.vocabulary * self.hidden * (1 if self.is_tied else 2)

    @property
    def linear_parameters(self) -> int:
        """Parameters of all linear layers but the output's and the experts'."""
        return self.layers * sum(each.inputs * each.outputs for each in self.linears)

    @property
    def active_parameters(self) -> int:
        """Parameters that a token is multiplied with."""
        idle = self.layers * (self.experts - self.experts_per_token) * 3 * self.hidden * self.expert_width
        return self.parameters - max(0, idle)


def read_shape(folder: Path) -> Shape:
    """The shape of the checkpoint in a folder. Raises UnknownShape and OSError."""
    try:
        config = parsed_json(read_bounded(folder / "config.json", MAX_CONFIG_BYTES).decode("utf-8"))
    except (InvalidJson, UnicodeDecodeError) as error:
        raise UnknownShape(f"{folder / 'config.json'} is no JSON; expected a model's configuration") from error
    if not isinstance(config, Mapping):
        raise UnknownShape(f"{folder / 'config.json'} holds no object; expected a model's configuration")
    shape = shape_of(config)
    stored = _stored_sizes(folder)
    if not stored:
        return shape
    # some checkpoints store a tied output layer a second time
    tied = stored.get("lm_head.weight", 0) if shape.is_tied else 0
    return replace(shape, parameters=sum(stored.values()) - tied, is_exact=True)


def shape_of(config: Mapping[str, Any]) -> Shape:
    """The shape that a config.json describes. Raises UnknownShape."""
    text = config.get("text_config")
    config = text if isinstance(text, Mapping) else config
    model_type = str(config.get("model_type", "unstated"))
    kind = KINDS.get(model_type, Kind())
    hidden = _number(config, "hidden_size", "n_embd", "d_model")
    heads = _number(config, "num_attention_heads", "n_head")
    layers = _number(config, "num_hidden_layers", "n_layer")
    key_heads = _number(config, "num_key_value_heads", default=heads)
    head_width = _number(config, "head_dim", default=kind.head_width or max(1, hidden // heads))
    feed_forward = _number(config, "intermediate_size", "n_inner", "ffn_dim", default=4 * hidden)
    vocabulary = _number(config, "vocab_size")
    experts = _number(config, *_EXPERTS, default=0)
    shape = Shape(
        model_type=model_type,
        hidden=hidden,
        layers=layers,
        heads=heads,
        key_heads=key_heads,
        head_width=head_width,
        feed_forward=feed_forward,
        vocabulary=vocabulary,
        linears=(),
        parameters=0,
        is_tied=_is_tied(config, kind),
        has_mask=_has_mask(config, kind),
        is_exact=model_type in KINDS and not _has_unequal_blocks(config),
        kind=kind,
        experts=experts,
        experts_per_token=_number(config, "num_experts_per_tok", default=0) if experts else 0,
        expert_width=_number(config, *_WIDTH_OF_EXPERTS, default=feed_forward) if experts else 0,
    )
    shape = replace(shape, linears=tuple(_linears(shape, config)))
    return replace(shape, parameters=_parameters(shape, config))


def _is_tied(config: Mapping[str, Any], kind: Kind) -> bool:
    """Whether the output layer is the embeddings' table."""
    found = config.get("tie_word_embeddings")
    return found if isinstance(found, bool) else kind.is_tied


def _has_mask(config: Mapping[str, Any], kind: Kind) -> bool:
    """Whether packed documents are kept apart by a mask."""
    layers = config.get("layer_types")
    if isinstance(layers, list) and any(each != "full_attention" for each in layers):
        return True
    has_window = config.get("use_sliding_window", True) is not False
    if has_window and config.get("sliding_window") is not None:
        return True
    return kind.has_own_mask and not ("sliding_window" in config and kind == KINDS["mistral"])


def _has_unequal_blocks(config: Mapping[str, Any]) -> bool:
    """Whether some blocks of a mixture have no experts."""
    return bool(config.get("mlp_only_layers")) or config.get("decoder_sparse_step", 1) != 1


def _number(config: Mapping[str, Any], *keys: str, default: int | None = None) -> int:
    """The first of these keys that is a whole number above zero."""
    for key in keys:
        value = config.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < LARGEST:
            return value
    if default is None:
        raise UnknownShape(f"config.json has no {keys[0]}; expected a whole number, as memory depends on it")
    return default


def _linears(shape: Shape, config: Mapping[str, Any]) -> list[Linear]:
    """The linear layers of a block, experts left out."""
    hidden, width, kind = shape.hidden, shape.query_width, shape.kind
    keys, inner = shape.key_width, shape.feed_forward
    if shape.model_type == "gpt2":
        return [
            Linear("c_attn", hidden, 3 * hidden, "block", True),
            Linear("c_proj", hidden, hidden, "attended", True),
            Linear("c_fc", hidden, inner, "normed", True),
            Linear("c_proj", inner, hidden, "product", True),
        ]
    has_bias, mlp_bias = config.get("attention_bias") is True, config.get("mlp_bias") is True
    if kind.is_fused:
        attention = [Linear("qkv_proj", hidden, width + 2 * keys, "block")]
    else:
        attention = [
            Linear(name, hidden, outputs, "block", has_bias or name in kind.biases)
            for name, outputs in (("q_proj", width), ("k_proj", keys), ("v_proj", keys))
        ]
    attention.append(Linear("o_proj", width, hidden, "attended", has_bias))
    if shape.experts:
        return attention
    if kind.is_fused:
        above = [Linear("gate_up_proj", hidden, 2 * inner, "normed")]
    else:
        above = [Linear(name, hidden, inner, "normed", mlp_bias) for name in ("gate_proj", "up_proj")]
    return [*attention, *above, Linear("down_proj", inner, hidden, "product", mlp_bias)]


def _parameters(shape: Shape, config: Mapping[str, Any]) -> int:
    """Parameters by the configuration, tied ones once."""
    hidden, kind = shape.hidden, shape.kind
    block = sum(each.inputs * each.outputs + each.outputs * each.has_bias for each in shape.linears)
    is_gpt2 = shape.model_type == "gpt2"
    # a layer norm has a bias, too
    norm = 2 * hidden if is_gpt2 else hidden
    block += kind.norms * norm
    if kind.query_norm == "head":
        block += 2 * shape.head_width
    elif kind.query_norm == "whole":
        block += shape.query_width + shape.key_width
    # the router, and gate, up and down of every expert
    block += shape.experts * (hidden + 3 * hidden * shape.expert_width)
    positions = _number(config, "n_positions", default=1024) * hidden if is_gpt2 else 0
    return shape.layers * block + shape.table_parameters + positions + norm


def _stored_sizes(folder: Path) -> dict[str, int]:
    """Name -> elements of every tensor, by the safetensors headers.

    Empty: there are no such files, or one has no header that can be read.
    """
    sizes: dict[str, int] = {}
    for path in _weight_files(folder):
        header = _header(path)
        if header is None:
            return {}
        for name, entry in header.items():
            shape = entry.get("shape") if isinstance(entry, Mapping) and name != "__metadata__" else None
            if isinstance(shape, list) and all(isinstance(each, int) and each >= 0 for each in shape):
                sizes[name] = math.prod(shape)
    return sizes


def _weight_files(folder: Path) -> list[Path]:
    """The files that transformers reads.

    A release may have the same weights again in others (consolidated.safetensors).
    """
    index, single = folder / "model.safetensors.index.json", folder / "model.safetensors"
    if not index.exists():
        return [single] if single.exists() else sorted(folder.glob("*.safetensors"))
    try:
        found = parsed_json(index.read_text(encoding="utf-8"))
    except (InvalidJson, UnicodeDecodeError):
        return []
    named = found.get("weight_map") if isinstance(found, Mapping) else None
    names = {name for name in named.values() if isinstance(name, str)} if isinstance(named, Mapping) else set()
    return [folder / name for name in sorted(names) if "/" not in name and (folder / name).exists()]


def _header(path: Path) -> Mapping[str, Any] | None:
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > MAX_HEADER_BYTES:
            return None
        data = file.read(size)
    try:
        found = parsed_json(data.decode("utf-8"))
    except (InvalidJson, UnicodeDecodeError):
        return None
    return found if isinstance(found, Mapping) else None
