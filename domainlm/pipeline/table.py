"""The stage table: one row per artifact, in pipeline order.

In: nothing. Out: `STAGES`. Rules, dvc.yaml, stamps, the reference and the tests are made from it or checked against it,
so an artifact is added by one row; no other module of the engine knows an artifact by its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Literal

from domainlm.pipeline.edges import (
    Condition,
    Edge,
    all_models,
    can_merge,
    chat_form,
    has_instruct,
    has_pretraining,
    has_seeds,
    is_merged,
    same,
    start_of_sft,
    whole,
)

PACKAGE_ROOT = Path(__file__).resolve().parents[2]
EXCLUDED_MODULES = ("domainlm.config", "domainlm.contract")
# settings of a training's rule that a profile may change
GPUS = ("gpus", 0)
TRAINING: tuple[tuple[str, int | str], ...] = (
    ("micro_batch_rows", 1),
    ("checkpoint_seconds", 60),
    GPUS,
    ("processes", 1),
    ("activation_checkpointing", 0),
    ("trackers", "none"),
)
# one of the processes in which a training runs, if it is granted several
TRAINING_WORKER = "domainlm.training.worker"
TORCH = ("torch", "transformers", "tokenizers", "safetensors", "numpy")


# `snakemake` builds this artifact when it has no target
LAST_ARTIFACT = "eval_report"


class Shards(Enum):
    """The division of an artifact: none, or by its raw files."""

    NONE = "none"
    BY_FILE = "by_file"


@dataclass(frozen=True)
class Stage:
    """A row of the table: an artifact and the stage behind it.

    group: the file of its rule below rules/. inputs: the edges to its inputs. when: the configurations that it is part
    of. shards: how it is divided. compares: knob that lists other domains whose same artifact it reads. declares: the
    sources that it brings in: the texts as raw files, or the model whose role has its name. reads_raw_files:
    whether it opens the files that an inventory lists. distributions: the packages that its bytes depend on.
    package_data: files below domainlm/ that it reads. launched: modules that it starts by name in processes of their
    own (torchrun), which count as imported. uses_torch: whether it takes all cores. profile_knobs: settings of its rule
    that a profile may change, with the defaults. memory_mb: default of the rule's resource. metrics, plots: files of
    its output that DVC shows.
    """

    name: str
    group: str
    inputs: tuple[Edge, ...] = ()
    when: Condition | None = None
    shards: Shards = Shards.NONE
    compares: str | None = None
    declares: Literal["texts", "model"] | None = None
    reads_raw_files: bool = False
    distributions: tuple[str, ...] = ()
    package_data: tuple[str, ...] = ()
    launched: tuple[str, ...] = ()
    uses_torch: bool = False
    profile_knobs: tuple[tuple[str, int | str], ...] = ()
    memory_mb: int = 1000
    metrics: tuple[str, ...] = ()
    plots: tuple[str, ...] = ()

    @property
    def is_sharded(self) -> bool:
        return self.shards is not Shards.NONE

    @property
    def lists_raw_files(self) -> bool:
        """Whether its output is an inventory of raw files.

        The files lie in the store or in their folders, not in the output.
        """
        return self.declares == "texts"

    @property
    def module(self) -> str:
        return f"domainlm.stages.{self.name}"

    @property
    def modules(self) -> tuple[str, ...]:
        """The stage's own module, and the modules that it launches."""
        return (self.module, *self.launched)


