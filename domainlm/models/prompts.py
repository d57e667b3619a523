"""Virtual tokens before every text: P-tuning and prefix tuning.

In: a frozen model. Out: the same model, whose decoder puts trained virtual tokens before every document of a packed
row, and takes them out of its result, so that losses, scores and generation need not know of them. P-tuning
(arXiv 2103.10385) trains embeddings, through an encoder; prefix tuning (arXiv 2101.00190; P-tuning v2, arXiv
2110.07602) the keys and values of every layer. peft's own model puts them once before a row, so that only its first
document sees them. The files are peft's, and plain peft reads them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domainlm.config.training import Training
from domainlm.contract import StageError
from domainlm.models.document_attention import NAME as DOCUMENTS
from domainlm.models.load import OTHER, probe_ids
from domainlm.models.positions import max_row_tokens
from domainlm.models.prompt_shapes import prompt_configuration

if TYPE_CHECKING:
    import torch

# parameters of the encoder, to train further; peft reads the embeddings that it made
ENCODER = "prompt_encoder.safetensors"
EMBEDDINGS = "prompt_embeddings"
# of the first values of a prefix; peft's are 1, which drowns the text
DEVIATION = 0.02


def begin(model: Any, section: Training, seed: int, folder: Path | None = None) -> Any:
    """The model with virtual tokens to train; folder: those of an artifact."""
    import torch
    from safetensors.torch import load_file

    config = prompt_configuration(model, section)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = _encoder(config).to(model.device)
    if folder is not None:
        encoder.load_state_dict(load_file(folder / ENCODER))
    model.prompt_encoder = encoder
    indices = torch.arange(section.virtual_tokens, device=model.device)
    return _with_prompt(model, config, lambda: encoder(indices))


def save(model: Any, base_name: str, folder: Path) -> None:
    """Write peft's files, and the encoder."""
    import torch
    from safetensors.torch import save_file

    config = model.prompt_configuration
    with torch.no_grad():
        made = model.prompt_encoder(torch.arange(config.num_virtual_tokens, device=model.device))
    save_file({EMBEDDINGS: made.contiguous()}, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    state = {name: tensor.detach().contiguous() for name, tensor in sorted(model.prompt_encoder.state_dict().items())}
    save_file(state, folder / ENCODER, metadata={"format": "pt"})
    values = {**config.to_dict(), "base_model_name_or_path": base_name, "inference_mode": True}
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, indent=1) + "\n"
    (folder / "adapter_config.json").write_text(text, encoding="utf-8", newline="\n")


def saved(model: Any, folder: Path) -> Any:
    """The model with an artifact's virtual tokens."""
    from peft import PeftConfig
    from safetensors.torch import load_file

    made = load_file(folder / "adapter_model.safetensors")[EMBEDDINGS].to(model.device)
    return _with_prompt(model, PeftConfig.from_pretrained(str(folder)), lambda: made)


def is_prompt(folder: Path) -> bool:
    """Whether an artifact holds virtual tokens."""
    return virtual_tokens_of(folder) > 0


def virtual_tokens_of(folder: Path) -> int:
    """The virtual tokens of an artifact; 0 for another kind of adapter."""
    values = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    return int(values["num_virtual_tokens"]) if values["peft_type"] in ("P_TUNING", "PREFIX_TUNING") else 0


def check_continues(folder: Path, section: Training) -> None:
    """Raise StageError where virtual tokens of another number are continued."""
    saved = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    kinds = {"P_TUNING": "p_tuning", "PREFIX_TUNING": "prefix_tuning"}
    found = (kinds.get(saved["peft_type"], "lora"), saved.get("num_virtual_tokens", 0))
    if found != (section.method, section.virtual_tokens):
        raise StageError(
            f"relay: continue starts from the PT adapter, whose method and virtual_tokens are {found}, while sft_adapter has"
            f" {(section.method, section.virtual_tokens)}; expected equal: set both to one value, or sft_adapter.relay to none"
        )


