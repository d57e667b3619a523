"""The configuration model: every knob, its default, its unit.

In: mappings read from YAML and from `--config`. Out: one frozen `DomainConfig` with defaults written out, so that two
spellings of the same configuration give the same action keys. Unknown keys are refused with the nearest valid one
(`resolve.py` words the error). This package is outside every code digest: its whole effect is the resolved slice that a
stage is given.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from domainlm.config.cleaning import CleanShards, CleanShardsShardSlice, CleanShardsSlice
from domainlm.config.default_domain import DEFAULT_DOMAIN
from domainlm.config.evaluation import EvalReport, EvalReportSlice, EvalResults, EvalResultsSlice
from domainlm.config.instruct import (
    InstructModelConfig,
    InstructModelSlice,
    InstructResidual,
    InstructResidualSlice,
)
from domainlm.config.instruction import (
    SftAdapter,
    SftAdapterSlice,
    SftDataset,
    SftDatasetSlice,
    SftTokens,
    SftTokensSlice,
)
from domainlm.config.pretraining import (
    MergedModel,
    MergedModelSlice,
    PtAdapter,
    PtAdapterSlice,
    PtTokens,
    PtTokensSlice,
)
from domainlm.config.section import Name, Slice, Strict
from domainlm.config.sources import (
    BaseModelConfig,
    BaseModelSlice,
    PolicyRule,
    RawCorpus,
    RawCorpusShardSlice,
    RawCorpusSlice,
    Source,
)
from domainlm.config.text import (
    CorpusSplit,
    CorpusSplitSlice,
    Documents,
    DocumentsSlice,
    RelevanceModel,
    RelevanceModelSlice,
    UniqueShards,
    UniqueShardsSlice,
)


class DomainConfig(Strict):
    domain: Name = Field(DEFAULT_DOMAIN, description="name of the domain: the folder under artifacts/")
    extends: Name | None = Field(None, description="domain file that this one inherits values from")
    language: Literal["en", "zh"] = Field("en", description="main language of the corpus")
    seed: int = Field(17, ge=0, description="seed of every random choice")
    sources: dict[Name, Source] = Field(default_factory=dict, description="external texts and models, by name")
    policy: list[PolicyRule] = Field(
        [],
        description="rules that decide by label how documents may be used; the first match decides ([]: the role decides)",
    )
    raw_corpus: RawCorpus = RawCorpus()
    base_model: BaseModelConfig = BaseModelConfig()
    instruct_model: InstructModelConfig = InstructModelConfig()
    documents: Documents = Documents()
    clean_shards: CleanShards = CleanShards()
    relevance_model: RelevanceModel = RelevanceModel()
    unique_shards: UniqueShards = UniqueShards()
    corpus_split: CorpusSplit = CorpusSplit()
    pt_tokens: PtTokens = PtTokens()
    pt_adapter: PtAdapter = PtAdapter()
    merged_model: MergedModel = MergedModel()
    instruct_residual: InstructResidual = InstructResidual()
    sft_dataset: SftDataset = SftDataset()
    sft_tokens: SftTokens = SftTokens()
    sft_adapter: SftAdapter = SftAdapter()
    eval_results: EvalResults = EvalResults()
    eval_report: EvalReport = EvalReport()


# slice type by artifact; a shard has its artifact's type unless it is named here
SLICES: dict[str, type[Slice]] = {
    "raw_corpus_shard": RawCorpusShardSlice,
    "raw_corpus": RawCorpusSlice,
    "base_model": BaseModelSlice,
    "instruct_model": InstructModelSlice,
    "documents": DocumentsSlice,
    "clean_shards": CleanShardsSlice,
    "clean_shards_shard": CleanShardsShardSlice,
    "relevance_model": RelevanceModelSlice,
    "unique_shards": UniqueShardsSlice,
    "corpus_split": CorpusSplitSlice,
    "pt_tokens": PtTokensSlice,
    "pt_adapter": PtAdapterSlice,
    "merged_model": MergedModelSlice,
    "instruct_residual": InstructResidualSlice,
    "sft_dataset": SftDatasetSlice,
    "sft_tokens": SftTokensSlice,
    "sft_adapter": SftAdapterSlice,
    "eval_results": EvalResultsSlice,
    "eval_report": EvalReportSlice,
}
