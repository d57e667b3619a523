"""The mutation suite, bytes: what real builds of the tiny domain make of some rows.

What the table says is judged by what was done, artifact by artifact, and by the bytes that are there afterwards. Where
nothing is to be built again, no job may start at all.
"""

from __future__ import annotations

from typing import Any

import pyarrow.parquet as pq
import pytest
from material.mutation import Row, built_again
from material.mutations import ROWS
from material.tree_changes import overwritten

pytestmark = pytest.mark.long


@pytest.mark.parametrize("row", [row for row in ROWS if row.rebuilt is not None], ids=lambda row: row.name)
def test_a_real_build_does_what_the_table_says(row: Row, built_tree: Any) -> None:
    assert row.rebuilt is not None
    before = built_tree.digests()
    row.change(built_tree.path)
    with built_tree.outcomes() as done:
        built_tree.snakemake(*row.rebuilt.target.split(), cores=row.rebuilt.cores, **row.environment)
    after = built_tree.digests()
    assert done.get("built", set()) == built_again(row)
    assert {name for name in before if after.get(name) != before[name]} == set(row.rebuilt.changed.split())
    # the rest was found in place, or not even looked at
    assert set(done) <= ({"built", "up_to_date"} if built_again(row) else set())


def test_code_edited_while_a_build_runs_is_not_recorded_under_the_old_key(fresh_tree: Any) -> None:
    fresh_tree.run("python", "-c", "from domainlm.workflow.prepare import prepare; prepare({'domain': 'tiny'})")
    stamp = ".domainlm/stamps/tiny/raw_corpus.0000.json"
    assert (fresh_tree.path / stamp).exists()
    with (fresh_tree.path / "domainlm/raw/segments.py").open("a", encoding="utf-8") as file:
        file.write("EXTRA = 1\n")
    build = ["python", "-m", "domainlm", "build", "raw_corpus", "--shard", "0000", "--domain", "tiny", "--stamp", stamp]
    assert "edited since this run began" in fresh_tree.run(*build, expect=3)
    assert not list(fresh_tree.path.glob("**/actions/*/*.json"))
    # the plain command again: a key of the code as it is now
    with fresh_tree.outcomes() as done:
        fresh_tree.snakemake("raw_corpus")
    assert done == {"built": {"raw_corpus"}}


def test_an_edit_that_keeps_size_and_time_runs(fresh_tree: Any) -> None:
    """Python's own bytecode is judged by size and whole seconds, so it would run the old code under the new code's key."""
    reader = "domainlm/text/reading/obo.py"
    fresh_tree.snakemake("documents", PYTHONDONTWRITEBYTECODE="")
    assert list((fresh_tree.path / reader).parent.glob("__pycache__/obo.*.pyc"))

    def texts() -> str:
        rows = [pq.read_table(path)["text"].to_pylist() for path in fresh_tree.artifact("documents").rglob("*.parquet")]
        return "\n".join(text for row in rows for text in row)

    assert "Synonyms: " in texts()
    overwritten(reader, b'"Synonyms: ', b'"SynonymS: ', is_in_place=True)(fresh_tree.path)
    with fresh_tree.outcomes() as done:
        fresh_tree.snakemake("documents", PYTHONDONTWRITEBYTECODE="")
    assert done["built"] == {"documents"}
    assert "SynonymS: " in texts()
    assert "Synonyms: " not in texts()
