from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from domainlm.store.actions import FACT, ActionCache, Origin, Recorded, action_key, make_action, plain_fact
from domainlm.store.manifest import Entry, Manifest, make_manifest

ACTION: dict[str, Any] = {
    "artifact": "pt_adapter",
    "code_digest": "c",
    "config": {"section": {"rank": 16, "learning_rate": 0.001}, "seed": 17},
    "inputs": {"pt_tokens": "1", "base_model": "2"},
    "distributions": {"torch": "2.13.0", "peft": "0.21.2"},
}


def manifest(text: str) -> Manifest:
    return make_manifest([Entry("file", text * 64, 1)])


def test_key_is_a_function_of_the_action() -> None:
    reordered = {**ACTION, "inputs": {"base_model": "2", "pt_tokens": "1"}}
    assert action_key(make_action(**ACTION)) == action_key(make_action(**reordered))


@pytest.mark.parametrize(
    "change",
    [
        {"artifact": "sft_adapter"},
        {"code_digest": "d"},
        {"config": {"section": {"rank": 16, "learning_rate": 0.001}, "seed": 18}},
        {"config": {"section": {"rank": 16, "learning_rate": 0.002}, "seed": 17}},
        {"inputs": {"pt_tokens": "1", "base_model": "3"}},
        {"inputs": {"pt_tokens": "2", "base_model": "1"}},
        {"inputs": {"pt_tokens": "1", "merged_model": "2"}},
        {"distributions": {"torch": "2.14.0", "peft": "0.21.2"}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_part_is_in_the_key(change: dict[str, Any]) -> None:
    assert action_key(make_action(**ACTION)) != action_key(make_action(**{**ACTION, **change}))


def test_the_schema_is_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = action_key(make_action(**ACTION))
    monkeypatch.setattr("domainlm.store.actions.SCHEMA_VERSION", 99)
    assert action_key(make_action(**ACTION)) != before


KEY = action_key(make_action(**ACTION))


def record(**changes: Any) -> dict[str, Any]:
    return {"key": KEY, "action": make_action(**ACTION), "built": {}, **changes}


def test_put_and_get(tmp_path: Path) -> None:
    cache = ActionCache(tmp_path)
    assert cache.get(KEY) is None
    assert cache.put(KEY, manifest("a"), record()) == manifest("a")
    assert cache.get(KEY) == (manifest("a"), record())


def test_the_first_output_stays_and_another_is_kept_beside_it(tmp_path: Path) -> None:
    cache = ActionCache(tmp_path)
    cache.put(KEY, manifest("a"), record(built={"n": 1}))
    assert cache.put(KEY, manifest("b"), record(built={"n": 2})) == manifest("a")
    assert cache.get(KEY) == (manifest("a"), record(built={"n": 1}))
    assert cache.alternatives(KEY) == [(manifest("b"), record(built={"n": 2}))]
    names = sorted(path.name for path in (tmp_path / "actions" / KEY[:2]).iterdir())
    assert names == [f"{KEY}.alternative.{manifest('b').tree_digest[:16]}.json", f"{KEY}.json"]


def test_putting_the_same_again_writes_nothing(tmp_path: Path) -> None:
    cache = ActionCache(tmp_path)
    cache.put(KEY, manifest("a"), record(built={"n": 1}))
    cache.put(KEY, manifest("a"), record(built={"n": 2}))
    assert cache.get(KEY) == (manifest("a"), record(built={"n": 1}))


@pytest.mark.parametrize(
    "data", [b"", b'{"manifest": {"fil', b"null", b"[]", b"{}", b'{"manifest": {}}', b"[" * 99_999]
)
def test_a_torn_record_counts_as_none_and_is_replaced(tmp_path: Path, data: bytes) -> None:
    cache = ActionCache(tmp_path)
    cache.put(KEY, manifest("a"), record())
    cache.path(KEY).write_bytes(data)
    assert cache.get(KEY) is None
    cache.put(KEY, manifest("b"), record())
    assert cache.get(KEY) == (manifest("b"), record())


@pytest.mark.parametrize(
    "built", ['"machine"', '["machine"]', "null", '{"machine": {}}', '{"x": 1e999}', '{"x\\u001b": 1}']
)
def test_a_record_whose_facts_are_none_is_put_aside(tmp_path: Path, built: str) -> None:
    """Else comparing it with another output, or writing it beside what is installed, would end each build of its key."""
    cache = ActionCache(tmp_path)
    cache.put(KEY, manifest("a"), {**record(), "built": {"marked": 1}})
    path = cache.path(KEY)
    path.write_text(re.sub(r'"built": \{[^}]*\}', lambda _: f'"built": {built}', path.read_text()))
    assert cache.get(KEY) is None
    cache.put_wrong_aside(KEY)
    assert [wrong.name for wrong in cache.put_aside] == [f"actions/{KEY[:2]}/{KEY}.json"]


@pytest.mark.parametrize("way", ["moved", "its key edited", "its action edited", "an alternative of another output"])
def test_a_record_under_another_name_counts_as_none_and_is_put_aside(tmp_path: Path, way: str) -> None:
    cache, other = ActionCache(tmp_path), make_action(**{**ACTION, "code_digest": "d"})
    cache.put(action_key(other), manifest("b"), {"key": action_key(other), "action": other, "built": {}})
    data = cache.path(action_key(other)).read_bytes()
    name = f"{KEY}.alternative.{'0' * 16}.json" if "alternative" in way else f"{KEY}.json"
    path = cache.path(KEY).with_name(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if way == "its key edited":
        data = data.replace(f'"key": "{action_key(other)}"'.encode(), f'"key": "{KEY}"'.encode())
    elif way == "its action edited":
        cache.put(KEY, manifest("a"), record())
        data = path.read_bytes().replace(b'"rank": 16', b'"rank": 17')
    elif "alternative" in way:
        cache.put(KEY, manifest("a"), record())
        data = cache.path(KEY).read_bytes()
    path.write_bytes(data)
    assert len(cache.alternatives(KEY)) == 0
    assert (cache.get(KEY) is None) == ("alternative" not in way)
    assert path.read_bytes() == data
    cache.put_wrong_aside(KEY)
    assert [(wrong.name, Path(wrong.kept or "").read_bytes()) for wrong in cache.put_aside] == [
        (path.relative_to(tmp_path).as_posix(), data)
    ]
    assert not path.exists()
    # named once: nothing is left to be named
    cache.put_wrong_aside(KEY)
    assert len(cache.put_aside) == 1


def test_what_came_from_elsewhere_says_so_until_it_is_built_here(tmp_path: Path) -> None:
    cache, origin = ActionCache(tmp_path), Origin("s3://bucket", "signed")
    cache.put(KEY, manifest("a"), record(), origin)
    assert cache.find(KEY) == Recorded(manifest("a"), record(), origin)
    # fetched once more: nothing is learnt
    cache.put(KEY, manifest("a"), record(), Origin("elsewhere", ""))
    assert cache.find(KEY) == Recorded(manifest("a"), record(), origin)
    cache.put(KEY, manifest("a"), record(built={"n": 2}))
    assert cache.find(KEY) == Recorded(manifest("a"), record(built={"n": 2}), None)
    cache.put(KEY, manifest("a"), record(), origin)
    assert cache.find(KEY) == Recorded(manifest("a"), record(built={"n": 2}), None)


def test_a_fact_is_plain_text() -> None:
    name = "NVIDIA A100-SXM4-80GB (MIG 1g.5gb)"
    assert plain_fact(name) == name
    assert plain_fact("Radeon\x1b[2J <b>RX</b> ™") == "Radeon__2J _b_RX_/b_ _"
    assert FACT.fullmatch(plain_fact("\u202e" * 1000))
