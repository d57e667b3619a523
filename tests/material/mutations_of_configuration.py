"""Mutations of the configuration: knobs, what is said of sources, and its form."""

from __future__ import annotations

from material.mutation import NOTHING, Rebuilt, Row
from material.tree_changes import (
    CONFIG,
    TINY,
    append,
    both,
    edit,
    keys_in_another_order,
    knob,
)

SEEDED = "relevance_model corpus_split pt_adapter sft_dataset sft_adapter eval_results"
LABELS = "data/labels.csv"
LABEL_TABLE = both(
    append(LABELS, "path,stance\nstyle.jsonl,neutral\n"),
    edit(CONFIG, r"^    local: data/instruction", f"    local: data/instruction\n    label_table: {LABELS}"),
)
WORDS = "data/words.txt"
WORD_LIST = both(
    append(WORDS, "buy now\n"),
    edit(CONFIG, r"word_lists: \{\}", f"word_lists: {{adverts: {{file: {WORDS}}}}}"),
)
INSTRUCT = edit(CONFIG, r"^  style:", "  chat: {role: instruct_model, local: data/instruction}\n  style:")

TEXT_KNOBS = [
    Row("raw_corpus.shards", "raw_corpus documents clean_shards", knob("raw_corpus", "shards", "3")),
    Row("documents.max_section_chars", "documents", knob("documents", "max_section_chars", "9000")),
    Row("documents.group_field", "documents", knob("documents", "group_field", "patient")),
    Row(
        "clean_shards.max_chars, which rejects nothing either way",
        "clean_shards",
        knob("clean_shards", "max_chars", "200001"),
        domain="tiny",
        rebuilt=Rebuilt(target="unique_shards"),
    ),
    Row("relevance_model.ngrams", "relevance_model", knob("relevance_model", "ngrams", "3")),
    Row("unique_shards.threshold", "unique_shards", knob("unique_shards", "threshold", "0.7")),
    Row(
        "corpus_split.general_held_out_share",
        "corpus_split",
        knob("corpus_split", "general_held_out_share", "0.6"),
        domain="tiny",
        rebuilt=Rebuilt(changed="corpus_split", target="corpus_split"),
    ),
]

MODEL_KNOBS = [
    Row("base_model.dtype", "base_model", knob("base_model", "dtype", "float32")),
    Row("base_model.added_tokens", "base_model", knob("base_model", "added_tokens", "[angiotensinogen]")),
    Row("base_model.chat_template", "base_model", knob("base_model", "chat_template", "plain")),
    Row("pt_tokens.sequence_length", "pt_tokens", knob("pt_tokens", "sequence_length", "256")),
    Row("pt_adapter.learning_rate", "pt_adapter", knob("pt_adapter", "learning_rate", "2e-3")),
    Row("pt_adapter.method", "pt_adapter", knob("pt_adapter", "method", "rslora")),
    Row("sft_dataset.max_answer_chars", "sft_dataset", knob("sft_dataset", "max_answer_chars", "200")),
    Row("sft_dataset.has_derived_questions", "sft_dataset", knob("sft_dataset", "has_derived_questions", "false")),
    Row("sft_tokens.long_conversations", "sft_tokens", knob("sft_tokens", "long_conversations", "cut")),
    Row(
        "sft_tokens.system_prompt, which evaluation uses, too; whether there is one matters to the checkpoints",
        "base_model instruct_model sft_tokens eval_results",
        knob("sft_tokens", "system_prompt", "null"),
    ),
    Row(
        "sft_adapter.warmup_share",
        "sft_adapter",
        knob("sft_adapter", "warmup_share", "0.5"),
        domain="tiny",
        rebuilt=Rebuilt(changed="sft_adapter", target="sft_adapter"),
    ),
    Row("eval_results.max_choices", "eval_results", knob("eval_results", "max_choices", "40")),
    Row("eval_results.compare", "eval_results", knob("eval_results", "compare", "[sklearn_docs]")),
    Row(
        "eval_report.title",
        "eval_report",
        knob("eval_report", "title", "Medicine"),
        domain="tiny",
        rebuilt=Rebuilt(changed="eval_report"),
    ),
    Row("seed", SEEDED, edit(CONFIG, r"^seed: 17", "seed: 18")),
    Row("language", "sft_dataset", edit(CONFIG, r"^language: en", "language: zh")),
    Row("name of the domain", "eval_report", edit(CONFIG, r"^domain: medical", "domain: medicine")),
]

