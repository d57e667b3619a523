"""The mutation suite: what must change an action key, and what must not.

Every row is a real change to a copy of the project. Beside it stand the artifacts whose own action changes by it (code
digest, configuration slice, versions, names of the inputs); what follows from changed contents is the store's matter.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from domainlm.text.segments import shard_of

TORCH = "base_model pt_adapter merged_model sft_adapter eval_results"
SEEDED = "corpus_split pt_tokens pt_adapter sft_dataset sft_tokens sft_adapter eval_results"
ALL = (
    "raw_corpus base_model documents clean_shards unique_shards corpus_split pt_tokens pt_adapter merged_model "
    "sft_dataset sft_tokens sft_adapter eval_results eval_report"
)
NOTHING = ""
CONFIG, STYLE = "config/config.yaml", "data/instruction/style.jsonl"
# reads folders of projects, prints the actions that each one asks for; what is slow to import is imported once
ACTIONS = """\
import json, os, sys, traceback
import pydantic, yaml

def actions(folder):
    sys.path.insert(0, folder)
    from domainlm.pipeline import PACKAGE_ROOT
    from domainlm.resolve import resolve
    from domainlm.stamps import action_of, make_stamps
    assert str(PACKAGE_ROOT) == folder, PACKAGE_ROOT
    stamps = make_stamps(PACKAGE_ROOT, resolve(PACKAGE_ROOT, {}))
    return {f"{s.artifact} {s.shard}": action_of(s, dict.fromkeys(s.inputs, "")) for s in stamps}

for line in sys.stdin:
    if os.fork():
        os.wait()
        continue
    try:
        print(json.dumps(actions(line.strip())), flush=True)
    except BaseException:
        print(json.dumps(traceback.format_exc()), flush=True)
    os._exit(0)
"""


@dataclass(frozen=True)
class Row:
    name: str
    change: Callable[[Path], object]
    expected: str
    environment: dict[str, str] = field(default_factory=dict)


def edit(name: str, pattern: str, new: str) -> Callable[[Path], object]:
    """Replace the first match of a pattern, which must be there."""

    def change(project: Path) -> None:
        path = project / name
        text, count = re.subn(pattern, new, path.read_text(encoding="utf-8"), count=1, flags=re.MULTILINE | re.DOTALL)
        assert count == 1, f"{name} has nothing like {pattern}: choose another place for this row"
        path.write_text(text, encoding="utf-8")

    return change


def knob(section: str, key: str, value: str) -> Callable[[Path], object]:
    return edit(CONFIG, rf"^({section}:\n(?:  [^\n]*\n)*?  {key}: )[^\n]*?(?=  #)", rf"\g<1>{value}")


def append(name: str, text: str) -> Callable[[Path], object]:
    def change(project: Path) -> None:
        with (project / name).open("a", encoding="utf-8") as file:
            file.write(text)

    return change


def every_module(rewritten: Callable[[str], str]) -> Callable[[Path], object]:
    def change(project: Path) -> None:
        for path in (project / "domainlm").rglob("*.py"):
            path.write_bytes(rewritten(path.read_text(encoding="utf-8")).encode())

    return change


def both(*changes: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda project: [change(project) for change in changes]


def written_anew(project: Path) -> None:
    """The same configuration: keys in another order, no comment, other quotes, other numbers' forms."""
    path = project / CONFIG
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text(encoding="utf-8")), sort_keys=True), encoding="utf-8")


def move_folder(project: Path) -> None:
    shutil.move(project / "data/instruction", project / "elsewhere")
    edit(CONFIG, r"local: data/instruction", "local: elsewhere")(project)


def nothing(_: Path) -> None:
    return None


