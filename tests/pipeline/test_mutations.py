"""The mutation suite, keys: what each row of the table changes in the keys of a real project.

A project is asked for its actions before and after a change. An artifact is built *again* where its action differs with
its inputs left aside; it *follows* where only its key differs, if every artifact that is built again gives other bytes.
That is the worst case: what really happens, test_mutations_rebuilt.py sees for some rows.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from make_soundness import PAGE, page
from material.interpreters import interpreter
from material.mutation import ALL, ARTIFACTS, INPUTS, NOTHING, Row, following
from material.mutations import KINDS, ROWS
from material.tree_changes import Change, append, edit, nothing

from domainlm.pipeline.table import EXCLUDED_MODULES
from domainlm.raw.segments import shard_of

DAY_NS = 86_400_000_000_000
# reads projects and domains, prints what each one's stamps ask for; what is slow to import is imported once
ASK = """\
import json, os, sys, traceback
import pydantic, yaml

def asked(folder, domain):
    sys.path.insert(0, folder)
    from domainlm.pipeline.table import BY_NAME, PACKAGE_ROOT, package_data_files
    from domainlm.config.resolve import resolve
    from domainlm.pipeline.stamp import action_of
    from domainlm.pipeline.stamps import make_stamps
    assert str(PACKAGE_ROOT) == folder, PACKAGE_ROOT
    stamps = make_stamps(PACKAGE_ROOT, resolve(PACKAGE_ROOT, {} if domain == "medical" else {"domain": domain}))
    return [
        {
            "artifact": stamp.artifact,
            "shard": stamp.shard,
            "folder": stamp.folder,
            "inputs": stamp.inputs,
            "action": action_of(stamp, {}),
            "modules": BY_NAME[stamp.artifact].modules,
            "package_data": [str(path) for path in package_data_files(BY_NAME[stamp.artifact])],
        }
        for stamp in stamps
    ]

for line in sys.stdin:
    if os.fork():
        os.wait()
        continue
    try:
        print(json.dumps(asked(*json.loads(line))), flush=True)
    except BaseException:
        print(json.dumps(traceback.format_exc()), flush=True)
    os._exit(0)
"""
# the same code digests, by an interpreter that has the standard library only
CODE_DIGESTS = """\
import json, sys
from pathlib import Path
root, excluded, stages = json.load(sys.stdin)
sys.path.insert(0, root)
from domainlm.store.code import CodeIndex
code = CodeIndex(Path(root), None, excluded)
print(json.dumps([code.digest(modules, map(Path, data)) for modules, data in stages]))
"""
Stamps = list[dict[str, Any]]


def start(environment: dict[str, str]) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOMAINLM_", "PYTHONPATH"))}
    return subprocess.Popen(
        [sys.executable, "-c", ASK],
        env={**kept, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def ask(process: subprocess.Popen[str], project: Path, domain: str = "medical") -> Stamps:
    """What a domain's stamps ask for, in pipeline order."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps([str(project), domain]) + "\n")
    process.stdin.flush()
    found = json.loads(process.stdout.readline())
    assert isinstance(found, list), found
    return found


