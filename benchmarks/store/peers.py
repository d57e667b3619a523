"""The store side by side with DVC alone and with plain Snakemake rules whose outputs are folders.

In: a number of raw files. Out: Markdown tables of seconds, CPU seconds and ratios, and the bytes that a fresh clone moves.
All three build the same artifacts with the same stage functions from the same raw files: documents, clean_shards,
unique_shards. What differs is who decides what has to run. Each form is written as its tool's users write it: DVC tracks the
raw folder (`dvc add`), the stages' modules and parameters; plain rules list every raw file and the step's module as
inputs. Scenarios run once per tool and round, the tools in turn; medians count. Only ratios carry over to another machine.

    python benchmarks/store/peers.py
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from checkout import Cost, copy_repository, run
from scale import raw_text, say

TARGET = "unique_shards"
# the same shards for all
SHARDS = 2
DOMAIN = """\
sources:
  peers_corpus: {{role: corpus, local: data/raw, licence: CC0-1.0}}
  peers_model: {{role: base_model, local: data/model, licence: CC0-1.0}}
  wikipedia: null
  scikit_learn_docs: null
  style: null
raw_corpus: {{shards: {shards}}}
clean_shards: {{min_chars: 40}}
corpus_split: {{replay_share: 0.0}}
"""
PARAMETERS = "documents: {}\nclean_shards: {min_chars: 40}\nunique_shards: {}\n"
EDITED = "domainlm/stages/clean_shards.py"
DVC_PIPELINE = """\
stages:
  documents:
    cmd: python step.py documents
    deps: [data/raw, step.py, domainlm/stages/documents.py]
    params: [documents]
    outs: [built/documents]
  clean_shards:
    cmd: python step.py clean_shards
    deps: [built/documents, step.py, domainlm/stages/clean_shards.py]
    params: [clean_shards]
    outs: [built/clean_shards]
  unique_shards:
    cmd: python step.py unique_shards
    deps: [built/clean_shards, step.py, domainlm/stages/unique_shards.py]
    params: [unique_shards]
    outs: [built/unique_shards]
"""
SNAKEFILE = """\
from pathlib import Path


configfile: "params.yaml"


rule unique_shards:
    input:
        "built/clean_shards", "step.py", "domainlm/stages/unique_shards.py"
    output:
        directory("built/unique_shards")
    params:
        section=config["unique_shards"]
    shell:
        "python step.py unique_shards"


rule clean_shards:
    input:
        "built/documents", "step.py", "domainlm/stages/clean_shards.py"
    output:
        directory("built/clean_shards")
    params:
        section=config["clean_shards"]
    shell:
        "python step.py clean_shards"


rule documents:
    input:
        sorted(map(str, Path("data/raw").rglob("*.txt"))), "step.py", "domainlm/stages/documents.py"
    output:
        directory("built/documents")
    params:
        section=config["documents"]
    threads: 2
    shell:
        "python step.py documents"
"""
STEP = '''\
"""One step without a store: `python step.py ARTIFACT` writes built/ARTIFACT with the project's own stage functions."""

import hashlib
import importlib
import json
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import yaml

from domainlm.config.domain import DomainConfig
from domainlm.contract import Inputs, Resources
from domainlm.raw.segments import shard_of

RAW, SHARDS = Path("data/raw"), {shards}
ARTIFACTS = ["documents", "clean_shards", "unique_shards"]


def inventory(shard):
    labels = dict(source="peers_corpus", role="corpus", origin="local", format="txt", member=None, archive=None, start=0)
    labels |= dict(licence="CC0-1.0", authority="unlabelled", stance="unlabelled", package=None, version=None)
    for path in sorted(RAW.rglob("*.txt")):
        name = path.relative_to(RAW).as_posix()
        if shard_of("peers_corpus", name, 0, SHARDS) == shard:
            data = path.read_bytes()
            yield {{**labels, "path": name, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "end": len(data)}}


