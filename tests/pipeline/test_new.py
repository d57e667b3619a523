"""A domain of one's own in three commands: set up, `domainlm new`, snakemake. No network, no line written by hand."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from material.code_memory import know_code
from material.torture import ENGLISH, SIMPLIFIED, docx, zipped

# an index that answers nothing: whatever is fetched fails
NO_INDEX = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0", "no_proxy": "*"}
LEAFLETS = {"asthma.pdf": 1, "cough.txt": 1, "web/air.html": 1, "web/pollen.html": 2}


@pytest.fixture
def tree(tmp_path: Path, copy_tree: Callable[[Path], Path], tree_type: Callable[[Path], Any]) -> Any:
    """The repository as it is cloned, with nothing in it but its own domains."""
    folder = copy_tree(tmp_path / "tree")
    know_code(folder)
    return tree_type(folder)


def documents(tree: Any, domain: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(
        tree.path / f"artifacts/{domain}/unique_shards/documents.parquet"
    ).to_pylist()
    return found


def test_a_folder_of_pdf_html_and_gbk_takes_three_commands(tree: Any, repository: Path) -> None:
    script = repository / "docs/examples/leaflets.py"
    subprocess.run([sys.executable, str(script), str(tree.path / "data/leaflets")], check=True)
    said = tree.run("python", "-m", "domainlm", "new", "leaflets", "data/leaflets", "--licence", "CC-BY-4.0")
    assert "config/domains/leaflets.yaml is written" in said
    assert len((tree.path / "config/domains/leaflets.yaml").read_text(encoding="utf-8").splitlines()) <= 12
    command = said.splitlines()[-1].removeprefix("next: ").replace("--cores all", "--cores 1").split()
    tree.run(*command, **NO_INDEX)
    found = documents(tree, "leaflets")
    assert Counter(row["path"] for row in found) == LEAFLETS
    assert {(row["source"], row["licence"]) for row in found} == {("leaflets", "CC-BY-4.0")}
    assert next(row["text"] for row in found if row["path"] == "cough.txt").startswith("咳嗽")
    # the file is neither reported as written again nor corrected
    assert "is not overwritten" in tree.run("python", "-m", "domainlm", "new", "leaflets", "data/leaflets", expect=2)


def test_a_folder_elsewhere_in_chinese_with_an_archive(tree: Any, tmp_path: Path) -> None:
    folder = tmp_path / "my papers: 2024"
    (folder / "old").mkdir(parents=True)
    (folder / "one.txt").write_bytes(f"一\n\n{SIMPLIFIED * 3}".encode("gb18030"))
    (folder / "old/two.docx").write_bytes(docx(SIMPLIFIED * 2 + "肺"))
    (folder / "old/more.zip").write_bytes(zipped({"three.txt": f"三\n\n{SIMPLIFIED * 4}肝".encode("gb18030")}))
    (folder / "old/four.txt").write_text(ENGLISH, encoding="utf-8")
    tree.run("python", "-m", "domainlm", "new", "papers", str(folder))
    tree.run("snakemake", "--cores", "1", "clean_shards", "--config", "domain=papers", **NO_INDEX)
    rows = [
        row
        for path in sorted((tree.path / "artifacts/papers/clean_shards").rglob("*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]
    assert {row["path"] for row in rows} == {"one.txt", "old/two.docx", "old/more.zip/three.txt", "old/four.txt"}