def under_another_python(stamps: Stamps, project: Path, python: str) -> Stamps:
    """The stamps with the code digests that another interpreter computes."""
    stages = [[stamp["modules"], stamp["package_data"]] for stamp in stamps]
    done = subprocess.run(
        [python, "-c", CODE_DIGESTS],
        input=json.dumps([str(project), EXCLUDED_MODULES, stages]),
        env={"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    digests = json.loads(done.stdout)
    return [
        {**stamp, "action": {**stamp["action"], "code": digest}} for stamp, digest in zip(stamps, digests, strict=True)
    ]


def name_of(stamp: dict[str, Any]) -> str:
    return stamp["artifact"] if stamp["shard"] is None else f"{stamp['artifact']} {stamp['shard']}"


def keys(stamps: Stamps) -> dict[str, str]:
    """Key of every artifact and shard, where other keys give other bytes."""
    by_folder: dict[str, str] = {}
    for stamp in stamps:
        inputs = {name: by_folder.get(folder, "") for name, folder in stamp["inputs"].items()}
        text = json.dumps({**stamp["action"], "inputs": inputs}, sort_keys=True)
        by_folder[stamp["folder"]] = hashlib.sha256(text.encode()).hexdigest()
    return {name_of(stamp): by_folder[stamp["folder"]] for stamp in stamps}


def differing(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def reached(before: Stamps, after: Stamps) -> dict[str, set[str]]:
    """Artifacts that are built again, and those that follow."""
    own = [{name_of(s): (s["action"], sorted(s["inputs"])) for s in stamps} for stamps in (before, after)]
    again = {name.split()[0] for name in differing(*own)}
    changed = {name.split()[0] for name in differing(keys(before), keys(after))}
    return {"again": again, "follows": changed - again}


def expected(row: Row) -> dict[str, set[str]]:
    again = set(row.again.split())
    return {"again": again, "follows": following(again)}


@pytest.fixture(scope="module")
def process() -> Iterator[subprocess.Popen[str]]:
    with start({}) as found:
        yield found


def contents(project: Path) -> dict[Path, tuple[bytes, int, bool]]:
    """Bytes, mode, and whether it is a link, of every file but what the project keeps for itself."""
    files = (p for p in project.rglob("*") if p.is_file() and not {".domainlm", ".git"} & set(p.parts))
    return {path: (path.read_bytes(), path.stat().st_mode, path.is_symlink()) for path in files}


@dataclass(frozen=True)
class Original:
    """The project as it is, its files, and what its domains' stamps ask for."""

    project: Path
    files: dict[Path, tuple[bytes, int, bool]]
    stamps: dict[str, Stamps]


def is_of_yesterday(path: Path) -> None:
    # an index trusts no file that is younger than two seconds
    time_ns = path.stat().st_mtime_ns - DAY_NS
    os.utime(path, ns=(time_ns, time_ns))


@pytest.fixture(scope="module")
def original(
    process: subprocess.Popen[str],
    fresh_folder: Path,
    copy: Callable[[Path, Path], None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Original:
    project = tmp_path_factory.mktemp("mutations") / "project"
    copy(fresh_folder, project)
    files = contents(project)
    for path in files:
        is_of_yesterday(path)
    return Original(project, files, {domain: ask(process, project, domain) for domain in ("medical", "tiny")})


def restore(original: Original) -> None:
    found = contents(original.project)
    for path in found.keys() - original.files.keys():
        path.unlink()
    for path, (data, mode, _) in original.files.items():
        if found.get(path) != original.files[path]:
            path.unlink(missing_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            path.chmod(mode)
            is_of_yesterday(path)


@pytest.fixture
def project(original: Original) -> Iterator[Path]:
    """The project, to be changed; its indexes stay, so that a row also tells whether they are trusted wrongly."""
    yield original.project
    restore(original)


def outcome(
    row: Row, original: Original, process: subprocess.Popen[str], given: Change | None = None
) -> dict[str, set[str]]:
    """What a row's change reaches. given: what was done to the project before the row began."""
    before = original.stamps[row.domain]
    row.given(original.project)
    if given is not None or row.given is not nothing:
        before = ask(process, original.project, row.domain)
    row.change(original.project)
    if row.environment:
        shutil.rmtree(original.project / ".domainlm", ignore_errors=True)
        with start(row.environment) as own:
            return reached(before, ask(own, original.project, row.domain))
    after = ask(process, original.project, row.domain)
    if row.python:
        python = interpreter(row.python)
        if python is None:
            pytest.skip(f"no Python {row.python} on this machine")
        after = under_another_python(after, original.project, python)
    return reached(before, after)


BY_NAME = {row.name: row for row in ROWS}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_change_reaches_these_artifacts_and_no_others(
    row: Row, original: Original, project: Path, process: subprocess.Popen[str]
) -> None:
    assert outcome(row, original, process) == expected(row)


# what the suite is for, broken on purpose: the change that breaks it, and rows that must notice
BROKEN: dict[str, tuple[Change, list[str]]] = {
    "the code digest is a constant": (
        append("domainlm/store/code.py", "\n\ndef module_digest(source):\n    return ''\n"),
        ["operator", "renamed local variable", "statement in the training module of both adapters"],
    ),
    "the code digest has docstrings": (
        append("domainlm/store/canonical_code.py", "\n\ndef _without_docstring(body):\n    return body\n"),
        ["docstring of a module", "docstring of a function", "docstring of a class"],
    ),
    "the code digest leaves imported modules out": (
        append("domainlm/store/imports.py", "\n\ndef imported_names(tree, module, is_package=False):\n    return set()\n"),
        ["statement in an imported module", "statement in what only a launched module imports"],
    ),
    "launched modules are not counted": (
        edit("domainlm/pipeline/table.py", r"return \(self.module, \*self.launched\)", "return (self.module,)"),
        ["module launched by torchrun, newly declared", "statement in a module launched by torchrun"],
    ),
    "the configuration slice is empty": (
        append("domainlm/pipeline/slices.py", "\n\ndef config_slice(artifact, config, is_shard=False):\n    return {}\n"),
        ["clean_shards.max_chars, which rejects nothing either way", "seed", "eval_report.title"],
    ),
    "the configuration slice is everything": (
        append(
            "domainlm/pipeline/slices.py",
            "\n\ndef config_slice(artifact, config, is_shard=False):\n    return config.model_dump(mode='json')\n",
        ),
        ["sft_adapter.warmup_share", "language", "name of the domain"],
    ),
    "the list of distributions is empty": (
        edit("domainlm/pipeline/stamps.py", r"for name in stage.distributions\}", "for name in ()}"),
        ["version of torch", "version of one stage's distribution"],
    ),
    "the list of distributions is the lock file": (
        edit("domainlm/pipeline/stamps.py", r"for name in stage.distributions\}", "for name in versions}"),
        ["version of one stage's distribution", "version of a distribution that no stage names"],
    ),
    "a version keeps its local build tag": (
        edit("domainlm/pipeline/stamps.py", r'\.split\("\+"\)\[0\]', ""),
        ["local build tag: torch for CPU", "local build tag: numpy"],
    ),
    "raw files count by their time": (
        edit("domainlm/sources/index.py", r"Content\(row\[4\], ", "Content(str(row[1]), "),
        ["time of a raw file", "byte, with time and size kept, in place"],
    ),
    "an index trusts the time that a file shows": (
        edit("domainlm/sources/folders.py", r"found\.st_ctime_ns", "0"),
        ["byte, with time and size kept, in place"],
    ),
    "code is remembered by its name": (
        edit("domainlm/store/code.py", r' or known\["sha256"\] != sha256', ""),
        ["operator, with time and size kept, in place"],
    ),
    "the code digest leaves packages out": (
        edit("domainlm/store/code.py", r'path / "__init__\.py", (path\.with_suffix\("\.py"\))', r"\1,"),
        ["statement in a package's own file", "statement in a package above"],
    ),
    "names that begin alike are taken for one package": (
        edit("domainlm/store/code.py", r'f"\{module\}\."\.startswith\(f"\{group\}\."\)', "module.startswith(group)"),
        ["module whose name begins like the configuration's"],
    ),
    "an input is missing in the stage table": (
        edit("domainlm/pipeline/table.py", r'inputs=\(same\("documents"\),\)', "inputs=()"),
        ["documents.max_section_chars", "byte of a raw file of conversations"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN)
def test_rows_notice_what_is_broken(
    broken: str, original: Original, project: Path, process: subprocess.Popen[str]
) -> None:
    breaks, names = BROKEN[broken]
    unnoticed = []
    for name in names:
        breaks(original.project)
        if outcome(BY_NAME[name], original, process, given=breaks) == expected(BY_NAME[name]):
            unnoticed.append(name)
        restore(original)
    assert not unnoticed


def test_another_folder_asks_for_the_same(
    original: Original, process: subprocess.Popen[str], copy_tree: Callable[[Path], Path], tmp_path: Path
) -> None:
    found = ask(process, copy_tree(tmp_path / "a folder with spaces, ü"))
    assert keys(found) == keys(original.stamps["medical"])


def test_the_table_is_wide_and_even(original: Original) -> None:
    assert len(ROWS) >= 80
    assert max(map(len, KINDS.values())) <= 20
    assert len(BY_NAME) == len(ROWS)
    assert sum(row.rebuilt is not None for row in ROWS) >= 15
    assert all(row.domain == "tiny" for row in ROWS if row.rebuilt is not None)
    for stamps in original.stamps.values():
        # a sharded artifact's first stamp is a shard's; the inputs of the whole one are its shards
        first = {stamp["artifact"]: stamp for stamp in reversed(stamps)}
        assert {name: set(stamp["inputs"]) for name, stamp in first.items()} == {
            name: set(inputs.split()) for name, inputs in INPUTS.items()
        }
    # each artifact is reached by a row of its own, not only by the rows that reach all
    assert {name for row in ROWS if row.again != ALL for name in row.again.split()} == set(ARTIFACTS)
    assert sum(row.again == NOTHING for row in ROWS) >= 30


@pytest.mark.parametrize("shard", ["0000", "0001"])
def test_a_changed_raw_file_reaches_its_own_shard_only(
    shard: str, original: Original, project: Path, process: subprocess.Popen[str]
) -> None:
    number = next(n for n in range(100) if shard_of("style", f"{n}.txt", 0, 2) == int(shard))
    (project / "data/instruction" / f"{number}.txt").write_text("text")
    before, after = original.stamps["medical"], ask(process, project)
    changed = [new["folder"] for old, new in zip(before, after, strict=True) if old["action"] != new["action"]]
    assert changed == [f"artifacts/medical/raw_corpus/{shard}"]


def test_the_published_table_is_this_one(repository: Path) -> None:
    assert (repository / PAGE).read_text(encoding="utf-8") == page(), "run: make docs"