def _encoder(config: Any) -> Any:
    """peft's module that makes the virtual tokens."""
    import torch
    from peft import PrefixEncoder, PromptEncoder

    if config.peft_type == "P_TUNING":
        return PromptEncoder(config)  # type: ignore[no-untyped-call]
    encoder: Any = PrefixEncoder(config)  # type: ignore[no-untyped-call]
    torch.nn.init.normal_(encoder.embedding.weight, std=DEVIATION)
    return encoder


def _with_prompt(model: Any, config: Any, made: Callable[[], torch.Tensor]) -> Any:
    """The model whose decoder works with the virtual tokens that `made` gives."""
    inner = getattr(model, model.base_model_prefix)
    if config.peft_type == "P_TUNING":
        _check_embeddings(model, inner)
    elif model.config._attn_implementation == DOCUMENTS:
        # it takes no keys from a cache
        model.set_attn_implementation("sdpa")
    limit = max_row_tokens(model.config.to_dict())
    model.prompt_configuration = config
    inner.forward = partial(_forward, model, inner.forward, made, None if limit is None else limit[0])
    return model


def _check_embeddings(model: Any, inner: Any) -> None:
    """Raise StageError where a model makes more of ids than their embeddings."""
    import torch

    ids = probe_ids(model).to(model.device)
    with torch.no_grad():
        expected = inner(input_ids=ids, use_cache=False).last_hidden_state
        try:
            found = inner(inputs_embeds=model.get_input_embeddings()(ids), use_cache=False).last_hidden_state
        except (TypeError, ValueError, RuntimeError) as error:
            raise StageError(
                f"{type(model).__name__} takes no embeddings ({error}); expected to, for p_tuning: {OTHER}"
            ) from error
    if not torch.equal(found, expected):
        raise StageError(
            f"{type(model).__name__} computes something else from embeddings than from ids; expected the same, as virtual tokens"
            " are embeddings: choose method prefix_tuning or lora"
        )


def _forward(
    model: Any,
    original: Callable[..., Any],
    made: Callable[[], torch.Tensor],
    limit: int | None,
    input_ids: torch.Tensor | None = None,
    attention_mask: torch.Tensor | None = None,
    position_ids: torch.Tensor | None = None,
    past_key_values: Any = None,
    inputs_embeds: torch.Tensor | None = None,
    **others: Any,
) -> Any:
    """The decoder's result for the tokens that it was given."""
    import torch

    prompt = made()
    count = len(prompt)
    if input_ids is None or inputs_embeds is not None:
        raise StageError("virtual tokens stand before ids, and the model was given embeddings; expected ids")
    if position_ids is None:
        seen = 0 if past_key_values is None else max(past_key_values.get_seq_length() - count, 0)
        position_ids = (torch.arange(input_ids.shape[1], device=input_ids.device) + seen).expand(input_ids.shape)
    longest = int(position_ids.max()) + 1 + count
    if limit is not None and longest > limit:
        raise StageError(
            f"virtual_tokens: {count} before a text of {longest - count} tokens are more than the model's {limit} positions;"
            " expected them to fit: lower virtual_tokens or sequence_length"
        )
    if attention_mask is None and past_key_values is None:
        work = _embedded if model.prompt_configuration.peft_type == "P_TUNING" else _prefixed
        places = position_ids.expand(input_ids.shape)[:, None]
        rows = [work(model, original, prompt, *each, others) for each in zip(input_ids[:, None], places, strict=True)]
        result = rows[0]
        result.last_hidden_state = torch.cat([row.last_hidden_state for row in rows])
        return result
    return _with_cache(model, original, prompt, input_ids, attention_mask, position_ids, past_key_values, others)