STAGES: tuple[Stage, ...] = (
    Stage("raw_corpus", "sources", shards=Shards.BY_FILE, declares="texts", distributions=("pyarrow",)),
    Stage(
        "base_model",
        "sources",
        declares="model",
        distributions=(*TORCH, "gguf", "jinja2"),
        uses_torch=True,
        memory_mb=3000,
    ),
    Stage(
        "instruct_model",
        "sources",
        when=has_instruct,
        # tokenizer and shape are compared with it before anything is trained
        inputs=(whole("base_model"),),
        declares="model",
        distributions=(*TORCH, "gguf", "jinja2"),
        uses_torch=True,
        memory_mb=3000,
    ),
    Stage(
        "documents",
        "text",
        inputs=(same("raw_corpus"),),
        reads_raw_files=True,
        shards=Shards.BY_FILE,
        distributions=("pyarrow", "selectolax", "mwparserfromhell", "pypdfium2", "phonenumbers"),
    ),
    Stage(
        "clean_shards",
        "text",
        inputs=(same("documents"),),
        shards=Shards.BY_FILE,
        distributions=("pyarrow", "numpy", "ftfy", "py3langid", "opencc", "phonenumbers", "ahocorasick-rs"),
    ),
    Stage(
        "relevance_model",
        "text",
        when=has_seeds,
        inputs=(whole("clean_shards"),),
        # scikit-learn's sparse matrices are scipy's
        distributions=("pyarrow", "numpy", "scikit-learn", "scipy", "safetensors", "phonenumbers"),
        memory_mb=2000,
    ),
    Stage(
        "unique_shards",
        "text",
        inputs=(whole("clean_shards"), whole("relevance_model", when=has_seeds)),
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
        "text",
        inputs=(
            whole("unique_shards"),
            whole("base_model"),
        ),
        distributions=("pyarrow", "tokenizers", "ahocorasick-rs"),
        memory_mb=2000,
    ),
    Stage(
        "pt_tokens",
        "pretraining",
        when=has_pretraining,
        inputs=(
            whole("corpus_split"),
            whole("base_model"),
        ),
        distributions=("pyarrow", "tokenizers", "numpy"),
    ),
    Stage(
        "pt_adapter",
        "pretraining",
        when=has_pretraining,
        inputs=(
            whole("pt_tokens"),
            whole("base_model"),
        ),
        distributions=(*TORCH, "peft"),
        launched=(TRAINING_WORKER,),
        uses_torch=True,
        profile_knobs=TRAINING,
        memory_mb=5000,
        plots=("loss.csv",),
    ),
    Stage(
        "merged_model",
        "pretraining",
        when=can_merge,
        inputs=(
            whole("base_model"),
            whole("pt_adapter"),
            whole("pt_tokens"),
        ),
        distributions=(*TORCH, "accelerate", "peft"),
        uses_torch=True,
        memory_mb=5000,
    ),
    Stage(
        "instruct_residual",
        "pretraining",
        when=has_instruct,
        inputs=(whole("merged_model"), whole("base_model"), whole("instruct_model")),
        distributions=(*TORCH, "jinja2"),
        uses_torch=True,
        memory_mb=5000,
    ),
    Stage("sft_dataset", "instruction", inputs=(whole("corpus_split"),), distributions=("pyarrow",)),
    Stage(
        "sft_tokens",
        "instruction",
        inputs=(
            whole("sft_dataset"),
            chat_form(),
        ),
        # the chat template is Jinja, rendered by transformers
        distributions=("pyarrow", "transformers", "tokenizers", "numpy", "jinja2"),
    ),
    Stage(
        "sft_adapter",
        "instruction",
        inputs=(whole("sft_tokens"), start_of_sft()),
        distributions=(*TORCH, "peft"),
        launched=(TRAINING_WORKER,),
        uses_torch=True,
        profile_knobs=TRAINING,
        memory_mb=5000,
        plots=("loss.csv",),
    ),
    Stage(
        "eval_results",
        "evaluation",
        inputs=(whole("corpus_split"), whole("sft_dataset"), all_models(), chat_form()),
        compares="eval_results.compare",
        distributions=(*TORCH, "peft", "lm-eval", "datasets", "pyarrow", "jinja2"),
        uses_torch=True,
        profile_knobs=(GPUS,),
        memory_mb=5000,
    ),
    Stage(
        "eval_report",
        "evaluation",
        inputs=(
            whole("raw_corpus"),
            whole("base_model"),
            whole("instruct_model", when=has_instruct),
            whole("documents"),
            whole("clean_shards"),
            whole("relevance_model", when=has_seeds),
            whole("unique_shards"),
            whole("corpus_split"),
            whole("pt_tokens", when=has_pretraining),
            whole("pt_adapter", when=has_pretraining),
            whole("merged_model", when=is_merged),
            whole("instruct_residual", when=has_instruct),
            whole("sft_dataset"),
            whole("sft_tokens"),
            whole("sft_adapter"),
            whole("eval_results"),
        ),
        distributions=("plotly", "jinja2"),
        package_data=(
            "domainlm/report/card.html.jinja",
            "domainlm/report/report.html.jinja",
            "domainlm/report/style.css",
        ),
        metrics=("metrics.json",),
    ),
)
BY_NAME = {stage.name: stage for stage in STAGES}


def package_data_files(stage: Stage) -> list[Path]:
    return [PACKAGE_ROOT / name for name in stage.package_data]