ROWS = [
    # code
    Row("statement in a stage", append("domainlm/stages/clean_shards.py", "EXTRA = 1\n"), "clean_shards"),
    Row("statement in an imported module", append("domainlm/text/duplicates.py", "EXTRA = 1\n"), "unique_shards"),
    Row(
        "statement in a module of two stages",
        append("domainlm/models/train.py", "EXTRA = 1\n"),
        "pt_adapter sft_adapter",
    ),
    Row(
        "statement in a module imported inside a function",
        append("domainlm/models/scoring.py", "EXTRA = 1\n"),
        "eval_results",
    ),
    Row("statement in the contract of stages", append("domainlm/stage.py", "EXTRA = 1\n"), ALL),
    Row("constant", edit("domainlm/text/segments.py", r'"\.ndjson": "jsonl"', '".ndjson": "txt"'), "raw_corpus"),
    Row("operator", edit("domainlm/text/segments.py", r"size <= segment_bytes", "size < segment_bytes"), "raw_corpus"),
    Row("default of an argument", edit("domainlm/text/archives.py", r"2_000_000_000", "2_000_000_001"), "raw_corpus"),
    Row("constant written otherwise", edit("domainlm/text/archives.py", r"2_000_000_000", "2000000000"), NOTHING),
    Row(
        "renamed local",
        edit("domainlm/text/segments.py", r"\(p\)(\.match\(path\)) for p in include\b", r"(q)\1 for q in include"),
        "raw_corpus",
    ),
    Row("import of another module", append("domainlm/stages/pt_tokens.py", "import domainlm.text.html\n"), "pt_tokens"),
    Row("comment", append("domainlm/stage.py", "# a reason\n"), NOTHING),
    Row("docstring of a module", edit("domainlm/stage.py", r'\A"""', '"""Another sentence. '), NOTHING),
    Row("docstring of a function", edit("domainlm/text/segments.py", r'"""Document format', '"""The format'), NOTHING),
    Row("docstring of a package", edit("domainlm/stages/__init__.py", r'\A"""', '"""Another sentence. '), NOTHING),
    Row("every module formatted anew", every_module(lambda text: ast.unparse(ast.parse(text))), NOTHING),
    Row("line endings of another system", every_module(lambda text: text.replace("\n", "\r\n")), NOTHING),
    Row("package data", append("domainlm/report/report.html.jinja", "\n"), "eval_report"),
    Row("version of the package", edit("pyproject.toml", r'^version = "[^"]*"', 'version = "9.9.9"'), NOTHING),
    Row(
        "function outside every stage",
        both(*(append(f"domainlm/{n}.py", "EXTRA = 1\n") for n in ("build", "cli", "fetch", "store/install"))),
        NOTHING,
    ),
    Row(
        "module that nobody imports", lambda project: (project / "domainlm/text/new.py").write_text("X = 1\n"), NOTHING
    ),
    Row("memory in the stage table", edit("domainlm/pipeline.py", r"memory_mb=2000", "memory_mb=4000"), NOTHING),
    Row(
        "distribution in the stage table",
        edit("domainlm/pipeline.py", r'\("plotly", ', '("numpy", "plotly", '),
        "eval_report",
    ),
    Row(
        "default that the file states",
        edit("domainlm/config.py", r"rank: int = Field\(16", "rank: int = Field(8"),
        NOTHING,
    ),
    Row(
        "default that the file leaves out",
        both(
            edit("domainlm/config.py", r"min_chars: int = Field\(40", "min_chars: int = Field(50"),
            edit(CONFIG, r"  min_chars:[^\n]*\n", ""),
        ),
        "clean_shards",
    ),
    Row(
        "description of a knob",
        edit("domainlm/config.py", r'description="LoRA rank"', 'description="rank of LoRA"'),
        NOTHING,
    ),
    # configuration
    Row("knob of a data stage", knob("clean_shards", "min_chars", "41"), "clean_shards"),
    Row("knob of a training stage", knob("pt_adapter", "learning_rate", "2e-3"), "pt_adapter"),
    Row("knob of the later adapter", knob("sft_adapter", "rank", "8"), "sft_adapter"),
    Row("number written otherwise", knob("pt_adapter", "learning_rate", "1e-3"), NOTHING),
    Row("default left out", edit(CONFIG, r"  min_chars:[^\n]*\n", ""), NOTHING),
    Row("order of keys, comments, quotes", written_anew, NOTHING),
    Row("comment on a knob", edit(CONFIG, r"# LoRA rank", "# rank of LoRA"), NOTHING),
    Row("seed", edit(CONFIG, r"^seed: 17", "seed: 18"), SEEDED),
    Row("language", edit(CONFIG, r"^language: en", "language: zh"), "sft_dataset eval_results"),
    Row("relay: other inputs too", knob("sft_adapter", "relay", "none"), "sft_adapter eval_results eval_report"),
    Row("system prompt", knob("sft_tokens", "system_prompt", "null"), "sft_tokens eval_results"),
    Row("number of shards", knob("raw_corpus", "shards", "3"), "raw_corpus documents clean_shards"),
    Row("title of the report", knob("eval_report", "title", "Medicine"), "eval_report"),
    Row("another domain's file", append("config/domains/sklearn_docs.yaml", "seed: 3\n"), NOTHING),
    # inputs
    Row("byte of a raw file", edit(STYLE, r"[a-z](?=[^\n]*\n)", "Q"), "raw_corpus"),
    Row(
        "name of a raw file",
        lambda project: (project / STYLE).rename(project / "data/instruction/b.jsonl"),
        "raw_corpus",
    ),
    Row("time of a raw file", lambda project: os.utime(project / STYLE, (1, 1)), NOTHING),
    Row("new raw file", lambda project: (project / "data/instruction/new.txt").write_text("text"), "raw_corpus"),
    Row("hidden file beside it", lambda project: (project / "data/instruction/.new.txt").write_text("text"), NOTHING),
    Row("folder moved as a whole", move_folder, NOTHING),
    Row("licence of a local source", edit(CONFIG, r"(  style:.*?licence: )Apache-2.0", r"\1MIT"), "raw_corpus"),
    Row("licence of a fetched source", edit(CONFIG, r"licence: CC-BY-SA-3.0", "licence: unknown"), "raw_corpus"),
    Row("name of a source", edit(CONFIG, r"^  style:", "  manner:"), "raw_corpus"),
    Row("digest of a fetched source", edit(CONFIG, r"(  hpo:.*?sha256: )\w{4}", r"\g<1>0000"), "raw_corpus"),
    Row("digest of the base model", edit(CONFIG, r"(  smollm2:.*?sha256: )\w{4}", r"\g<1>0000"), "base_model"),
    # lock files
    Row(
        "version of one stage's distribution",
        edit("envs/cpu.lock", r"^datasketch==\S+", "datasketch==9.9"),
        "unique_shards",
    ),
    Row(
        "version of many stages' distribution",
        edit("envs/cpu.lock", r"^tokenizers==\S+", "tokenizers==9.9"),
        f"{TORCH} corpus_split pt_tokens sft_tokens",
    ),
    Row("version of torch", edit("envs/torch.lock", r"^torch==\S+", "torch==9.9"), TORCH),
    Row("build of torch: cpu", edit("envs/torch.lock", r"^(torch==\S+)", r"\1+cpu"), NOTHING),
    Row("build of torch: cuda", edit("envs/torch.lock", r"^(torch==\S+)", r"\1+cu130"), NOTHING),
    Row("version of an unused distribution", edit("envs/cpu.lock", r"^aiohttp==\S+", "aiohttp==9.9"), NOTHING),
    Row("digest in a lock file", edit("envs/cpu.lock", r"(^datasketch==\S+.*?sha256:)\w{4}", r"\g<1>0000"), NOTHING),
    Row("what CUDA adds", append("envs/gpu.lock", "deepspeed==9.9\n"), NOTHING),
    # environment
    Row(
        "rules and profiles",
        both(append("rules/text.smk", "# more\n"), append("profiles/local/config.yaml", "jobs: 3\n")),
        NOTHING,
    ),
    Row(
        "locale, time zone, hash seed, cores",
        nothing,
        NOTHING,
        {"LC_ALL": "tr_TR.UTF-8", "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "3"},
    ),
    Row("a home folder and a user of another name", nothing, NOTHING, {"HOME": "/nowhere", "USER": "somebody"}),
]


def start(environment: dict[str, str]) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOMAINLM_", "PYTHONPATH"))}
    return subprocess.Popen(
        [sys.executable, "-c", ACTIONS],
        env={**kept, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def ask(process: subprocess.Popen[str], project: Path) -> dict[str, Any]:
    """The actions of a project."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{project}\n")
    process.stdin.flush()
    found = json.loads(process.stdout.readline())
    assert isinstance(found, dict), found
    return found


@pytest.fixture(scope="module")
def process() -> Iterator[subprocess.Popen[str]]:
    with start({}) as found:
        yield found


def contents(project: Path) -> dict[Path, bytes]:
    files = (path for path in project.rglob("*") if path.is_file() and ".domainlm" not in path.parts)
    return {path: path.read_bytes() for path in files}


@dataclass(frozen=True)
class Original:
    """The project as it is, the bytes of its files, and its actions."""

    project: Path
    files: dict[Path, bytes]
    actions: dict[str, Any]


@pytest.fixture(scope="module")
def original(
    process: subprocess.Popen[str], copy_tree: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory
) -> Original:
    project = copy_tree(tmp_path_factory.mktemp("mutations") / "project")
    return Original(project, contents(project), ask(process, project))


@pytest.fixture
def project(original: Original) -> Iterator[Path]:
    """The project, to be changed; its index of modules stays, so that a row also tells whether that is trusted wrongly."""
    yield original.project
    for path in contents(original.project).keys() - original.files.keys():
        path.unlink()
    for path, data in original.files.items():
        if not path.exists() or path.read_bytes() != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def changed_artifacts(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {name.split()[0] for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_change_reaches_these_artifacts_and_no_others(
    row: Row, original: Original, project: Path, process: subprocess.Popen[str]
) -> None:
    row.change(project)
    if row.environment:
        shutil.rmtree(project / ".domainlm")
        with start(row.environment) as own:
            after = ask(own, project)
    else:
        after = ask(process, project)
    assert changed_artifacts(original.actions, after) == set(row.expected.split())


def test_another_folder_asks_for_the_same(
    original: Original, process: subprocess.Popen[str], copy_tree: Callable[[Path], Path], tmp_path: Path
) -> None:
    assert ask(process, copy_tree(tmp_path / "a folder with spaces, ü")) == original.actions


def test_the_table_knows_every_artifact(original: Original) -> None:
    assert {name.split()[0] for name in original.actions} == set(ALL.split())
    # each is reached by a row of its own, not only by the rows that reach all
    assert {name for row in ROWS if row.expected != ALL for name in row.expected.split()} == set(ALL.split())


@pytest.mark.parametrize("shard", ["0000", "0001"])
def test_a_changed_raw_file_reaches_its_own_shard_only(
    shard: str, original: Original, project: Path, process: subprocess.Popen[str]
) -> None:
    number = next(n for n in range(100) if shard_of("style", f"{n}.txt", 0, 2) == int(shard))
    (project / "data/instruction" / f"{number}.txt").write_text("text")
    after = ask(process, project)
    assert [name for name in after if after[name] != original.actions[name]] == [f"raw_corpus {shard}"]