def build(artifact, shard, config):
    stage = importlib.import_module(f"domainlm.stages.{{artifact}}")
    out, scratch = Path("built", artifact), Path("scratch", artifact)
    above = {{name: Path("built", name) for name in ARTIFACTS}}
    function = stage.run
    if artifact != "unique_shards":
        folders = [f"{{number:04d}}" for number in range(SHARDS)]
        above = {{name: out / name for name in folders}}
        if shard is not None:
            out, scratch, function = out / folders[shard], scratch / folders[shard], stage.run_shard
            above = {{"raw_corpus": scratch, "documents": Path("built/documents", folders[shard])}}
    out.mkdir(parents=True, exist_ok=True)
    scratch.mkdir(parents=True, exist_ok=True)
    if artifact == "documents" and shard is not None:
        (scratch / "inventory.jsonl").write_text("".join(json.dumps(row) + "\\n" for row in inventory(shard)))
    inputs = Inputs(above, lambda row: (RAW / row["path"]).open("rb"))
    function(inputs, config, out, scratch, Resources(log=lambda _: None))
    shutil.rmtree(scratch)


if __name__ == "__main__":
    artifact = sys.argv[1]
    section = getattr(DomainConfig(), artifact).model_dump(mode="json") | yaml.safe_load(open("params.yaml"))[artifact]
    config = {{"section": section}}
    shutil.rmtree(f"built/{{artifact}}", ignore_errors=True)
    if artifact != "unique_shards":
        with ProcessPoolExecutor(SHARDS) as pool:
            list(pool.map(build, [artifact] * SHARDS, range(SHARDS), [config] * SHARDS))
    build(artifact, None, config)
