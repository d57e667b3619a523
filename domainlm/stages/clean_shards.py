"""clean_shards: documents normalised, and the unreadable ones rejected by counted rules.

In: a shard of `documents`. Out: `documents.parquet` in the same order, `rejected.jsonl` with rule, value and threshold,
`stats.json`. Instruction and evaluation texts are normalised only. Memory: one row group.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from domainlm.config import CleanShards
from domainlm.stage import Inputs, Resources, StageError, Stats
from domainlm.text.cleaning.clean import failure_of, normalised_document
from domainlm.text.document import Document, read_documents, write_documents
from domainlm.text.json_files import open_rows, read_json, summed, write_json, write_row


def run_shard(inputs: Inputs, config: Mapping[str, Any], out: Path, scratch: Path, resources: Resources) -> Stats:
    section = CleanShards.model_validate(config["section"])
    source_folder = inputs.path("documents")
    total = read_json(source_folder / "stats.json")["documents"]
    rejected: Counter[str] = Counter()
    counts: dict[str, Counter[str]] = {
        name: Counter() for name in ("input_by_source", "documents_by_source", "documents_by_role", "chars_by_source")
    }
    with open_rows(out / "rejected.jsonl") as rejected_file:

        def kept() -> Iterator[Document]:
            for done, read in enumerate(read_documents(source_folder / "documents.parquet")):
                if done % 1000 == 0:
                    resources.progress(done, total, {})
                document = normalised_document(read)
                counts["input_by_source"][document.source] += 1
                failure = failure_of(document, section)
                if failure is not None:
                    rejected[failure.reason] += 1
                    row = {"id": document.id, "source": document.source, "path": document.path}
                    rule = {"reason": failure.reason, "value": failure.value, "threshold": failure.threshold}
                    write_row(rejected_file, {**row, "section": document.section, **rule})
                    continue
                counts["documents_by_source"][document.source] += 1
                counts["documents_by_role"][document.role] += 1
                counts["chars_by_source"][document.source] += len(document.text)
                yield document

        count = write_documents(out / "documents.parquet", kept())
    stats = {"input": count + sum(rejected.values()), "documents": count, "rejected": rejected, **counts}
    write_json(out / "stats.json", stats)
    return {"input": stats["input"], "documents": count}


def run(inputs: Inputs, config: Mapping[str, Any], out: Path, scratch: Path, resources: Resources) -> Stats:
    stats = summed(read_json(folder / "stats.json") for _, folder in sorted(inputs.folders.items()))
    if not stats["documents_by_role"].get("corpus"):
        raise StageError(
            f"no corpus document of {stats['input']} documents is left after cleaning; rejected by rule: "
            f"{stats['rejected'] or 'none'}; see clean_shards/*/rejected.jsonl and relax the rule that rejects most, "
            f"for example clean_shards.min_chars (now {config['section']['min_chars']})"
        )
    write_json(out / "stats.json", stats)
    return {"input": stats["input"], "documents": stats["documents"]}
