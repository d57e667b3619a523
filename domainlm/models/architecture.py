"""Whether a model's architecture can be trained here.

In: a checkpoint folder, a loaded model. Out: nothing, or StageError with the model's type and the true reason. What
can be tried is tried on the loaded model (`domainlm.models.load`); here are the kinds whose first error would come
from a library, in training.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from domainlm.contract import StageError
from domainlm.models.checkpoint_files import reading_source
from domainlm.models.load import OTHER, check_trainable

# parts of a configuration that are models of their own
SENSES = {"vision_config": "images", "audio_config": "sound"}


def check_architecture(folder: Path) -> None:
    """Raise StageError for a checkpoint whose model cannot be trained."""
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    with reading_source("reading the configuration", folder):
        config: Any = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    kind = config.model_type
    for part, what in SENSES.items():
        if getattr(config, part, None) is not None:
            raise StageError(
                f"the base model's type is {kind}, which also takes {what} ({part} in config.json); expected a model of text"
                " alone, as text trains no adapter of the other parts: choose its text-only sibling in sources.<base_model>"
            )
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise StageError(
            f"the base model's type is {kind}, of which transformers has no causal language model; expected one: {OTHER}"
        )


def check_model(model: Any) -> None:
    """Raise StageError for a loaded model that cannot be trained or merged."""
    with running(model, "on packed rows", "a model that takes position_ids without a mask"):
        check_trainable(model)


@contextmanager
def running(model: Any, how: str, expected: str) -> Iterator[None]:
    """Report what a model's own code raises as a StageError."""
    try:
        yield
    except StageError:
        raise
    except (AttributeError, LookupError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise StageError(
            f"the base model's type is {model.config.model_type}, which cannot run {how} ({type(error).__name__}: {reason});"
            f" expected {expected}: {OTHER}"
        ) from error