'''


@dataclass
class Tool:
    """One of the three. run: brings the target up to date. knobs: file that holds clean_shards.min_chars."""

    name: str
    root: Path
    run: tuple[str, ...]
    knobs: str
    # of a fresh clone: what brings the target where the remote is full
    restore: tuple[str, ...]
    variables: dict[str, str] = field(default_factory=dict)

    def timed(self, *command: str, root: Path | None = None) -> Cost:
        """Run a command. Ends the benchmark where it fails."""
        root = root or self.root
        return run(root, *command, variables=self.variables)[0]

    def build(self) -> Cost:
        return self.timed(*self.run)

    def replace(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text(encoding="utf-8")
        assert old in text, (name, old)
        (self.root / name).write_text(text.replace(old, new, 1), encoding="utf-8")

    def documents(self) -> bytes:
        """The target's main file: the same in all three, or the comparison is of different work."""
        found = [
            *self.root.glob(f"artifacts/*/{TARGET}/documents.parquet"),
            *self.root.glob(f"built/{TARGET}/*.parquet"),
        ]
        return found[0].read_bytes()


Figures = dict[str, dict[str, list[Cost]]]
CLONE = "fresh clone, full remote"


def main() -> None:
    parser = argparse.ArgumentParser(description="No-op, edits and clones beside DVC and plain Snakemake")
    parser.add_argument("--raw-files", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="work here, which must not exist, and keep everything")
    options = parser.parse_args()
    work = options.folder or Path(tempfile.mkdtemp(prefix="store-peers-"))
    try:
        compare(work, options.raw_files, options.rounds)
    finally:
        if options.folder is None:
            shutil.rmtree(work)


def compare(work: Path, raw_files: int, rounds: int) -> None:
    tools = [make_domainlm(work / "domainlm"), make_dvc(work / "dvc"), make_plain(work / "snakemake")]
    for tool in tools:
        make_common(tool.root, raw_files)
    figures: Figures = {}
    own: dict[str, list[Cost]] = {}
    dvc = tools[1]
    own["`dvc add data/raw`, first time"] = [dvc.timed("dvc", "add", "-q", "data/raw")]
    each(figures, "everything, first time", tools, Tool.build)
    for turn in range(rounds):
        order = tools[turn % 3 :] + tools[: turn % 3]
        for name, change in CHANGES.items():
            each(figures, name, order, Tool.build, at_turn(change, turn))
        own.setdefault("`dvc add data/raw`, nothing changed", []).append(dvc.timed("dvc", "add", "-q", "data/raw"))
        own.setdefault("`dvc status`, nothing changed", []).append(dvc.timed("dvc", "status", "-q"))
        say(f"round {turn + 1} of {rounds} done")
    if len({tool.documents() for tool in tools}) != 1:
        raise SystemExit("the three did not build the same documents, so their times do not compare")
    moved = clone(work, tools, rounds, figures)
    print(f"\n{raw_files} raw files, {os.cpu_count()} cores, medians of {rounds} rounds; in brackets: CPU seconds\n")
    print(table(figures, [tool.name for tool in tools]))
    print("\n| DVC's own commands | seconds | CPU seconds |\n|---|---|---|")
    for name, costs in own.items():
        print(f"| {name} | {middle(costs).seconds:.2f} | {middle(costs).cpu_seconds:.2f} |")
    print(f"\n| {CLONE} | bytes moved |\n|---|---|")
    for name, size in moved.items():
        print(f"| {name} | {size:,} |")


def each(
    figures: Figures,
    scenario: str,
    tools: list[Tool],
    measured: Callable[[Tool], Cost],
    before: Callable[[Tool], None] = lambda tool: None,
) -> None:
    for tool in tools:
        before(tool)
        figures.setdefault(scenario, {}).setdefault(tool.name, []).append(measured(tool))


# --- what changes before each timed build ---


def nothing(tool: Tool, turn: int) -> None:
    return None


def edit_comment(tool: Tool, turn: int) -> None:
    with (tool.root / EDITED).open("a", encoding="utf-8") as file:
        file.write(f"# seen in round {turn}\n")


def flip_back(tool: Tool, turn: int) -> None:
    """Another value is built, then the old one comes back; a build with the old value follows."""
    tool.replace(tool.knobs, "min_chars: 40", "min_chars: 200")
    tool.build()
    tool.replace(tool.knobs, "min_chars: 200", "min_chars: 40")


def change_raw_file(tool: Tool, turn: int) -> None:
    path = sorted((tool.root / "data/raw").rglob("*.txt"))[turn]
    path.write_text(raw_text(-turn - 1), encoding="utf-8")


CHANGES: dict[str, Callable[[Tool, int], None]] = {
    "nothing to do": nothing,
    "a comment edited": edit_comment,
    "a knob flipped and flipped back": flip_back,
    "one raw file changed": change_raw_file,
}


def at_turn(change: Callable[[Tool, int], None], turn: int) -> Callable[[Tool], None]:
    return lambda tool: change(tool, turn)


# --- the three projects ---


def make_common(root: Path, raw_files: int) -> None:
    for number in range(raw_files):
        path = root / "data/raw" / f"{number // 100:04d}" / f"{number:06d}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        # of different lengths, so that the knob matters to some
        texts = [raw_text(number + 1_000_000 * part) for part in range(1 + number % 5)]
        path.write_text("".join(texts), encoding="utf-8")


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=Benchmark", "-c", "user.email=benchmark@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, stdout=subprocess.DEVNULL)


def make_domainlm(root: Path) -> Tool:
    copy_repository(root)
    (root / "config/domains").mkdir(exist_ok=True)
    (root / "config/domains/peers.yaml").write_text(DOMAIN.format(shards=SHARDS), encoding="utf-8")
    (root / "data/model").mkdir(parents=True)
    (root / "data/model/config.json").write_text("{}", encoding="utf-8")
    git(root, "init", "-q")
    run = ("snakemake", "--cores", "all", TARGET, "--config", "domain=peers")
    return Tool("domainlm", root, run, "config/domains/peers.yaml", run)


def make_peer(root: Path) -> None:
    copy_repository(root)
    for name in ("Snakefile", "dvc.yaml", "dvc.lock"):
        (root / name).unlink(missing_ok=True)
    shutil.rmtree(root / "profiles")
    (root / "params.yaml").write_text(PARAMETERS, encoding="utf-8")
    (root / "step.py").write_text(STEP.format(shards=SHARDS), encoding="utf-8")
    git(root, "init", "-q")


def make_dvc(root: Path) -> Tool:
    make_peer(root)
    (root / "dvc.yaml").write_text(DVC_PIPELINE, encoding="utf-8")
    return Tool("DVC alone", root, ("dvc", "repro", "-q"), "params.yaml", ("dvc", "pull", "-q"))


def make_plain(root: Path) -> Tool:
    make_peer(root)
    (root / "Snakefile").write_text(SNAKEFILE, encoding="utf-8")
    with (root / ".gitignore").open("a", encoding="utf-8") as file:
        file.write("/built/\n/scratch/\n")
    run = ("snakemake", "--cores", "all", TARGET)
    return Tool("plain Snakemake", root, run, "params.yaml", run)


# --- fresh clones ---


def clone(work: Path, tools: list[Tool], rounds: int, figures: Figures) -> dict[str, int]:
    """Push, commit, clone, restore; returns bytes moved. Raw files come with git but to DVC, which tracks them itself."""
    domainlm, dvc, _ = tools
    domainlm.variables["DOMAINLM_REMOTE"] = str(work / "domainlm-remote")
    dvc.timed("dvc", "remote", "add", "-q", "-d", "full", str(work / "dvc-remote"))
    for tool in tools:
        git(tool.root, "add", "--all")
        git(tool.root, "commit", "-q", "-m", "Built")
    own = {
        "`domainlm push`": domainlm.timed(sys.executable, "-m", "domainlm", "push", "--domain", "peers"),
        "`dvc push`": dvc.timed("dvc", "push", "-q"),
    }
    for name, cost in own.items():
        say(f"{name}: {cost.seconds:.1f} s, {cost.cpu_seconds:.1f} s of CPU")
    moved: dict[str, int] = {}
    for turn in range(rounds):
        for tool in tools:
            folder = fresh(tool, turn)
            expected = tool.documents()
            figures.setdefault(CLONE, {}).setdefault(tool.name, []).append(tool.timed(*tool.restore, root=folder))
            if replace(tool, root=folder).documents() != expected:
                raise SystemExit(f"{tool.name}: a fresh clone got other documents")
            if tool is domainlm:
                store = folder / ".dvc/domainlm-store"
                found = {name: size_of(store / name) for name in ("objects", "actions")}
                moved["domainlm: the target's files"] = found["objects"]
                moved["domainlm: records of all that it was made from"] = found["actions"]
            elif tool is dvc:
                moved["DVC alone, `dvc pull`: every output and the raw files"] = size_of(folder / ".dvc/cache")
            shutil.rmtree(folder)
    moved["plain Snakemake: no remote, everything is built again"] = 0
    folder = fresh(dvc, rounds)
    cost = dvc.timed("dvc", "pull", "-q", TARGET, root=folder)
    moved[f"DVC alone, `dvc pull {TARGET}`: the one output by name ({cost.seconds:.2f} s)"] = size_of(
        folder / ".dvc/cache"
    )
    return moved


def fresh(tool: Tool, turn: int) -> Path:
    folder = tool.root.with_name(f"{tool.root.name}-clone{turn}")
    git(tool.root, "clone", "-q", "--no-hardlinks", str(tool.root), str(folder))
    return folder


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


# --- tables ---


def middle(costs: list[Cost]) -> Cost:
    return Cost(statistics.median(c.seconds for c in costs), statistics.median(c.cpu_seconds for c in costs))


def table(figures: Mapping[str, Mapping[str, list[Cost]]], names: list[str]) -> str:
    """Seconds, and how many times domainlm's each peer takes."""
    ours, *peers = names
    lines = [f"| | {' | '.join(f'{name}, s' for name in names)} | {' | '.join(f'{name} / {ours}' for name in peers)} |"]
    lines.append("|---" * (1 + len(names) + len(peers)) + "|")
    for scenario, costs in figures.items():
        found = {name: middle(costs[name]) for name in names}
        cells = [f"{found[name].seconds:.2f} ({found[name].cpu_seconds:.2f})" for name in names]
        cells += [f"{found[name].seconds / found[ours].seconds:.2f}" for name in peers]
        lines.append(f"| {scenario} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
