"""Token embeddings and output layer, trained whole besides an adapter.

In: a loaded model. Out: the names of both for peft's `modules_to_save`, and the two kept one weight where the model has
them so. peft ties by the names of a few architectures, and leaves the output layer of the others (GPT-2) as it was;
here both are named, and tied on the model. Stored, each is written out, which plain peft reads.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from domainlm.models.adapter_name import ADAPTER


def names(model: Any) -> list[str]:
    """Names of the model's token embeddings and of its output layer."""
    found = (model.get_input_embeddings(), model.get_output_embeddings())
    return [name for name, each in model.named_modules() if any(each is one for one in found)]


def are_tied(model: Any) -> bool:
    """Whether both are one weight."""
    return bool(model.get_input_embeddings().weight is model.get_output_embeddings().weight)


@contextmanager
def kept_tied(model: Any) -> Iterator[None]:
    """Tie in the end what peft's copies untied within the block."""
    is_tied = are_tied(model)
    with warnings.catch_warnings():
        # that they might come untied
        warnings.filterwarnings("ignore", message="Model has `tie_word_embeddings=True`")
        yield
    inner, outer = model.get_input_embeddings(), model.get_output_embeddings()
    if is_tied and hasattr(inner, "modules_to_save"):
        outer.modules_to_save[ADAPTER].weight = inner.modules_to_save[ADAPTER].weight
