"""The stage table: one row per artifact, in pipeline order. Everything else (rules, dvc.yaml, tests) is checked against
it.

In: nothing. Out: `STAGES` and what follows from it: an artifact's inputs under a configuration, the slice of the
configuration that it depends on, its modules, its package data and its distributions.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from domainlm.config.domain import DomainConfig

PACKAGE_ROOT = Path(__file__).resolve().parent.parent
EXCLUDED_MODULES = ("domainlm.config",)
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
    uses_torch: bool = False
    memory_mb: int = 1000

    @property
    def module(self) -> str:
        return f"domainlm.stages.{self.name}"

    @property
    def modules(self) -> tuple[str, ...]:
        """Where its code begins: its own module, and those that it launches."""
        return (self.module, *self.launched)


STAGES: tuple[Stage, ...] = (
    Stage("raw_corpus", is_sharded=True, distributions=("pyarrow",)),
    Stage("base_model", distributions=(*TORCH, "gguf", "jinja2"), uses_torch=True, memory_mb=3000),
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
# knobs of other sections in a stage's slice, by their key in it
OTHER_KNOBS = {
    # how it is known that a text repeats another
    "corpus_split": {
        "evaluation_threshold": "unique_shards.evaluation_threshold",
        "shingle_words": "unique_shards.shingle_words",
    },
    "eval_results": {
        "relay": "sft_adapter.relay",
        "system_prompt": "sft_tokens.system_prompt",
        "template_date": "sft_tokens.template_date",
    },
}
BY_NAME = {stage.name: stage for stage in STAGES}


def stage_inputs(stage: Stage, config: DomainConfig) -> tuple[str, ...]:
    """Upstream artifacts of a stage under a configuration, in order."""
    relay = config.sft_adapter.relay
    extra: tuple[str, ...] = ()
    if stage.name in ("sft_adapter", "eval_results"):
        extra = {"merge": ("merged_model",), "continue": ("base_model", "pt_adapter"), "none": ("base_model",)}[relay]
    elif stage.name == "eval_report" and relay != "none":
        extra = ("pt_tokens", "pt_adapter", *(("merged_model",) if relay == "merge" else ()))
    if stage.name in ("unique_shards", "eval_report") and has_seeds(config):
        extra = (*extra, "relevance_model")
    return tuple(dict.fromkeys((*stage.inputs, *extra)))


def has_seeds(config: DomainConfig) -> bool:
    """Whether the domain has examples to tell what is of it: without them there is no relevance_model."""
    return any(source.role == "seed" for source in config.sources.values())


def is_part(stage: Stage, config: DomainConfig) -> bool:
    """Whether a stage has a place in a domain's pipeline under its configuration."""
    if stage.name in ("pt_tokens", "pt_adapter", "merged_model"):
        return config.sft_adapter.relay != "none"
    return stage.name != "relevance_model" or has_seeds(config)


def compared_domains(stage: Stage, config: DomainConfig) -> tuple[str, ...]:
    """Other domains whose built results a stage reads."""
    return tuple(config.eval_results.compare) if stage.name == "eval_results" else ()


def config_slice(stage: Stage, config: DomainConfig) -> dict[str, object]:
    """What of the configuration a stage's result depends on, defaults written out."""
    values = config.model_dump(mode="json")
    section: dict[str, object] = values[stage.name]
    found: dict[str, object] = {"section": section, **{key: values[key] for key in stage.shared}}
    for key, knob in OTHER_KNOBS.get(stage.name, {}).items():
        owner, name = knob.split(".")
        found[key] = values[owner][name]
    return found


def package_data_files(stage: Stage) -> list[Path]:
    return [PACKAGE_ROOT / name for name in stage.package_data]