# which models there are, and what they start from
CHAIN_KNOBS = [
    Row("instruct_model.dtype", "instruct_model", knob("instruct_model", "dtype", "float32")),
    Row("instruct_residual.weight", "instruct_residual", knob("instruct_residual", "weight", "0.7")),
    Row(
        "sft_adapter.method: full, whose artifact is the model",
        "sft_adapter eval_results eval_report",
        knob("sft_adapter", "method", "full"),
    ),
    Row("merged_model.certificate_rows", "merged_model", knob("merged_model", "certificate_rows", "3")),
    Row(
        "sft_adapter.relay, which chooses inputs",
        "sft_adapter eval_results eval_report",
        knob("sft_adapter", "relay", "none"),
    ),
    Row("sources: an instruct model, which no relay asks for", NOTHING, INSTRUCT),
    Row(
        "sft_adapter.relay: instruct_residual, by whose chat template conversations are written",
        "base_model instruct_model sft_tokens sft_adapter eval_results eval_report",
        knob("sft_adapter", "relay", "instruct_residual"),
        given=INSTRUCT,
    ),
]

# what is said of the sources, and of what their text may be
LABELLING = [
    Row("raw_corpus.max_archive_depth", "raw_corpus", knob("raw_corpus", "max_archive_depth", "2")),
    Row("sources: another name", "raw_corpus", edit(CONFIG, r"^  style:", "  manner:")),
    Row(
        "sources.*.labels",
        "raw_corpus",
        edit(
            CONFIG,
            r"^    local: data/instruction",
            "    local: data/instruction\n    labels: [{pattern: '**', stance: neutral}]",
        ),
    ),
    Row("sources.*.label_table: a cell", "raw_corpus", edit(LABELS, "neutral", "plain"), given=LABEL_TABLE),
    Row(
        "sources.*.copy",
        "raw_corpus",
        edit(CONFIG, r"^    local: data/instruction", "    local: data/instruction\n    copy: true"),
    ),
    Row(
        "sources: the first examples for relevance_model, which chooses inputs",
        "raw_corpus unique_shards eval_report",
        edit(CONFIG, r"^  style:", "  seeds: {role: seed, local: data/instruction}\n  style:"),
    ),
    Row("policy", "clean_shards", edit(CONFIG, r"^policy: \[\]", "policy: [{use: [pt, sft, evaluation]}]")),
    Row("clean_shards.word_lists: a word in a file", "clean_shards", append(WORDS, "limited offer\n"), given=WORD_LIST),
    Row("clean_shards.word_lists: a comment in a file", NOTHING, append(WORDS, "# what they say\n"), given=WORD_LIST),
]

FORM = [
    Row(
        "sources.*.label_table: another column, which is empty",
        NOTHING,
        edit(LABELS, r"stance\nstyle.jsonl,neutral", "stance,licence\nstyle.jsonl,neutral,"),
        given=LABEL_TABLE,
    ),
    Row(
        "policy: a pattern written as a list of one",
        NOTHING,
        edit(CONFIG, r"stance: x", "stance: [x]"),
        given=edit(CONFIG, r"^policy: \[\]", "policy: [{where: {stance: x}, use: []}, {use: [pt, sft, evaluation]}]"),
    ),
    Row("number written in another form", NOTHING, knob("pt_adapter", "learning_rate", "1e-3")),
    Row(
        "order of keys, comments, quotes",
        NOTHING,
        keys_in_another_order,
        domain="tiny",
        rebuilt=Rebuilt(),
    ),
    Row("default omitted", NOTHING, edit(CONFIG, r"  min_chars:[^\n]*\n", "")),
    Row(
        "default written out in the domain's file",
        NOTHING,
        append(TINY, "clean_shards: {min_chars: 40}\n"),
        domain="tiny",
    ),
    Row(
        "value moved to the domain's file",
        NOTHING,
        both(edit(CONFIG, r"^(  min_chars: )40", r"\g<1>39"), append(TINY, "clean_shards: {min_chars: 40}\n")),
        domain="tiny",
    ),
    Row(
        "value that the domain's file overrides",
        NOTHING,
        knob("pt_tokens", "sequence_length", "256"),
        domain="tiny",
    ),
    Row("comment on a knob", NOTHING, edit(CONFIG, r"# rank of an adapter", "# an adapter's rank")),
    Row(
        "another domain's file",
        NOTHING,
        append("config/domains/sklearn_docs.yaml", "seed: 3\n"),
    ),
    Row(
        "default in the model that the file states",
        NOTHING,
        edit("domainlm/config/training.py", r"rank: int = Field\(16", "rank: int = Field(8"),
    ),
    Row(
        "default in the model that the file omits",
        "clean_shards",
        edit("domainlm/config/cleaning.py", r"(    min_chars: int = Field\(\s*)40", r"\g<1>50"),
        given=edit(CONFIG, r"  min_chars:[^\n]*\n", ""),
    ),
    Row(
        "new knob in the model",
        "clean_shards",
        edit("domainlm/config/cleaning.py", r"(class CleanShards\(Strict\):\n)", r"\1    is_new: bool = True\n"),
    ),
    Row(
        "allowed range of a knob",
        NOTHING,
        edit("domainlm/config/cleaning.py", r"(max_chars: int = Field\(200_000, ge=)1", r"\g<1>2"),
    ),
]
