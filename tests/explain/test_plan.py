from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from domainlm.explain.plan import Plan, Row, make_plan, measured_costs, render, totals_in_words
from domainlm.store.local import Store

DOCUMENTS = {"documents": {"min_charset_score": 0.6}}


def plan_of(project: Any, target: str = "unique_shards", **overrides: Any) -> Plan:
    return make_plan(project.path, "tiny", project.stamps(**overrides), target)


def rows(plan: Plan) -> dict[str, Row]:
    return {row.artifact: row for row in plan.rows}


def printed(plan: Plan) -> str:
    console = Console(width=160, file=io.StringIO())
    console.print(render(plan))
    text = console.file.getvalue()
    assert isinstance(text, str)
    return text


def history(store: Store, seconds: float, artifact: str = "documents", shard: str | None = "0000", **more: Any) -> None:
    row = {"artifact": artifact, "shard": shard, "domain": "tiny", "seconds": seconds, "peak_memory_mb": 100}
    store.append_history({**row, "device": "cpu", "threads": 1, "outcome": "built", **more})


def test_shards_are_one_row_with_counts(built_text_project: Any) -> None:
    path = built_text_project.path / "corpus/0.txt"
    path.write_text(path.read_text() + "more words that were not there before.\n")
    found = rows(plan_of(built_text_project))
    assert list(found) == ["raw_corpus", "documents", "clean_shards", "unique_shards"]
    assert found["raw_corpus"].shards == {"build": 1, "up_to_date": 1}
    assert found["raw_corpus"].unless == ()
    assert found["clean_shards"].shards == {"build": 1, "up_to_date": 1}
    assert found["clean_shards"].unless == ("raw_corpus",)
    assert [(d.kind, d.name, d.change) for d in found["raw_corpus"].why] == [("raw_file", "x/0.txt", "changed")]


def test_what_is_up_to_date_has_no_reason_and_no_cost(built_text_project: Any) -> None:
    plan = plan_of(built_text_project)
    assert all((r.state, r.why, r.seconds, r.cost) == ("up_to_date", (), None, None) for r in plan.rows)
    assert totals_in_words(plan) == "nothing is built"


def test_removed_files_are_a_reason(built_text_project: Any) -> None:
    (built_text_project.path / "artifacts/tiny/unique_shards/documents.parquet").unlink()
    row = rows(plan_of(built_text_project))["unique_shards"]
    assert (row.state, [d.kind for d in row.why]) == ("restore", ["files"])


def test_costs_are_medians_of_this_domain_s_builds(built_text_project: Any) -> None:
    store = Store(built_text_project.path / ".dvc/domainlm-store")
    for path in (store.root / "history").iterdir():
        path.unlink()
    for seconds in (9.0, 2.0, 4.0):
        history(store, seconds)
    history(store, 700.0, domain="large")
    history(store, 0.5, shard=None)
    history(store, 3.0, artifact="clean_shards")
    plan = plan_of(built_text_project, **DOCUMENTS)
    row = rows(plan)["documents"]
    # two shards; the whole artifact's own job is not among what unique_shards needs
    assert (row.seconds, row.shards) == (8.0, {"build": 2})
    assert row.cost is not None
    assert (row.cost.seconds, row.cost.builds, row.cost.device, row.cost.peak_memory_mb) == (4.0, 3, "cpu", 100)
    totals = plan.totals()
    assert (totals["seconds_at_least"], totals["build"]) == (8.0, ["documents"])
    assert totals["build_unless"] == ["clean_shards", "unique_shards"]
    # of clean_shards, its gather was never measured: its cost is unknown, not that of the shards alone
    assert totals["unknown_cost"] == ["clean_shards", "unique_shards"]
    assert "about 8.0 s for certain, 8.0 s at most; peak 105 MB on cpu" in totals_in_words(plan)
    assert "unknown cost of clean_shards, unique_shards (never built in this domain)" in totals_in_words(plan)


