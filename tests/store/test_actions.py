from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from domainlm.store.actions import ActionCache, action_key, make_action
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


def test_put_and_get(tmp_path: Path) -> None:
    cache = ActionCache(tmp_path)
    assert cache.get("ab12") is None
    assert cache.put("ab12", manifest("a"), {"key": "ab12"}) == manifest("a")
    assert cache.get("ab12") == (manifest("a"), {"key": "ab12"})


def test_the_first_output_stays_and_another_is_kept_beside_it(tmp_path: Path) -> None:
    cache = ActionCache(tmp_path)
    cache.put("ab12", manifest("a"), {"built": 1})
    assert cache.put("ab12", manifest("b"), {"built": 2}) == manifest("a")
    assert cache.get("ab12") == (manifest("a"), {"built": 1})
    names = sorted(path.name for path in (tmp_path / "actions/ab").iterdir())
    assert names == [f"ab12.alternative.{manifest('b').tree_digest[:16]}.json", "ab12.json"]


def test_putting_the_same_again_writes_nothing(tmp_path: Path) -> None:
    cache = ActionCache(tmp_path)
    cache.put("ab12", manifest("a"), {"built": 1})
    cache.put("ab12", manifest("a"), {"built": 2})
    assert cache.get("ab12") == (manifest("a"), {"built": 1})


@pytest.mark.parametrize("data", [b"", b'{"manifest": {"fil', b"null", b"[]", b"{}", b'{"manifest": {}}'])
def test_a_torn_record_counts_as_none_and_is_replaced(tmp_path: Path, data: bytes) -> None:
    cache = ActionCache(tmp_path)
    cache.put("ab12", manifest("a"), {})
    cache.path("ab12").write_bytes(data)
    assert cache.get("ab12") is None
    cache.put("ab12", manifest("b"), {})
    assert cache.get("ab12") == (manifest("b"), {})
