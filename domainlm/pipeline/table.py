"""The stage table: one row per artifact, in pipeline order. Everything else (rules, dvc.yaml, tests) is checked against
it.

In: nothing. Out: `STAGES` and what follows from it: an artifact's inputs under a configuration, the slice of the
configuration that it depends on, its modules, its package data and its distributions.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    pass

PACKAGE_ROOT = Path(__file__).resolve().parents[2]
EXCLUDED_MODULES = ("domainlm.config", "domainlm.contract")
TORCH = ("torch", "transformers", "tokenizers", "safetensors", "numpy")


@dataclass(frozen=True)
class Stage:
    """One artifact.

    inputs: upstream artifacts whatever the configuration; `stage_inputs` adds those that depend on it. shared: top-level keys of the
    configuration in its slice. distributions: what its bytes depend on. package_data: files below domainlm/ that it reads.
    launched: modules that it starts by name in processes of their own (torchrun), which count as imported. memory_mb:
    default of the rule's resource.
    """

    name: str
    inputs: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    distributions: tuple[str, ...] = ()
    package_data: tuple[str, ...] = ()
    launched: tuple[str, ...] = ()
    is_sharded: bool = False
    # which of the configuration's sources it brings in: texts as raw files, or the base model
    declares: Literal["texts", "model"] | None = None
    uses_torch: bool = False
    memory_mb: int = 1000

    @property
    def lists_raw_files(self) -> bool:
        """Whether its output is an inventory of raw files, which lie in the store or in their folders and not in it."""
        return self.declares == "texts"

    @property
    def module(self) -> str:
        return f"domainlm.stages.{self.name}"

    @property
    def modules(self) -> tuple[str, ...]:
        """Where its code begins: its own module, and those that it launches."""
        return (self.module, *self.launched)


STAGES: tuple[Stage, ...] = (
    Stage("raw_corpus", is_sharded=True, declares="texts", distributions=("pyarrow",)),
    Stage("base_model", declares="model", distributions=(*TORCH, "gguf", "jinja2"), uses_torch=True, memory_mb=3000),
    Stage(
        "documents",
        inputs=("raw_corpus",),
        is_sharded=True,
        distributions=("pyarrow", "selectolax", "mwparserfromhell", "pypdfium2", "phonenumbers"),
    ),
    Stage(
        "clean_shards",
        inputs=("documents",),
        shared=("policy",),
        is_sharded=True,
        distributions=("pyarrow", "numpy", "ftfy", "py3langid", "opencc", "phonenumbers", "ahocorasick-rs"),
    ),
    Stage(
        "relevance_model",
        inputs=("clean_shards",),
        shared=("seed",),
        # scikit-learn's sparse matrices are scipy's
        distributions=("pyarrow", "numpy", "scikit-learn", "scipy", "safetensors", "phonenumbers"),
        memory_mb=2000,
    ),
    Stage(
        "unique_shards",
        inputs=("clean_shards",),
        distributions=(
            "pyarrow",
            "datasketch",
            "ahocorasick-rs",
            "numpy",
            "scikit-learn",
            "scipy",
            "safetensors",
            "phonenumbers",
        ),
        memory_mb=2000,
    ),
    Stage(
        "corpus_split",
        inputs=("unique_shards", "base_model"),
        shared=("seed",),
        distributions=("pyarrow", "tokenizers", "ahocorasick-rs"),
        memory_mb=2000,
    ),
    Stage(
        "pt_tokens",
        inputs=("corpus_split", "base_model"),
        distributions=("pyarrow", "tokenizers", "numpy"),
    ),
    Stage(
        "pt_adapter",
        inputs=("pt_tokens", "base_model"),
        shared=("seed",),
        distributions=(*TORCH, "peft"),
        uses_torch=True,
        memory_mb=5000,
    ),
    Stage(
        "merged_model",
        inputs=("base_model", "pt_adapter", "pt_tokens"),
        distributions=(*TORCH, "peft"),
        uses_torch=True,
        memory_mb=5000,
    ),
    Stage("sft_dataset", inputs=("corpus_split",), shared=("seed", "language"), distributions=("pyarrow",)),
    Stage(
        "sft_tokens",
        inputs=("sft_dataset", "base_model"),
        # the chat template is Jinja, rendered by transformers
        distributions=("pyarrow", "transformers", "tokenizers", "numpy", "jinja2"),
    ),
    Stage(
        "sft_adapter",
        inputs=("sft_tokens",),
        shared=("seed",),
        distributions=(*TORCH, "peft"),
        uses_torch=True,
        memory_mb=5000,
    ),
    Stage(
        "eval_results",
        inputs=("base_model", "corpus_split", "sft_dataset", "sft_adapter"),
        shared=("seed",),
        distributions=(*TORCH, "peft", "lm-eval", "datasets", "pyarrow", "jinja2"),
        uses_torch=True,
        memory_mb=5000,
    ),
    Stage(
        "eval_report",
        inputs=(
            "raw_corpus",
            "base_model",
            "documents",
            "clean_shards",
            "unique_shards",
            "corpus_split",
            "sft_dataset",
            "sft_tokens",
            "sft_adapter",
            "eval_results",
        ),
        shared=("domain",),
        distributions=("plotly", "jinja2"),
        package_data=(
            "domainlm/report/card.html.jinja",
            "domainlm/report/report.html.jinja",
            "domainlm/report/style.css",
        ),
    ),
)
BY_NAME = {stage.name: stage for stage in STAGES}


def package_data_files(stage: Stage) -> list[Path]:
    return [PACKAGE_ROOT / name for name in stage.package_data]