def segments(positions: torch.Tensor) -> list[tuple[int, int]]:
    """First token, and the one after the last, of each document."""
    import torch

    starts = [0, *(torch.nonzero(positions[1:] != positions[:-1] + 1)[:, 0] + 1).tolist(), len(positions)]
    return list(pairwise(starts))


def _embedded(
    model: Any,
    original: Callable[..., Any],
    prompt: torch.Tensor,
    ids: torch.Tensor,
    positions: torch.Tensor,
    others: Any,
) -> Any:
    """A row with the embeddings before each of its documents."""
    import torch

    embeddings = model.get_input_embeddings()(ids)[0]
    before = torch.arange(len(prompt), device=ids.device)
    parts: list[torch.Tensor] = []
    places: list[torch.Tensor] = []
    kept: list[int] = []
    for number, (start, end) in enumerate(segments(positions[0]), 1):
        parts += [prompt.to(embeddings.dtype), embeddings[start:end]]
        places += [before, positions[0, start:end] + len(prompt)]
        kept += range(start + number * len(prompt), end + number * len(prompt))
    result = original(inputs_embeds=torch.cat(parts)[None], position_ids=torch.cat(places)[None], **others)
    result.last_hidden_state = result.last_hidden_state[:, kept]
    return result


def _prefixed(
    model: Any,
    original: Callable[..., Any],
    prompt: torch.Tensor,
    ids: torch.Tensor,
    positions: torch.Tensor,
    others: Any,
) -> Any:
    """A row's documents one by one, each after the keys and values.

    With a cache, transformers does not keep packed documents apart.
    """
    import torch

    results = [
        original(
            input_ids=ids[:, start:end],
            position_ids=positions[:, start:end] + len(prompt),
            past_key_values=_filled(model, None, prompt, 1),
            **others,
        )
        for start, end in segments(positions[0])
    ]
    result = results[0]
    result.last_hidden_state = torch.cat([each.last_hidden_state for each in results], dim=1)
    return result


def _with_cache(
    model: Any,
    original: Callable[..., Any],
    prompt: torch.Tensor,
    ids: torch.Tensor,
    mask: torch.Tensor | None,
    positions: torch.Tensor,
    cache: Any,
    others: Any,
) -> Any:
    """A batch of single texts, as they are generated."""
    import torch

    rows, count = len(ids), len(prompt)
    is_first = cache is None or cache.get_seq_length() == 0
    if mask is not None:
        mask = torch.cat([mask.new_ones(rows, count), mask], dim=1)
    given = {"attention_mask": mask, "past_key_values": cache, **others}
    if model.prompt_configuration.peft_type == "PREFIX_TUNING":
        given["past_key_values"] = _filled(model, cache, prompt, rows) if is_first else cache
    elif is_first:
        embeddings = model.get_input_embeddings()(ids)
        before = prompt.to(embeddings.dtype).expand(rows, -1, -1)
        own = torch.arange(count, device=ids.device).expand(rows, -1)
        places = torch.cat([own, positions.expand(rows, -1) + count], dim=1)
        result = original(inputs_embeds=torch.cat([before, embeddings], dim=1), position_ids=places, **given)
        result.last_hidden_state = result.last_hidden_state[:, count:]
        return result
    return original(input_ids=ids, position_ids=positions + count, **given)


def _filled(model: Any, cache: Any, prompt: torch.Tensor, rows: int) -> Any:
    """A cache that begins with the prefix's keys and values.

    prompt: [tokens, layers * 2 * heads * size], in peft's order.
    """
    from transformers import DynamicCache

    config = model.prompt_configuration
    heads = config.num_attention_heads
    values = prompt.to(model.dtype).view(len(prompt), config.num_layers, 2, heads, -1)
    cache = DynamicCache() if cache is None else cache
    for layer in range(config.num_layers):
        key, value = (values[:, layer, part].transpose(0, 1).expand(rows, -1, -1, -1) for part in (0, 1))
        cache.update(key, value, layer)
    return cache
