"""Sections of the stages from raw files to split corpus, without cleaning."""

from __future__ import annotations

from pydantic import Field

from domainlm.config.section import Share, Slice, Strict, derived, own


class Documents(Strict):
    max_file_bytes: int = Field(
        64_000_000, ge=1, description="maximum size of a file whose format is not streamed, in bytes"
    )
    min_charset_score: Share = Field(0.5, description="minimum confidence in a detected character set")
    text_field: str = Field("text", description="records: the field that holds the text (a.b: field b of object a)")
    title_field: str = Field("title", description="records: the field that holds the title")
    meta_fields: list[str] = Field([], description="records: fields that are kept in a document's meta")
    group_field: str | None = Field(
        None,
        description="records: field whose values are groups of the split, across files (null: records of one title are one)",
    )
    min_instruction_share: Share = Field(
        0.5,
        description="minimum share of an instruction source's rows that must be conversations; less stops the build",
    )
    max_record_chars: int = Field(
        1_000_000,
        ge=1000,
        description="records: maximum characters of title, messages and meta fields together; unlike the text, they are not cut",
    )
    max_section_chars: int = Field(12_000, ge=200, description="longer documents are cut at headings or paragraphs")
    group_depth: int = Field(4, ge=1, description="obo: depth below the root at which a subtree is one split group")
    max_seconds: float = Field(
        60.0,
        gt=0,
        description="every format but obo (mediawiki: an article): CPU seconds without reading new bytes or returning a text",
    )
    max_memory_mb: int = Field(
        800, ge=50, description="every format but obo (mediawiki: an article): memory that a reader may use, in MB"
    )


class RelevanceModel(Strict):
    threshold: Share = Field(
        0.5, description="minimum relevance of a corpus document, from 0 (like general text) to 1 (like the seeds)"
    )
    ngrams: int = Field(2, ge=1, le=5, description="longest n-gram that is a feature, in words (CJK: characters)")
    feature_bits: int = Field(18, ge=8, le=24, description="number of hashed features, as a power of 2")
    max_chars: int = Field(2_000, ge=50, description="characters at the start of a document that the model reads")
    max_documents: int = Field(
        3_000, ge=20, description="maximum number of seed documents, and of general documents, to learn from"
    )
    min_documents: int = Field(20, ge=4, description="minimum number of seed documents, and of general documents")
    held_out_share: float = Field(
        0.2, gt=0, le=0.5, description="share of each kind held out, in whole groups, to measure precision and recall"
    )


class UniqueShards(Strict):
    permutations: int = Field(112, ge=16, description="MinHash permutations")
    threshold: Share = Field(0.8, description="minimum Jaccard similarity of near duplicates")
    shingle_words: int = Field(
        5,
        ge=1,
        description="words and telling signs in a shingle (CJK: characters; Thai, Lao, Khmer, Burmese, Tibetan: syllables)",
    )
    evaluation_threshold: Share = Field(
        0.5,
        description="minimum share of a document's shingles in an evaluation set by which the document is subtracted",
    )
    max_line_documents: int | None = Field(
        None,
        ge=1,
        description="a line in more documents of a source than this is boilerplate and is removed (null: no line is removed)",
    )


class CorpusSplit(Strict):
    validation_share: Share = Field(
        0.04, description="share of the corpus documents held out for validation, in whole groups"
    )
    test_share: Share = Field(0.06, description="share of the corpus documents held out for testing, in whole groups")
    min_documents: int = Field(20, ge=3, description="minimum number of corpus documents")
    max_train_tokens: int | None = Field(100_000, ge=1, description="token budget of training text (null: no limit)")
    replay_share: float = Field(0.10, ge=0, le=0.9, description="share of general text among the training tokens")
    general_held_out_share: Share = Field(0.3, description="share of general articles held out to measure forgetting")


class DocumentsSlice(Slice):
    section: Documents


class RelevanceModelSlice(Slice):
    section: RelevanceModel
    seed: int = own("seed")


class UniqueShardsSlice(Slice):
    section: UniqueShards


class CorpusSplitSlice(Slice):
    section: CorpusSplit
    seed: int = own("seed")
    has_corpus: bool = derived("sources", True)
    # both stages use the same measure for repeated text
    evaluation_threshold: float = own("unique_shards.evaluation_threshold")
    shingle_words: int = own("unique_shards.shingle_words")
