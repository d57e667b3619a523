"""The table of mutations: changes to a project, and what each must build again. Written before it is run.

Each row names the artifacts whose own action changes (code digest, configuration slice, versions, names of inputs): they
are built *again*. What *follows* from them by `INPUTS` is built only if bytes upstream change, and everything else stays
the *same*. A row that is also `rebuilt` for real says which artifacts' bytes differ afterwards.
tests/pipeline/test_mutations.py asks a real project for its keys; test_mutations_rebuilt.py runs snakemake;
docs/make_soundness.py prints the page.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from material.tree_changes import (
    CONFIG,
    TINY,
    Change,
    append,
    both,
    edit,
    every_module,
    formatted_anew,
    keys_in_another_order,
    knob,
    known,
    moved,
    nothing,
    overwritten,
    pins_in_another_order,
    removed,
    replaced_by_link,
    touched,
    written_again,
)

# the stage graph of the default configuration, written here a second time so that the stage table is judged by it
INPUTS = {
    "raw_corpus": "",
    "base_model": "",
    # in the table, but part of no domain without sft_adapter.relay: instruct_residual
    "instruct_model": "base_model",
    "documents": "raw_corpus",
    "clean_shards": "documents",
    # in the table, but needed by nothing without a source of role seed
    "relevance_model": "clean_shards",
    "unique_shards": "clean_shards",
    "corpus_split": "unique_shards base_model",
    "pt_tokens": "corpus_split base_model",
    "pt_adapter": "pt_tokens base_model",
    "merged_model": "pt_adapter pt_tokens base_model",
    # likewise
    "instruct_residual": "merged_model base_model instruct_model",
    "sft_dataset": "corpus_split",
    "sft_tokens": "sft_dataset base_model",
    "sft_adapter": "sft_tokens merged_model",
    "eval_results": "base_model corpus_split merged_model sft_dataset sft_adapter",
    "eval_report": "raw_corpus base_model documents clean_shards unique_shards corpus_split pt_tokens pt_adapter merged_model "
    "sft_dataset sft_tokens sft_adapter eval_results",
}
ARTIFACTS = tuple(INPUTS)
ALL = " ".join(ARTIFACTS)
NOTHING = ""
TORCH = "base_model instruct_model pt_adapter merged_model instruct_residual sft_adapter eval_results"
SEEDED = "relevance_model corpus_split pt_adapter sft_dataset sft_adapter eval_results"


@dataclass(frozen=True)
class Rebuilt:
    """A real build of `target` after the change: artifacts whose bytes differ afterwards."""

    changed: str = NOTHING
    target: str = "eval_report"
    cores: int = 1


@dataclass(frozen=True)
class Row:
    """One change and what it builds again.

    given: a change made before. domain: whose keys are asked for. python: an interpreter's version, for its code digests.
    """

    name: str
    again: str
    change: Change
    given: Change = nothing
    domain: str = "medical"
    environment: dict[str, str] = field(default_factory=dict)
    python: str = ""
    rebuilt: Rebuilt | None = None


def following(artifacts: set[str]) -> set[str]:
    """Everything that is made from these artifacts, directly or not; without themselves."""
    found = set(artifacts)
    for name, inputs in INPUTS.items():
        if found & set(inputs.split()):
            found.add(name)
    return found - artifacts


def needed_for(target: str) -> set[str]:
    """An artifact and everything that it is made from."""
    found = {target}
    for name in reversed(ARTIFACTS):
        if name in found:
            found |= set(INPUTS[name].split())
    return found


def built_again(row: Row) -> set[str]:
    """What a real build runs: what the change reaches itself, and what has an input whose bytes changed."""
    assert row.rebuilt is not None
    changed = set(row.rebuilt.changed.split())
    reached = set(row.again.split()) | {name for name, inputs in INPUTS.items() if changed & set(inputs.split())}
    return reached & set.union(*map(needed_for, row.rebuilt.target.split()))


STYLE = "data/instruction/style.jsonl"
CORPUS = "data/tiny/corpus"
MODEL = "data/tiny/model"
SEGMENTS = "domainlm/raw/segments.py"
EXTRA = "EXTRA = 1\n"
# a module that torchrun would start by its name, declared in the stage table
LAUNCHED = both(
    append("domainlm/models/worker.py", '"""One process of several."""\nimport domainlm.models.worker_part\n'),
    append("domainlm/models/worker_part.py", '"""What it alone imports."""\n'),
    edit(
        "domainlm/pipeline/table.py",
        r'("pt_adapter",\n        "pretraining",\n)',
        r'\1        launched=("domainlm.models.worker",),\n',
    ),
)
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
HUB = edit(TINY, r"local: data/tiny/model", f"hub: {{repository: a/b, revision: {'a' * 40}}}")

CODE = [
    Row("statement in a stage's own module", "clean_shards", append("domainlm/stages/clean_shards.py", EXTRA)),
    Row("statement in an imported module", "unique_shards", append("domainlm/text/repeats/duplicates.py", EXTRA)),
    Row(
        "statement in the training module of both adapters",
        "pt_adapter sft_adapter",
        append("domainlm/training/train.py", EXTRA),
        domain="tiny",
        rebuilt=Rebuilt(target="sft_adapter"),
    ),
    Row(
        "statement in a module imported inside a function",
        "eval_results",
        append("domainlm/evaluation/scoring.py", EXTRA),
    ),
    Row("constant", "raw_corpus", edit(SEGMENTS, r'"\.ndjson": "jsonl"', '".ndjson": "txt"')),
    Row("operator", "raw_corpus", edit(SEGMENTS, r"size <= segment_bytes", "size < segment_bytes")),
    Row(
        "operator, with time and size kept, in place",
        "raw_corpus",
        overwritten(SEGMENTS, b"size <= segment_bytes", b"size >= segment_bytes", is_in_place=True),
        given=known,
    ),
    Row(
        "default of an argument",
        "documents clean_shards",
        edit("domainlm/raw/charset.py", r"bool = False", "bool = True"),
    ),
    Row(
        "renamed local variable",
        "raw_corpus",
        edit(SEGMENTS, r"\(p(, path\)) for p in include\b", r"(q\1 for q in include"),
        domain="tiny",
        rebuilt=Rebuilt(target="sft_adapter"),
    ),
    Row(
        "renamed function",
        "raw_corpus",
        both(
            *(
                edit(f"domainlm/raw/{name}.py", r"\bis_glob_of\b", "is_match_of", count=0)
                for name in ("segments", "labels")
            )
        ),
    ),
    Row(
        "annotation of an argument",
        "raw_corpus",
        edit(SEGMENTS, r"format_of\(path: str", "format_of(path: object"),
    ),
    Row(
        "import of another module",
        "pt_tokens",
        append("domainlm/stages/pt_tokens.py", "import domainlm.text.reading.html\n"),
        domain="tiny",
        rebuilt=Rebuilt(target="pt_adapter"),
    ),
    Row("module launched by torchrun, newly declared", "pt_adapter", LAUNCHED),
    Row(
        "statement in a module launched by torchrun",
        "pt_adapter",
        append("domainlm/models/worker.py", EXTRA),
        given=LAUNCHED,
    ),
    Row(
        "statement in what only a launched module imports",
        "pt_adapter",
        append("domainlm/models/worker_part.py", EXTRA),
        given=LAUNCHED,
    ),
    Row(
        "package data: the report's template",
        "eval_report",
        append("domainlm/report/report.html.jinja", "<!-- end -->\n"),
        domain="tiny",
        rebuilt=Rebuilt(changed="eval_report"),
    ),
    Row(
        "package data, newly declared",
        "documents",
        both(
            append("domainlm/text/words.txt", "word\n"),
            edit(
                "domainlm/pipeline/table.py",
                r'("documents",\n        "text",\n)',
                r'\1        package_data=("domainlm/text/words.txt",),\n',
            ),
        ),
    ),
    Row(
        "statements outside every stage",
        NOTHING,
        both(
            *(
                append(f"domainlm/{name}.py", EXTRA)
                for name in ("builder/build", "cli", "sources/fetch", "workflow/prepare", "store/install")
            )
        ),
    ),
    Row("module that nobody imports", NOTHING, append("domainlm/text/new.py", EXTRA)),
]

NEW = "domainlm/text/new.py"
SPLIT = "domainlm/stages/corpus_split.py"
PLACES = [
    Row("statement in a package above", ALL, append("domainlm/__init__.py", '__version__ = "9.9.9"\n')),
    Row(
        "statement in a package's own file",
        "base_model instruct_model pt_tokens pt_adapter merged_model instruct_residual sft_tokens sft_adapter eval_results",
        append("domainlm/models/__init__.py", EXTRA),
    ),
    Row(
        "module whose name begins like the configuration's",
        "corpus_split",
        append("domainlm/configured.py", EXTRA),
        given=both(
            append("domainlm/configured.py", "class Section:\n    size: int = 3\n"),
            append(SPLIT, "from domainlm.configured import Section\n\n\ndef said(x: Section) -> None: ...\n"),
        ),
    ),
    Row(
        "module that is replaced by a package of its name",
        "corpus_split",
        append("domainlm/text/new/__init__.py", EXTRA),
        given=both(append(NEW, "A = 1\n"), append(SPLIT, "from domainlm.text import new\n")),
    ),
    Row(
        "module that a relative import of everything may take",
        "corpus_split",
        append(NEW, EXTRA),
        given=append(SPLIT, "from ..text import *\n"),
    ),
    Row(
        "module that a text names",
        "corpus_split",
        append(NEW, EXTRA),
        given=both(append(NEW, "A = 1\n"), append(SPLIT, 'WORKER = "domainlm.text.new"\n')),
    ),
    Row(
        "function of the configuration models, which a stage calls",
        "corpus_split",
        append("domainlm/config/sources.py", EXTRA),
        given=append(SPLIT, "from domainlm.config.sources import _label\nprint(_label('a'))\n"),
    ),
    Row(
        "method of a section of the configuration",
        "documents relevance_model unique_shards corpus_split",
        edit("domainlm/config/text.py", r"return 3", "return 4"),
        given=append("domainlm/config/text.py", "\n    def limit(self):\n        return 3\n"),
    ),
    Row(
        "bound of a knob",
        NOTHING,
        edit("domainlm/config/pretraining.py", r'16, ge=1, description="LoRA', '16, ge=2, description="LoRA'),
    ),
]

# module borders are cache borders: what is read and what is written, what computes and what is handed
BORDERS = [
    Row(
        "a statement that runs where the contract is imported",
        ALL,
        append("domainlm/contract.py", "import random\nrandom.seed(3)\n"),
    ),
    Row(
        "another base of the stages' error",
        "base_model instruct_model documents clean_shards relevance_model unique_shards corpus_split pt_tokens pt_adapter "
        "merged_model instruct_residual sft_dataset sft_tokens sft_adapter eval_results raw_corpus",
        edit("domainlm/contract.py", r"StageError\(Exception\)", "StageError(OSError)"),
    ),
    Row(
        "helper in the module of JSON rows",
        "raw_corpus documents clean_shards unique_shards corpus_split sft_dataset eval_results eval_report",
        append("domainlm/text/json_rows.py", "def first(rows):\n    return next(rows)\n"),
    ),
    Row(
        "how rows are packed",
        "pt_tokens sft_tokens",
        append("domainlm/tokens/files.py", EXTRA),
        domain="tiny",
        rebuilt=Rebuilt(target="sft_adapter"),
    ),
    Row(
        "how a held-out group is chosen",
        "relevance_model corpus_split sft_dataset eval_report",
        append("domainlm/text/split.py", EXTRA),
    ),
    Row(
        "a pattern of personal data, which is masked in lists of rejected documents, too",
        "documents clean_shards relevance_model unique_shards",
        append("domainlm/text/cleaning/pii.py", EXTRA),
    ),
    Row(
        "a field more of what a stage is granted",
        NOTHING,
        edit("domainlm/contract.py", r"    threads: int = 1\n", "    threads: int = 1\n    devices: int = 0\n"),
    ),
    Row(
        "another default of what a stage is granted",
        NOTHING,
        edit("domainlm/contract.py", r"checkpoint_seconds: float = 60\.0", "checkpoint_seconds: float = 30.0"),
    ),
    Row(
        "a method of what a stage is granted",
        ALL,
        edit(
            "domainlm/contract.py",
            r"    threads: int = 1\n",
            "    threads: int = 1\n\n    def twice(self):\n        return 2\n",
        ),
    ),
]

WORDING = [
    Row(
        "comment in a module of many stages",
        NOTHING,
        append("domainlm/text/json_files.py", "# a reason\n"),
        domain="tiny",
        rebuilt=Rebuilt(),
    ),
    Row(
        "comment in a launched module",
        NOTHING,
        append("domainlm/models/worker.py", "# why\n"),
        given=LAUNCHED,
    ),
    Row("docstring of a module", NOTHING, edit("domainlm/text/json_files.py", r'\A"""', '"""Another sentence. ')),
    Row("docstring of a function", NOTHING, edit(SEGMENTS, r'"""Document format', '"""The format')),
    Row(
        "docstring of a class",
        NOTHING,
        edit("domainlm/tokens/rows.py", r'class PackedRows:\n    """', r"\g<0>All that "),
    ),
    Row("docstring of a package", NOTHING, edit("domainlm/stages/__init__.py", r'\A"""', '"""More. ')),
    Row(
        "every module reformatted",
        NOTHING,
        every_module(formatted_anew),
        domain="tiny",
        rebuilt=Rebuilt(),
    ),
    Row("line endings of another system", NOTHING, every_module(lambda text: text.replace(b"\n", b"\r\n"))),
    Row("byte order mark", NOTHING, every_module(lambda text: b"\xef\xbb\xbf" + text)),
    Row("times of every module", NOTHING, touched("domainlm", "*.py")),
    Row(
        "constant written in another form",
        NOTHING,
        edit("domainlm/raw/archives.py", r"10_000_000", "10000000"),
    ),
    Row(
        "version in pyproject.toml",
        NOTHING,
        edit("pyproject.toml", r'^version = "[^"]*"', 'version = "9.9.9"'),
    ),
    Row(
        "description of a knob",
        NOTHING,
        edit("domainlm/config/pretraining.py", r'description="LoRA rank"', 'description="rank of LoRA"'),
    ),
    Row(
        "memory in the stage table",
        NOTHING,
        edit("domainlm/pipeline/table.py", r"memory_mb=2000", "memory_mb=4000"),
    ),
]

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
    Row("base_model.chat_template", "base_model", knob("base_model", "chat_template", "plain")),
    Row("instruct_model.dtype", "instruct_model", knob("instruct_model", "dtype", "float32")),
    Row("instruct_residual.weight", "instruct_residual", knob("instruct_residual", "weight", "0.7")),
    Row("pt_tokens.sequence_length", "pt_tokens", knob("pt_tokens", "sequence_length", "256")),
    Row("pt_adapter.learning_rate", "pt_adapter", knob("pt_adapter", "learning_rate", "2e-3")),
    Row("merged_model.certificate_rows", "merged_model", knob("merged_model", "certificate_rows", "3")),
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
    Row("comment on a knob", NOTHING, edit(CONFIG, r"# LoRA rank", "# rank of LoRA")),
    Row(
        "another domain's file",
        NOTHING,
        append("config/domains/sklearn_docs.yaml", "seed: 3\n"),
    ),
    Row(
        "default in the model that the file states",
        NOTHING,
        edit("domainlm/config/pretraining.py", r"rank: int = Field\(16", "rank: int = Field(8"),
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

RAW_FILES = [
    Row(
        "byte of a raw file of conversations",
        "raw_corpus",
        edit(STYLE, "memorised", "memorized"),
        domain="tiny",
        rebuilt=Rebuilt(
            changed="raw_corpus documents clean_shards unique_shards corpus_split sft_dataset",
            target="sft_dataset pt_tokens",
        ),
    ),
    Row(
        "byte, with time and size kept, in place",
        "raw_corpus",
        overwritten(STYLE, b"memorised", b"memorized", is_in_place=True),
        given=known,
    ),
    Row(
        "byte, with time and size kept, in a new file",
        "raw_corpus",
        overwritten(STYLE, b"memorised", b"memorized", is_in_place=False),
        given=known,
    ),
    Row(
        "name of a raw file",
        "raw_corpus",
        moved(f"{CORPUS}/note0.txt", f"{CORPUS}/renamed.txt"),
        domain="tiny",
        rebuilt=Rebuilt(changed="raw_corpus documents", target="documents"),
    ),
    Row("time of a raw file", NOTHING, touched(CORPUS, "*"), domain="tiny", rebuilt=Rebuilt()),
    Row(
        "raw files written in another order",
        NOTHING,
        written_again(CORPUS),
        domain="tiny",
        rebuilt=Rebuilt(),
    ),
    Row("permissions of a raw file", NOTHING, lambda project: (project / STYLE).chmod(0o444)),
    Row("raw file replaced by a link to it", NOTHING, replaced_by_link(STYLE)),
    Row("new raw file", "raw_corpus", append(f"{CORPUS}/new.txt", "text"), domain="tiny"),
    Row("raw file removed", "raw_corpus", removed(f"{CORPUS}/note0.txt"), domain="tiny"),
    Row("hidden file beside raw files", NOTHING, append("data/instruction/.new.txt", "text")),
    Row(
        "folder moved as a whole",
        NOTHING,
        both(moved("data/instruction", "elsewhere"), edit(CONFIG, r"local: data/instruction", "local: elsewhere")),
    ),
    Row(
        "licence of a local source",
        "raw_corpus",
        edit(CONFIG, r"(  style:.*?licence: )Apache-2.0", r"\1MIT"),
        domain="tiny",
        rebuilt=Rebuilt(
            changed="raw_corpus documents clean_shards unique_shards corpus_split", target="pt_tokens sft_dataset"
        ),
    ),
    Row(
        "licence of a fetched source",
        "raw_corpus",
        edit(CONFIG, r"licence: CC-BY-SA-3.0", "licence: unknown"),
    ),
    Row(
        "authority of a fetched source",
        "raw_corpus",
        edit(CONFIG, r"authority: academic", "authority: media"),
    ),
    Row("role of a source", "raw_corpus", edit(TINY, r"role: evaluation", "role: replay"), domain="tiny"),
    Row("format of a fetched source", "raw_corpus", edit(CONFIG, r"format: mediawiki", "format: txt")),
    Row("digest of a fetched source", "raw_corpus", edit(CONFIG, r"(  hpo:.*?sha256: )\w{4}", r"\g<1>0000")),
    Row(
        "file excluded by a pattern",
        "raw_corpus",
        edit(TINY, r"local: data/tiny/corpus", "local: data/tiny/corpus, exclude: [note0.txt]"),
        domain="tiny",
    ),
    Row(
        "pattern that excludes nothing",
        NOTHING,
        edit(TINY, r"local: data/tiny/corpus", "local: data/tiny/corpus, exclude: [none.txt]"),
        domain="tiny",
    ),
]

BASE_MODEL = [
    Row("byte of tokenizer.json", "base_model", append(f"{MODEL}/tokenizer.json", " "), domain="tiny"),
    Row(
        "chat template",
        "base_model",
        edit(f"{MODEL}/chat_template.jinja", r"(<\|im_end\|>\n)", r"\1\n"),
        domain="tiny",
        rebuilt=Rebuilt(changed="base_model sft_tokens", target="pt_tokens sft_tokens"),
    ),
    Row(
        "byte of the base weights",
        "base_model",
        lambda project: (project / MODEL / "model.safetensors").open("r+b").write(b"\x01"),
        domain="tiny",
    ),
    Row(
        "the model's config.json",
        "base_model",
        edit(f"{MODEL}/config.json", r'"initializer_range": 0.02', '"initializer_range": 0.03'),
        domain="tiny",
    ),
    Row("new file in the model's folder", "base_model", append(f"{MODEL}/NOTICE", "text"), domain="tiny"),
    Row("times of the model's files", NOTHING, touched(MODEL, "*"), domain="tiny"),
    Row(
        "model's folder moved as a whole",
        NOTHING,
        both(moved(MODEL, "model_folder"), edit(TINY, r"local: data/tiny/model", "local: model_folder")),
        domain="tiny",
    ),
    Row(
        "licence of the base model",
        "base_model",
        edit(TINY, r"(data/tiny/model, licence: )CC0-1.0", r"\1MIT"),
        domain="tiny",
    ),
    Row(
        "digest of a fetched base model",
        "base_model",
        edit(CONFIG, r"(smollm2:.*?sha256: )\w{4}", r"\g<1>0000"),
    ),
    Row(
        "revision on the hub",
        "base_model",
        edit(TINY, "revision: a", "revision: b"),
        given=HUB,
        domain="tiny",
    ),
]

DEPENDENCIES = [
    Row(
        "version of one stage's distribution",
        "unique_shards",
        edit("envs/cpu.lock", r"^datasketch==\S+", "datasketch==9.9"),
    ),
    Row(
        "version of many stages' distribution",
        f"{TORCH} corpus_split pt_tokens sft_tokens",
        edit("envs/cpu.lock", r"^tokenizers==\S+", "tokenizers==9.9"),
    ),
    Row("version of torch", TORCH, edit("envs/torch.lock", r"^torch==\S+", "torch==9.9")),
    Row(
        "local build tag: torch for CPU",
        NOTHING,
        edit("envs/torch.lock", r"^(torch==\S+)", r"\1+cpu"),
        domain="tiny",
        rebuilt=Rebuilt(),
    ),
    Row(
        "local build tag: torch for CUDA",
        NOTHING,
        edit("envs/torch.lock", r"^(torch==\S+)", r"\1+cu130"),
    ),
    Row("local build tag: numpy", NOTHING, edit("envs/cpu.lock", r"^(numpy==\S+)", r"\1+mkl")),
    Row(
        "version of a distribution that no stage names",
        NOTHING,
        edit("envs/cpu.lock", r"^aiohttp==\S+", "aiohttp==9.9"),
    ),
    Row(
        "digest in a lock file",
        NOTHING,
        edit("envs/cpu.lock", r"(^datasketch==\S+.*?sha256:)\w{4}", r"\g<1>0000"),
    ),
    Row("order of the pins", NOTHING, pins_in_another_order),
    Row("GPU extra in the lock file", NOTHING, append("envs/gpu.lock", "bitsandbytes==9.9\n")),
    Row(
        "version of DeepSpeed in the GPU lock file",
        NOTHING,
        edit("envs/gpu.lock", r"^deepspeed==\S+", "deepspeed==9.9"),
    ),
    Row("other extras' lock file", NOTHING, append("envs/extras.lock", "s3fs==9.9\n")),
    Row(
        "pin in pyproject.toml alone",
        NOTHING,
        edit("pyproject.toml", r'"datasketch==[^"]*"', '"datasketch==9.9"'),
    ),
    Row(
        "distribution newly named in the stage table",
        "eval_report",
        edit("domainlm/pipeline/table.py", r'\("plotly", ', '("numpy", "plotly", '),
        domain="tiny",
        rebuilt=Rebuilt(),
    ),
]

ENVIRONMENT = [
    Row("Python 3.12", NOTHING, nothing, python="3.12"),
    Row("Python 3.13", NOTHING, nothing, python="3.13"),
    Row("Python 3.14", NOTHING, nothing, python="3.14"),
    Row("locale", NOTHING, nothing, environment={"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"}),
    Row("time zone", NOTHING, nothing, environment={"TZ": "Asia/Kathmandu"}),
    Row("hash seed", NOTHING, nothing, environment={"PYTHONHASHSEED": "7"}),
    Row(
        "cores and threads",
        NOTHING,
        nothing,
        domain="tiny",
        environment={"OMP_NUM_THREADS": "3"},
        rebuilt=Rebuilt(cores=2),
    ),
    Row("GPUs", NOTHING, nothing, environment={"CUDA_VISIBLE_DEVICES": "0,1"}),
    Row("home folder, user", NOTHING, nothing, environment={"HOME": "/nowhere", "USER": "somebody"}),
    Row("Python without assertions", NOTHING, nothing, environment={"PYTHONOPTIMIZE": "1"}),
    Row(
        "a variable of the libraries",
        NOTHING,
        nothing,
        environment={"HF_HOME": "/nowhere", "TOKENIZERS_PARALLELISM": "true"},
    ),
    Row("profile", NOTHING, append("profiles/local/config.yaml", "jobs: 3\n")),
    Row("rules", NOTHING, append("rules/text.smk", "# more\n")),
    Row("tests and documentation", NOTHING, both(append("tests/new.py", EXTRA), append("docs/new.md", "New\n"))),
    Row("DVC's configuration", NOTHING, append(".dvc/config", "# more\n")),
]

# at most 20 of a kind
KINDS = {
    "code": CODE,
    "where code stands": PLACES,
    "borders of modules": BORDERS,
    "wording": WORDING,
    "knobs of the text half": TEXT_KNOBS,
    "knobs of the model half": MODEL_KNOBS,
    "sources and policy": LABELLING,
    "configuration's form": FORM,
    "inputs": RAW_FILES,
    "base model": BASE_MODEL,
    "dependencies": DEPENDENCIES,
    "environment": ENVIRONMENT,
}
ROWS = [row for rows in KINDS.values() for row in rows]
