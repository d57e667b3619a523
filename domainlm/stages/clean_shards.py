"""Artifact `clean_shards`: normalised documents that policy and cleaning rules accept.

In: a shard of `documents`. Out: `documents.parquet` in the same order, with language and use; `rejected.jsonl` with
rule, value and threshold; `stats.json`; of all shards together also `examples.jsonl`, a few rejected ones of every
kind. The policy is applied first, so that text without a permitted use costs nothing. If it has no verdict on a
document, the build stops after every shard is counted, so that the message lists all missing verdicts; likewise if
too little was taken of a source of instruction data, or no record has the group field, as the shards of `documents`
have counted. Memory: one row group.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from domainlm.config.cleaning import CleanShardsShardSlice, CleanShardsSlice
from domainlm.contract import Inputs, Resources, StageError, Stats
from domainlm.text.cleaning.clean import cleaned, rules_of
from domainlm.text.cleaning.excerpt import masked_excerpt, masked_place
from domainlm.text.cleaning.plain import Failure
from domainlm.text.document import Document, read_documents, write_documents
from domainlm.text.examples import examples_of
from domainlm.text.group_field import check_groups
from domainlm.text.instruction_share import check_instruction
from domainlm.text.json_files import read_json, write_json
from domainlm.text.json_rows import open_rows, rows_of, write_row
from domainlm.text.order import canonical_key
from domainlm.text.policy import WHERE, Policy, rule_in_words
from domainlm.text.sums import summed
from domainlm.text.tally import Tally

NO_VERDICT = "no_verdict"
# text that may be used for nothing is not to be quoted either
UNQUOTED = ("policy", NO_VERDICT)
SHOWN_COMBINATIONS = 20


def is_numbered(document: Document) -> bool:
    """Whether a document is a record without byte offsets.

    Such a record (a row of Parquet) has its number as section, in order.
    """
    return document.start < 0 and document.group != document.path


def in_canonical_order(found: Iterable[tuple[Document, Document]]) -> Iterator[Document]:
    """Clean documents in canonical order, although cleaning changes sections.

    Each is given with the document that was read. Memory: the documents of one place in a file, which the section
    orders; of numbered ones, one record.
    """

    def place(each: tuple[Document, Document]) -> tuple[str | int, ...]:
        read = each[0]
        return (*canonical_key(read)[:3], read.section if is_numbered(read) else "")

    for _, group in itertools.groupby(found, key=place):
        yield from sorted((document for _, document in group), key=canonical_key)


def run_shard(inputs: Inputs, config: CleanShardsShardSlice, out: Path, scratch: Path, resources: Resources) -> Stats:
    section = config.section
    policy_rules = config.policy
    policy, rules, tally = Policy(policy_rules), rules_of(section), Tally()
    source_folder = inputs.folders["documents"]
    read_stats = read_json(source_folder / "stats.json")
    total = read_stats["documents"]
    without_verdict: dict[str, int] = {}
    by_rule = {str(number): 0 for number in range(1, len(policy_rules) + 1)}
    with open_rows(out / "rejected.jsonl") as rejected_file:

        def reject(document: Document, reason: str, **found: Any) -> None:
            tally.add_rejected(document, reason)
            place = {"id": document.id, "source": document.source, "path": document.path}
            is_quoted = reason not in UNQUOTED
            place["section"] = masked_place(document.section) if is_quoted else ""
            excerpt = masked_excerpt(document.text) if is_quoted else ""
            write_row(rejected_file, {**place, "reason": reason, **found, "excerpt": excerpt})

        def kept() -> Iterator[tuple[Document, Document]]:
            for done, read in enumerate(read_documents(source_folder / "documents.parquet")):
                if done % 1000 == 0:
                    resources.progress(done, total, {})
                tally.add_input(read)
                labels = tuple(getattr(read, name) for name in WHERE)
                verdict = policy.verdict(labels)
                if verdict is None:
                    name = json.dumps([*labels, policy.why_no_verdict(labels)], ensure_ascii=False)
                    without_verdict[name] = without_verdict.get(name, 0) + 1
                    reject(read, NO_VERDICT, value=None, threshold=None)
                    continue
                if verdict.rule:
                    by_rule[str(verdict.rule)] += 1
                if not verdict.uses:
                    said = rule_in_words(verdict.rule, policy_rules[verdict.rule - 1])
                    reject(read, "policy", value=verdict.rule, threshold=None, detail=said)
                    continue
                read = replace(read, use=verdict.use)
                found = cleaned(read, rules)
                if isinstance(found, Failure):
                    reject(read, found.reason, value=found.value, threshold=found.threshold)
                    continue
                # a number is nobody's, whatever it looks like
                section = read.section if is_numbered(read) else found.document.section
                document = replace(found.document, language=found.language, section=section)
                tally.add_kept(document, found.han_share, found.counts)
                yield read, document

        count = write_documents(out / "documents.parquet", in_canonical_order(kept()))
    to_check = {"without_verdict": without_verdict, "instruction": read_stats.get("instruction", {})}
    to_check |= {"groups": read_stats["groups"]} if "groups" in read_stats else {}
    stats = {**tally.as_stats(), "decided_by_rule": by_rule, **to_check}
    write_json(out / "stats.json", stats)
    return {"input": stats["input"], "documents": count}


def check_verdicts(without_verdict: Mapping[str, int]) -> None:
    """Raises StageError that lists combinations of labels without a verdict.

    Those of most documents come first.
    """
    if not without_verdict:
        return
    most = sorted(without_verdict.items(), key=lambda item: (-item[1], item[0]))
    lines = []
    for name, count in most[:SHOWN_COMBINATIONS]:
        *labels, why = json.loads(name)
        described = ", ".join(f"{label} {value!r}" for label, value in zip(WHERE, labels, strict=True))
        lines.append(f"  {count} documents: {described}" + (f" ({why})" if why else ""))
    if len(most) > SHOWN_COMBINATIONS:
        lines.append(f"  and {len(most) - SHOWN_COMBINATIONS} more combinations")
    raise StageError(
        f"no rule of `policy` decides the use of {sum(without_verdict.values())} documents:\n"
        + "\n".join(lines)
        + "\nadd a rule for each to the domain's `policy`, for example "
        "`- {where: {source: NAME}, use: [pt, sft]}`, or `use: []` to reject them"
    )


def run(inputs: Inputs, config: CleanShardsSlice, out: Path, scratch: Path, resources: Resources) -> Stats:
    folders = [folder for _, folder in sorted(inputs.folders.items())]
    stats = summed(read_json(folder / "stats.json") for folder in folders)
    check_verdicts(stats.pop("without_verdict"))
    check_instruction(stats.pop("instruction"), config.min_instruction_share)
    check_groups(stats.pop("groups", {}))
    needed = "corpus" if config.has_corpus else "instruction"
    if not stats["documents_by_role"].get(needed):
        raise StageError(
            f"no {needed} document of {stats['input']} documents is left after cleaning; rejected by rule: "
            f"{stats['rejected'] or 'none'}; see clean_shards/*/rejected.jsonl and relax the rule that rejects most, "
            f"for example clean_shards.min_chars (now {config.section.min_chars}), or the domain's policy"
        )
    for number, rule in enumerate(config.policy, 1):
        if not stats["decided_by_rule"][str(number)]:
            said = rule_in_words(number, rule)
            resources.log(
                f"policy: {said}: matched no document; check for a misspelt label, for an earlier rule that matches first, or "
                "for a rule that rejects evaluation text, which stays evaluation text whatever the rules say"
            )
    write_json(out / "stats.json", stats)
    with open_rows(out / "examples.jsonl") as file:
        for row in examples_of(row for folder in folders for row in rows_of(folder / "rejected.jsonl")):
            write_row(file, row)
    return {"input": stats["input"], "documents": stats["documents"]}
