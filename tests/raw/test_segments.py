from __future__ import annotations

from itertools import pairwise

import pytest

from domainlm.raw.segments import RECORD_FORMATS, byte_ranges, format_of, is_included, shard_of


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/b.OBO", "obo"),
        ("page.xhtml", "html"),
        ("notes.markdown", "md"),
        ("rows.ndjson", "jsonl"),
        ("archive.tar.gz", None),
        ("README", None),
        (".txt", None),
        ("folder.md/file", None),
    ],
)
def test_format_of(path: str, expected: str | None) -> None:
    assert format_of(path) == expected


@pytest.mark.parametrize("size", [1, 999, 1000, 1001, 2000, 2001, 10_007])
def test_ranges_cover_a_file_once_and_stay_small(size: int) -> None:
    ranges = byte_ranges(size, "jsonl", 1000)
    assert ranges[0][0] == 0
    assert ranges[-1][1] == size
    assert all(first[1] == second[0] for first, second in pairwise(ranges))
    assert all(0 < end - start <= 1000 for start, end in ranges)


def test_only_records_are_cut() -> None:
    assert sorted(RECORD_FORMATS) == ["jsonl", "parquet"]
    # each range of an ontology would cost as much as all of it
    assert byte_ranges(5000, "obo", 1000) == [(0, 5000)]
    assert byte_ranges(5000, "html", 1000) == byte_ranges(5000, None, 1000) == [(0, 5000)]
    assert byte_ranges(0, "jsonl", 1000) == [(0, 0)]


def test_shards_are_stable_and_even() -> None:
    assert [shard_of("hpo", "hp.obo", start, 4) for start in (0, 1000, 2000)] == [0, 0, 2]
    counts = [0] * 5
    for number in range(2000):
        counts[shard_of("source", f"file{number}.txt", 0, 5)] += 1
    assert all(300 < count < 500 for count in counts)
    assert shard_of("source", "file", 0, 1) == 0


def test_parts_of_a_name_do_not_run_into_each_other() -> None:
    assert shard_of("a", "bc", 0, 10**6) != shard_of("ab", "c", 0, 10**6)


def test_a_name_that_is_not_utf_8_has_a_shard() -> None:
    name = b"caf\xe9.txt".decode("utf-8", "surrogateescape")
    assert 0 <= shard_of("source", name, 0, 7) < 7


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("**/*", ["a", "a/b", "a/b/c.txt", "two\nlines"], []),
        ("*.rst", ["a.rst"], ["doc/a.rst", "a.rst.txt", "a.rst\n"]),
        ("doc/**/*.rst", ["doc/a.rst", "doc/x/y/a.rst"], ["a.rst", "docs/a.rst"]),
        ("doc/**", ["doc/a", "doc/b/c"], ["doc", "other/doc/a"]),
        ("?.md", ["a.md"], ["ab.md", "/.md", ".md"]),
        ("a+(b).txt", ["a+(b).txt"], ["aab.txt"]),
        ("[ab].txt", ["[ab].txt"], ["a.txt"]),
    ],
)
def test_patterns(pattern: str, matching: list[str], others: list[str]) -> None:
    assert [path for path in matching if not is_included(path, [pattern], [])] == []
    assert [path for path in others if is_included(path, [pattern], [])] == []


def test_exclude_wins_and_one_of_several_is_enough() -> None:
    assert is_included("b/x.md", ["*.txt", "b/*"], [])
    assert not is_included("b/x.md", ["**/*"], ["b/**"])
    assert not is_included("b/x.md", [], [])
