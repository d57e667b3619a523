"""Sections of the stages from raw files to the split corpus, but for cleaning."""

from __future__ import annotations

from pydantic import Field

from domainlm.config.section import Share, Slice, Strict, own


class Documents(Strict):
    max_file_bytes: int = Field(
        64_000_000, ge=1, description="larger files of formats that are not streamed are refused"
    )
    min_charset_score: Share = Field(0.5, description="least confidence in a guessed character set")
    text_field: str = Field("text", description="records: the field that holds the text (a.b: field b of object a)")
    title_field: str = Field("title", description="records: the field that holds the title")
    meta_fields: list[str] = Field([], description="records: fields kept in a document's meta")
    max_record_chars: int = Field(
        1_000_000,
        ge=1000,
        description="records: most characters of title, messages and meta fields together; unlike the text they are not cut",
    )
    max_section_chars: int = Field(12_000, ge=200, description="longer documents are cut at headings or paragraphs")
    group_depth: int = Field(4, ge=1, description="obo: depth below the root of the subtree that is the split group")
    max_seconds: float = Field(
        60.0,
        gt=0,
        description="every format but obo (mediawiki: an article): CPU seconds between two steps (new bytes read, texts given)",
    )
    max_memory_mb: int = Field(
        800, ge=50, description="every format but obo (mediawiki: an article): memory that a reader may take, in MB"
    )


class RelevanceModel(Strict):
    threshold: Share = Field(
        0.5, description="least relevance of a corpus document, from 0 (as general text) to 1 (as the seeds)"
    )
    ngrams: int = Field(2, ge=1, le=5, description="longest run of words that is a feature (CJK: characters)")
    feature_bits: int = Field(18, ge=8, le=24, description="hashed features are 2 to this power")
    max_chars: int = Field(2_000, ge=50, description="characters at the start of a document that are looked at")
    max_documents: int = Field(3_000, ge=20, description="most seed and most general documents that are learned from")
    min_documents: int = Field(20, ge=4, description="fewest seed and fewest general documents")
    held_out_share: float = Field(
        0.2, gt=0, le=0.5, description="share of both kinds, in whole groups, that precision and recall are measured on"
    )


class UniqueShards(Strict):
    permutations: int = Field(112, ge=16, description="MinHash permutations")
    threshold: Share = Field(0.8, description="Jaccard similarity from which two documents are near-duplicates")
    shingle_words: int = Field(5, ge=1, description="words in a shingle (CJK: characters)")
    evaluation_threshold: Share = Field(
        0.5, description="share of a document's shingles found in an evaluation set from which it is subtracted"
    )
    max_line_documents: int | None = Field(
        None,
        ge=1,
        description="a line in more documents of a source than this is boilerplate and removed (null: lines stay)",
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
    # a text repeats another one by the same measure in both stages
    evaluation_threshold: float = own("unique_shards.evaluation_threshold")
    shingle_words: int = own("unique_shards.shingle_words")
