"""Mutations of the package: statements, where they stand, borders of modules, and what is only wording."""

from __future__ import annotations

from material.mutation import ALL, EXTRA, NOTHING, Rebuilt, Row
from material.tree_changes import (
    append,
    both,
    edit,
    every_module,
    formatted_anew,
    known,
    overwritten,
    touched,
)

SEGMENTS = "domainlm/raw/segments.py"
# a module that torchrun would start by its name, declared in the stage table
LAUNCHED = both(
    append("domainlm/models/worker.py", '"""One process of several."""\nimport domainlm.models.worker_part\n'),
    append("domainlm/models/worker_part.py", '"""What it alone imports."""\n'),
    edit(
        "domainlm/pipeline/table.py",
        r'("pt_adapter",\n        "pretraining",\n.*?)launched=\(TRAINING_WORKER,\)',
        r'\1launched=(TRAINING_WORKER, "domainlm.models.worker")',
    ),
)

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
        edit("domainlm/config/training.py", r'16, ge=1, description="rank', '16, ge=2, description="rank'),
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
        edit("domainlm/config/training.py", r'description="rank of an adapter"', 'description="an adapter\'s rank"'),
    ),
    Row(
        "memory in the stage table",
        NOTHING,
        edit("domainlm/pipeline/table.py", r"memory_mb=2000", "memory_mb=4000"),
    ),
]