def test_another_device_or_thread_count_is_another_cost() -> None:
    def row(seconds: float, device: str, threads: int) -> dict[str, Any]:
        return {
            "artifact": "pt_adapter",
            "shard": None,
            "seconds": seconds,
            "device": device,
            "threads": threads,
            "peak_memory_mb": 1,
        }

    newest_first = [row(5.0, "H200", 8), row(7.0, "H200", 8), row(900.0, "cpu", 8), row(100.0, "H200", 1)]
    cost = measured_costs(newest_first)["pt_adapter", False]
    assert (cost.seconds, cost.device, cost.builds) == (6.0, "H200", 2)


def test_a_new_domain_s_cost_is_unknown(text_project: Any) -> None:
    plan = plan_of(text_project, "documents")
    assert totals_in_words(plan) == "unknown cost of raw_corpus, documents (never built in this domain)"
    assert "unknown" in printed(plan)


def test_a_torn_history_row_is_left_out(text_project: Any) -> None:
    folder = text_project.path / ".dvc/domainlm-store/history"
    folder.mkdir(parents=True)
    (folder / "1.torn.1.json").write_text('{"artifact"')
    assert plan_of(text_project, "documents").totals()["seconds_at_most"] == 0.0


def test_it_says_what_and_why(built_text_project: Any) -> None:
    text = printed(plan_of(built_text_project, **DOCUMENTS))
    assert "config documents.min_charset_score 0.5 → 0.6" in text
    assert "build (2 shards)" in text
    assert "build, unless documents comes out the same" in text


def test_json_has_all_of_it(built_text_project: Any) -> None:
    found = json.loads(json.dumps(plan_of(built_text_project, **DOCUMENTS).as_json()))
    assert (found["domain"], found["target"]) == ("tiny", "unique_shards")
    documents = found["artifacts"][1]
    assert documents["why"][0].items() >= {"kind": "config", "old": 0.5, "new": 0.6}.items()
    assert documents["cost"]["builds"] > 0
    assert set(found["totals"]) >= {"seconds_at_least", "seconds_at_most", "unknown_cost", "fetch_bytes", "devices"}


def test_hollow_inputs_of_a_build_are_counted_in_bytes(
    built_text_project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(built_text_project.path / ".dvc/domainlm-store")
    records = {path.stem: store.actions.get(path.stem) for path in store.root.glob("actions/*/*.json")}
    remote = SimpleNamespace(action=records.get)
    monkeypatch.setattr("domainlm.explain.plan.open_remote", lambda project: remote)
    size = sum(path.stat().st_size for path in (built_text_project.path / "artifacts/tiny/clean_shards").rglob("*.*"))
    for name in ("artifacts", ".dvc/domainlm-store"):
        shutil.rmtree(built_text_project.path / name)
    plan = plan_of(built_text_project, unique_shards={"threshold": 0.7})
    found = rows(plan)
    assert found["unique_shards"].state == "build"
    assert [name for name, row in found.items() if row.fill_bytes] == ["clean_shards"]
    # less its shards' and its own records, which are no content
    assert 0 < found["clean_shards"].fill_bytes < size
    assert plan.totals()["fetch_bytes"] == found["clean_shards"].fill_bytes
    assert "to fetch" in printed(plan)


def test_it_imports_no_torch(
    text_project: Any, repository: Path, tree_environment: Callable[..., dict[str, str]]
) -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from domainlm.cli import application\n"
        "for command in (['plan'], ['plan', '--memory'], ['why', 'pt_adapter'], ['lineage', 'documents']):\n"
        "    assert CliRunner().invoke(application, command).exit_code in (0, 3)\n"
        "print(sorted({'torch', 'transformers', 'peft', 'datasets', 'pyarrow'} & set(sys.modules)))"
    )
    environment = tree_environment(repository)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=text_project.path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr
