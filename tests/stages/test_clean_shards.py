from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domainlm.config.cleaning import CleanShards
from domainlm.config.sources import PolicyRule
from domainlm.contract import Inputs, Resources, StageError
from domainlm.pipeline.slices import parse_slice
from domainlm.stages import clean_shards
from domainlm.text.document import Document, read_documents, write_documents
from domainlm.text.order import merged

QUIET = Resources(log=lambda line: None)
CONFIG = {"section": CleanShards().model_dump(mode="json")}
PROSE = "The lung is an organ of the chest;\u00a0it takes up oxygen from the air.  \r\n\r\n\r\nIt has lobes."


def document(
    number: int, text: str, role: str = "corpus", source: str = "s", stance: str = "neutral", licence: str = "MIT"
) -> Document:
    labels = (licence, "media", stance)
    return Document(str(number), source, role, "p", f"s{number}", number, 1, "g", "[]", "", text, "{}", *labels)


def build(folder: Path, documents: list[Document], policy: Sequence[dict[str, Any]] = ()) -> Path:
    upstream, out = folder / "documents", folder / "0000"
    upstream.mkdir(parents=True)
    out.mkdir()
    write_documents(upstream / "documents.parquet", documents)
    (upstream / "stats.json").write_text(json.dumps({"documents": len(documents)}), encoding="utf-8")
    rules = [PolicyRule.model_validate(rule).model_dump(mode="json") for rule in policy]
    clean_shards.run_shard(
        Inputs({"documents": upstream}),
        parse_slice("clean_shards", {**CONFIG, "policy": rules}, is_shard=True),
        out,
        folder,
        QUIET,
    )
    return out


def gather(folder: Path, *shards: Path, policy: Sequence[dict[str, Any]] = (), resources: Resources = QUIET) -> Path:
    out = folder / "gathered"
    out.mkdir()
    inputs = Inputs({f"{n:04d}": shard for n, shard in enumerate(shards)})
    clean_shards.run(inputs, parse_slice("clean_shards", {**CONFIG, "policy": list(policy)}), out, folder, resources)
    return out


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_normalised_kept_and_rejected(tmp_path: Path) -> None:
    out = build(
        tmp_path,
        [
            document(1, PROSE),
            document(2, "short"),
            document(3, "Yes.", "instruction", "i"),
            document(4, "肺炎。", "evaluation"),
        ],
    )
    found = list(read_documents(out / "documents.parquet"))
    assert [d.id for d in found] == ["1", "3", "4"]
    assert [d.use for d in found] == ["pt,sft", "sft", "evaluation"]
    assert all(d.language for d in found)
    assert found[0].text == "The lung is an organ of the chest; it takes up oxygen from the air.\n\nIt has lobes."
    assert rows(out / "rejected.jsonl") == [
        {
            **{"id": "2", "source": "s", "path": "p", "section": "s2", "reason": "min_chars", "value": 5},
            **{"threshold": 40, "excerpt": "short"},
        }
    ]
    stats = json.loads((out / "stats.json").read_text(encoding="utf-8"))
    languages = Counter(d.language for d in found)
    assert stats["documents_by_language"] == languages
    assert sum(stats["chars_by_language"].values()) == sum(stats["chars_by_source"].values())
    assert sum(stats["documents_by_han_share"].values()) == 3
    assert (
        stats.items()
        >= {
            "input": 4,
            "documents": 3,
            "rejected": {"min_chars": 1},
            "rejected_by_source": {"s": {"min_chars": 1}},
            "input_by_source": {"s": 3, "i": 1},
            "documents_by_source": {"s": 2, "i": 1},
            "documents_by_role": {"corpus": 1, "instruction": 1, "evaluation": 1},
            "documents_by_use": {"pt,sft": 1, "sft": 1, "evaluation": 1},
            "documents_by_label": {"licence": {"MIT": 3}, "authority": {"media": 3}, "stance": {"neutral": 3}},
            "documents_by_length": {"2": 1, "4": 1, "64": 1},
            "chars_by_source": {"s": len(found[0].text) + 3, "i": 4},
            "without_verdict": {},
        }.items()
    )


def test_excerpts_show_no_personal_data(tmp_path: Path) -> None:
    out = build(tmp_path, [document(1, "Ask jane.doe@clinic-of-the-valley.net"), document(2, PROSE)])
    [row] = rows(out / "rejected.jsonl")
    assert row["reason"] == "min_chars"
    assert row["excerpt"].startswith("Ask ")
    assert "jane" not in row["excerpt"]


def test_nothing_personal_stands_in_the_section_of_what_is_rejected(tmp_path: Path) -> None:
    contact = replace(document(1, "short"), section="Contact / jane.doe@clinic-of-the-valley.net")
    [row] = rows(build(tmp_path, [contact, document(2, PROSE)]) / "rejected.jsonl")
    assert row["section"] == "Contact / [email]"


def test_documents_stay_in_order_where_their_sections_change(tmp_path: Path) -> None:
    # of one place in one file, where only the section tells the order: "\u200bb" comes behind "c", "b" before it
    names = ["c", "d", "\u200bb", "\u212bb"]
    documents = [replace(document(7, f"{PROSE} {name}"), id=name, section=name) for name in names]
    out = build(tmp_path, [document(1, PROSE), *documents, document(9, PROSE)])
    found = list(merged([out / "documents.parquet"]))
    assert [d.section for d in found] == ["s1", "b", "c", "d", "\xc5b", "s9"]


def test_records_that_are_only_numbered_are_held_one_at_a_time(tmp_path: Path) -> None:
    # rows of Parquet: none has a place in bytes
    rows = [
        replace(document(-1, PROSE), id=f"{n}", path="q.parquet", section=f"row {n:09d}", group=f"q.parquet#{n}")
        for n in range(1, 1000)
    ]
    held = most = 0

    def counted() -> Iterator[tuple[Document, Document]]:
        nonlocal held, most
        for row in rows:
            held += 1
            most = max(most, held)
            yield row, row

    for _ in clean_shards.in_canonical_order(counted()):
        held -= 1
    # the next one is known before this one is over
    assert most == 2
    out = build(tmp_path, [document(1, PROSE), *rows])
    assert [d.section for d in read_documents(out / "documents.parquet")][1:] == [row.section for row in rows]


def test_the_number_of_a_record_is_not_masked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lists = {"w": {"words": ["row"], "treatment": "mask"}}
    section = CleanShards.model_validate({"word_lists": lists}).model_dump(mode="json")
    monkeypatch.setitem(CONFIG, "section", section)
    row = replace(document(-1, f"A row. {PROSE}"), section="row 000000001", group="p#1")
    # a heading of a file whose character set does not tell its bytes is text
    heading = replace(row, id="2", path="q", section="row 1", group="q")
    found = list(read_documents(build(tmp_path, [row, heading]) / "documents.parquet"))
    assert [(d.section, "row" in d.text) for d in found] == [("row 000000001", False), ("[w] 1", False)]


def test_shards_are_summed(tmp_path: Path) -> None:
    shards = [build(tmp_path / str(n), [document(1, PROSE), document(2, "x" * n)]) for n in range(2)]
    stats = json.loads((gather(tmp_path, *shards) / "stats.json").read_text(encoding="utf-8"))
    assert (stats["input"], stats["documents"], stats["rejected"]) == (4, 2, {"empty": 1, "min_chars": 1})
    assert "without_verdict" not in stats


def test_examples_do_not_depend_on_the_shards(tmp_path: Path) -> None:
    documents = [document(n, "short" if n % 2 else "", source="ab"[n % 3 // 2]) for n in range(40)]
    good = document(99, PROSE)
    one = gather(tmp_path / "one", build(tmp_path / "one/0", [*documents, good]))
    two = gather(
        tmp_path / "two",
        build(tmp_path / "two/0", documents[::2]),
        build(tmp_path / "two/1", [*documents[1::2], good]),
    )
    assert (one / "examples.jsonl").read_bytes() == (two / "examples.jsonl").read_bytes()
    assert (one / "stats.json").read_bytes() == (two / "stats.json").read_bytes()
    kinds = Counter((row["source"], row["reason"]) for row in rows(one / "examples.jsonl"))
    assert kinds == {(source, reason): 3 for source in "ab" for reason in ("empty", "min_chars")}


def test_an_empty_corpus_stops_the_build(tmp_path: Path) -> None:
    folder = build(tmp_path, [document(1, "short"), document(2, "Yes.", "instruction")])
    with pytest.raises(StageError, match=r"clean_shards\.min_chars \(now 40\)"):
        gather(tmp_path, folder)


POLICY = [
    {"where": {"stance": "adversarial"}, "use": ["evaluation", "classifier"]},
    {"where": {"licence": ["unstated", "all rights*"]}, "use": []},
    {"where": {"role": ["corpus", "replay"], "source": "s"}, "use": ["pt", "sft"]},
]


def test_the_policy_gives_every_document_its_use(tmp_path: Path) -> None:
    documents = [
        document(1, PROSE),
        document(2, PROSE, stance="adversarial"),
        document(3, PROSE, licence="all rights reserved"),
        document(4, PROSE, role="replay"),
    ]
    out = gather(tmp_path, build(tmp_path, documents, POLICY), policy=POLICY)
    found = {d.id: d.use for d in read_documents(tmp_path / "0000/documents.parquet")}
    assert found == {"1": "pt,sft", "2": "classifier,evaluation", "4": "pt"}
    [row] = rows(tmp_path / "0000/rejected.jsonl")
    assert (row["id"], row["reason"], row["value"]) == ("3", "policy", 2)
    assert row["detail"] == "rule 2: where licence is unstated or all rights*: use nothing"
    # what may be used for nothing is not quoted either, nor its heading
    assert (row["section"], row["excerpt"]) == ("", "")
    stats = json.loads((out / "stats.json").read_text(encoding="utf-8"))
    # what is left to evaluation plays that role from here on
    assert stats["documents_by_role"] == {"corpus": 1, "evaluation": 1, "replay": 1}
    assert stats["rejected_by_source"] == {"s": {"policy": 1}}
    assert stats["decided_by_rule"] == {"1": 1, "2": 1, "3": 2}


def test_rules_that_decide_nothing_are_named(tmp_path: Path) -> None:
    policy = [*POLICY, {"where": {"stance": "advresarial"}, "use": []}]
    said: list[str] = []
    shards = [build(tmp_path / str(n), [document(n, PROSE)], policy) for n in range(2)]
    out = gather(tmp_path, *shards, policy=policy, resources=Resources(log=said.append))
    stats = json.loads((out / "stats.json").read_text(encoding="utf-8"))
    assert stats["decided_by_rule"] == {"1": 0, "2": 0, "3": 2, "4": 0}
    assert len(said) == 3
    assert said[2].startswith("policy: rule 4: where stance is advresarial: use nothing: matched no document")


def test_evaluation_text_is_never_kept_out_by_the_policy(tmp_path: Path) -> None:
    policy = [{"where": {"licence": "MIT"}, "use": []}, {"use": ["pt", "sft"]}]
    documents = [document(1, PROSE, role="evaluation"), document(2, PROSE, role="evaluation", licence="x")]
    out = build(tmp_path, documents, policy)
    assert [d.use for d in read_documents(out / "documents.parquet")] == ["evaluation", "evaluation"]
    # what a rule did not do is not counted as its doing
    assert json.loads((out / "stats.json").read_text(encoding="utf-8"))["decided_by_rule"] == {"1": 0, "2": 0}


def test_corpus_text_for_evaluation_only_is_kept_to_be_sought(tmp_path: Path) -> None:
    policy = [{"where": {"stance": "x"}, "use": ["evaluation"]}, {"use": ["pt"]}]
    out = build(tmp_path, [document(1, "short", stance="x"), document(2, "short")], policy)
    assert [d.id for d in read_documents(out / "documents.parquet")] == ["1"]


def test_a_rule_that_grants_a_role_nothing_stops_the_build(tmp_path: Path) -> None:
    shard = build(tmp_path, [document(1, PROSE), document(2, PROSE, "instruction")], [{"use": ["pt"]}])
    with pytest.raises(StageError) as caught:
        gather(tmp_path, shard)
    assert (
        str(caught.value)
        .splitlines()[1]
        .endswith("(rule 1: where anything: use pt, but role instruction can have only sft)")
    )


def test_documents_without_a_verdict_stop_the_build_with_every_combination(tmp_path: Path) -> None:
    shards = [
        build(tmp_path / "0", [document(1, PROSE), document(2, PROSE, source="t")], POLICY),
        build(tmp_path / "1", [document(n, PROSE, source="t", stance="odd") for n in (3, 4)], POLICY),
    ]
    with pytest.raises(StageError) as caught:
        gather(tmp_path, *shards)
    lines = str(caught.value).splitlines()
    assert lines[0] == "no rule of `policy` decides the use of 3 documents:"
    label = "licence 'MIT', authority 'media', stance"
    assert lines[1:3] == [
        f"  2 documents: source 't', role 'corpus', {label} 'odd'",
        f"  1 documents: source 't', role 'corpus', {label} 'neutral'",
    ]
    assert not (tmp_path / "gathered/stats.json").exists()


def test_a_source_of_which_too_little_was_taken_stops_the_build(tmp_path: Path) -> None:
    taken = {"forms": {"alpaca": 1}, "rejected": {"unknown_form": 3}, "keys": {"frage, antwort": 3}}
    shard = build(tmp_path / "one", [document(1, PROSE), document(2, "Yes.", "instruction", "mine")])
    stats = json.loads((shard / "stats.json").read_text(encoding="utf-8"))
    (shard / "stats.json").write_text(json.dumps({**stats, "instruction": {"mine": taken}}), encoding="utf-8")

    def gathered(name: str, share: float) -> Path:
        values = {**CONFIG, "policy": [], "min_instruction_share": share}
        (tmp_path / name).mkdir()
        clean_shards.run(Inputs({"0000": shard}), parse_slice("clean_shards", values), tmp_path / name, tmp_path, QUIET)
        return tmp_path / name

    with pytest.raises(StageError, match=r"sources\.mine \(role instruction\): of 4 rows and files 1 were taken"):
        gathered("half", 0.5)
    # what is counted for this check alone is not in the whole artifact, and enters no key below it
    assert "instruction" not in json.loads((gathered("little", 0.25) / "stats.json").read_text(encoding="utf-8"))


def test_a_shard_passes_on_what_was_taken_of_instruction_data(tmp_path: Path) -> None:
    upstream = tmp_path / "documents"
    upstream.mkdir()
    write_documents(upstream / "documents.parquet", [document(1, PROSE)])
    counts = {"mine": {"forms": {}, "rejected": {"unknown_form": 3}, "keys": {}}}
    (upstream / "stats.json").write_text(json.dumps({"documents": 1, "instruction": counts}), encoding="utf-8")
    (tmp_path / "0000").mkdir()
    values = parse_slice("clean_shards", {**CONFIG, "policy": []}, is_shard=True)
    clean_shards.run_shard(Inputs({"documents": upstream}), values, tmp_path / "0000", tmp_path, QUIET)
    assert json.loads((tmp_path / "0000/stats.json").read_text(encoding="utf-8"))["instruction"] == counts


def test_a_group_field_that_no_record_has_stops_the_build(tmp_path: Path) -> None:
    def shard(name: str, grouped: int) -> Path:
        upstream, out = tmp_path / f"{name}_documents", tmp_path / name
        upstream.mkdir()
        out.mkdir()
        write_documents(upstream / "documents.parquet", [document(1, PROSE)])
        groups = {"pateint": {"mine": {"grouped": grouped, "fields": {"text, patient": 2}}}}
        (upstream / "stats.json").write_text(json.dumps({"documents": 1, "groups": groups}), encoding="utf-8")
        values = parse_slice("clean_shards", {**CONFIG, "policy": []}, is_shard=True)
        clean_shards.run_shard(Inputs({"documents": upstream}), values, out, tmp_path, QUIET)
        return out

    one, two, other = shard("one", 0), shard("two", 0), shard("other", 1)
    with pytest.raises(StageError, match=r"group_field is 'pateint'.*sources\.mine: text, patient \(4\)"):
        gather(one, one, two)
    gathered = json.loads((gather(other, one, other) / "stats.json").read_text(encoding="utf-8"))
    assert "groups" not in gathered
