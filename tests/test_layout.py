"""Rule zero (one name everywhere), the direction of imports, and what must agree between files."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

from domainlm.config.domain import DomainConfig
from domainlm.config.resolve import load_yaml, resolve
from domainlm.pipeline.graph import is_part, stage_inputs
from domainlm.pipeline.table import BY_NAME, PACKAGE_ROOT, STAGES
from domainlm.store.imports import reached_by_name
from domainlm.workflow.dvc import pipeline_text
from domainlm.workflow.rules import rule_files

PACKAGE = PACKAGE_ROOT / "domainlm"
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_FIRST_LINE_WORDS = 12
ARTIFACTS = [stage.name for stage in STAGES]
# rooms of tests, and single ones, that are of many modules
TESTS_OF_MANY_MODULES = {
    "attacks",
    "docs/test_pages.py",
    "pipeline",
    "store/test_faults.py",
    "test_code_digest_versions.py",
    "test_layout.py",
    "walk",
}
# without those that the default domain does without (tests/workflow/test_dvc.py has a domain with them)
DEFAULT_ARTIFACTS = [stage.name for stage in STAGES if is_part(stage, resolve(PACKAGE_ROOT, {}))]
# lowest first; a room may import from itself and from what stands before its line in its own wing, and from what lies between
BETWEEN = ("loading", "contract wording", "terminal config")
STAGE_CODE = ("raw", "text", "tokens", "models", "training instruction", "evaluation", "report", "stages")
ENGINE = (
    "store",
    "sources",
    "pipeline",
    "builder",
    "workflow explain",
    "upkeep scaffold",
    "commands",
    "cli",
    "__main__",
)
MAX_FUNCTION_LINES = 80
MAX_TEST_LINES = 420
ROOMS = {name for wing in (BETWEEN, STAGE_CODE, ENGINE) for line in wing for name in line.split()}


def before(wing: tuple[str, ...], room: str) -> set[str]:
    """Rooms of the wing's earlier lines."""
    line = next(line for line in wing if room in line.split())
    return {name for earlier in wing[: wing.index(line)] for name in earlier.split()}


def may_import(room: str) -> set[str]:
    """Rooms that a room's modules may import from."""
    own, stage_code = {room}, {name for line in STAGE_CODE for name in line.split()}
    if room == "store":
        # it knows nothing of what it stores
        return own
    if any(room in line.split() for line in BETWEEN):
        # errors mask secrets, which the store knows
        return before(BETWEEN, room) | own | ({"store"} if room == "config" else set())
    if room in stage_code:
        # stages do not import each other
        return before(STAGE_CODE, room) | {"contract", "config"} | (own - {"stages"})
    # only `build` runs stages, and finds them by name in the stage table
    return (
        before(ENGINE, room)
        | ROOMS & {"loading", "contract", "wording", "terminal", "config"}
        | own
        | (stage_code - {"stages"})
    )


def group_of(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def tree_of(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


def imported_groups(module: Path) -> set[str]:
    """First name below the package of everything that a module imports from it, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name.split(".")[1] for name in names if name.startswith("domainlm.")}


@cache
def rules() -> dict[str, str]:
    """Text of every rule, by its name."""
    found: dict[str, str] = {}
    for file in sorted(PACKAGE_ROOT.glob("rules/*.smk")):
        for part in re.split(r"^rule ", file.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            name, text = part.split(":", 1)
            assert name not in found
            found[name] = text
    return found


def pins(name: str) -> dict[str, str]:
    """Distribution -> version of a lock file."""
    lines = (PACKAGE_ROOT / "envs" / f"{name}.lock").read_text(encoding="utf-8").splitlines()
    return {line.split("==")[0]: line.split("==")[1].split()[0] for line in lines if re.match(r"[A-Za-z0-9]", line)}


@pytest.mark.parametrize("artifact", ARTIFACTS)
def test_rule_zero(artifact: str) -> None:
    stage = BY_NAME[artifact]
    dvc_stages = load_yaml((PACKAGE_ROOT / "dvc.yaml").read_text(encoding="utf-8"), "dvc.yaml")["stages"]
    assert (PACKAGE / "stages" / f"{artifact}.py").is_file()
    assert (PACKAGE_ROOT / "tests/stages" / f"test_{artifact}.py").is_file()
    assert artifact in DomainConfig.model_fields
    if artifact in DEFAULT_ARTIFACTS:
        assert dvc_stages[artifact]["outs"] == [f"artifacts/medical/{artifact}"]
    for rule in (artifact, f"{artifact}_shard") if stage.is_sharded else (artifact,):
        named = set(re.findall(r'DOMAIN\.\w+\("(\w+)"', rules()[rule])) | set(
            re.findall(r'BUILD \+ "(\w+)', rules()[rule])
        )
        upstream = {name for edge in stage.inputs for name in edge.names}
        assert artifact in named
        assert named <= {artifact, *upstream}


def test_nothing_else_has_a_rule_a_module_or_a_dvc_stage() -> None:
    sharded = [f"{stage.name}_shard" for stage in STAGES if stage.is_sharded]
    assert sorted(rules()) == sorted([*ARTIFACTS, *sharded])
    modules = [path.stem for path in (PACKAGE / "stages").glob("*.py") if path.stem != "__init__"]
    assert sorted(modules) == sorted(ARTIFACTS)
    dvc_stages = load_yaml((PACKAGE_ROOT / "dvc.yaml").read_text(encoding="utf-8"), "dvc.yaml")["stages"]
    assert list(dvc_stages) == DEFAULT_ARTIFACTS


@pytest.mark.parametrize("relay", ["merge", "continue", "none"])
def test_the_table_is_in_pipeline_order(relay: str) -> None:
    config = DomainConfig.model_validate({"sft_adapter": {"relay": relay}})
    for position, stage in enumerate(STAGES):
        assert set(stage_inputs(stage, config)) <= set(ARTIFACTS[:position])


def test_package_data_is_there_and_shipped() -> None:
    declared = {PACKAGE_ROOT / name for stage in STAGES for name in stage.package_data}
    assert all(path.is_file() for path in declared)
    others = {path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert others == declared


@pytest.mark.parametrize("path", sorted((PACKAGE / "text").rglob("*.py")), ids=lambda path: path.stem)
def test_patterns_do_not_ask_the_interpreter_what_a_letter_is(path: Path) -> None:
    """Python's tables change with its version, and to them a Han character is of the word that it stands beside."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    free = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and "re.ASCII" in map(ast.unparse, call.args):
            free |= {id(node) for node in ast.walk(call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in free:
            assert not re.search(r"\\[bBwWdD]", node.value), f"{path.name}:{node.lineno}: {node.value}; add re.ASCII"


def test_a_test_is_named_after_the_module_or_the_room_that_it_tests() -> None:
    tests = PACKAGE_ROOT / "tests"
    names = {path.relative_to(tests) for path in tests.rglob("test_*.py")}
    found = {exception for exception in TESTS_OF_MANY_MODULES for name in names if name.is_relative_to(exception)}
    assert found == TESTS_OF_MANY_MODULES
    for name in names:
        if not any(name.is_relative_to(exception) for exception in TESTS_OF_MANY_MODULES):
            # the pages' generators lie in docs/, set-up in envs/
            root = PACKAGE_ROOT if name.parts[0] in ("docs", "envs") else PACKAGE
            tested = root / name.parent / name.name.removeprefix("test_")
            assert tested.is_file() or tested.with_suffix("").is_dir(), f"tests/{name}: there is no {tested}"


def test_no_benchmark_imports_from_the_tests() -> None:
    """What a benchmark measures must not move with the tests' material."""
    of_tests = {path.stem for path in (PACKAGE_ROOT / "tests").iterdir()}
    for path in (PACKAGE_ROOT / "benchmarks").rglob("*.py"):
        for node in ast.walk(tree_of(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            own = [name for name in names if name.split(".")[0] in of_tests | {"tests"}]
            assert not own, f"{path.relative_to(PACKAGE_ROOT)} imports {own}"


@pytest.mark.parametrize("rule", rules())
def test_a_rule_is_wiring(rule: str) -> None:
    text = rules()[rule]
    # what comes in from outside has no inputs
    has_inputs = BY_NAME[rule.removesuffix("_shard")].inputs or rule == "raw_corpus"
    for part in (*(["input"] if has_inputs else []), "output", "log", "benchmark", "threads", "resources", "shell"):
        assert re.search(rf"^    {part}:", text, flags=re.MULTILINE), part
    assert "mem_mb=" in text
    assert re.search(r"output:\s+update\(DOMAIN\.manifest\(", text)
    assert not re.search(r"^    (run|script|notebook|wrapper|conda|container|cache):", text, flags=re.MULTILINE)
    assert "directory(" not in text


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_point_one_way(module: Path) -> None:
    room = group_of(module)
    assert imported_groups(module) <= ({"loading"} if room == "__init__" else may_import(room))


def test_every_room_has_a_place_and_every_place_a_room() -> None:
    assert {group_of(module) for module in MODULES} == ROOMS | {"__init__"}


@pytest.mark.parametrize("module", [m for m in MODULES if m.name == "__init__.py"], ids=lambda path: path.parent.name)
def test_a_package_s_own_file_holds_a_docstring_only(module: Path) -> None:
    tree = tree_of(module)
    assert ast.get_docstring(tree)
    installs = ["from domainlm.loading import install", "install()"]
    assert [ast.unparse(node) for node in tree.body[1:]] == (installs if module.parent == PACKAGE else [])


@pytest.mark.parametrize("room", [name for line in STAGE_CODE for name in line.split()])
def test_the_code_of_stages_imports_nothing_by_name(room: str) -> None:
    """A run refuses it, too; here it is checked of modules that no stage imports yet."""
    for module in (PACKAGE / room).rglob("*.py"):
        found = [place for place in reached_by_name(tree_of(module)) if not place.endswith(": __file__")]
        assert not found, (module.relative_to(PACKAGE_ROOT), found)


def test_importing_every_stage_leaves_torch_out() -> None:
    code = "import sys\n" + "".join(f"import domainlm.stages.{name}\n" for name in ARTIFACTS)
    code += "print(sorted({'torch', 'transformers', 'peft', 'lm_eval', 'datasets', 'pyarrow'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PACKAGE_ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_docstrings_begin_with_a_short_line() -> None:
    for module in MODULES:
        for node in ast.walk(tree_of(module)):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
                first = text.partition("\n")[0]
                assert len(first.split()) <= MAX_FIRST_LINE_WORDS, f"{module}: {first}"


def test_no_group_is_repeated_possessively() -> None:
    """Python 3.11.0 to 3.11.4 match `(…)*+` wrongly (gh-106052); `(?>(…)*)` says the same, and is right in all."""
    for module in MODULES:
        for node in ast.walk(tree_of(module)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
                text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
                outside_classes = re.sub(r"\[\^?\]?(?:\\.|[^\\\]])*\]", "x", text)
                assert not re.search(r"\)(?:[*+?]|\{[0-9,]+\})\+", outside_classes), (module, text)


def test_modules_have_a_docstring_and_stay_short() -> None:
    for module in MODULES:
        assert ast.get_docstring(tree_of(module)), module
        assert len(module.read_text(encoding="utf-8").splitlines()) < 330, module


def test_modules_of_tests_stay_short() -> None:
    """What is longer asks of several things: each gets a module, beside what it asks."""
    tests = PACKAGE_ROOT / "tests"
    lines = {
        path.relative_to(tests).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in sorted(tests.rglob("*.py"))
    }
    assert {name: count for name, count in lines.items() if count >= MAX_TEST_LINES} == {}


def test_the_default_configuration_names_every_knob_with_its_default_and_its_meaning() -> None:
    text = (PACKAGE_ROOT / "config/config.yaml").read_text(encoding="utf-8")
    values = load_yaml(text, "config/config.yaml")
    del values["sources"]
    expected = DomainConfig().model_dump(mode="json", exclude={"sources", "extends"})
    assert values == expected
    assert list(values) == list(expected)
    section = ""
    found: dict[tuple[str, str], str] = {}
    for line in text.splitlines():
        top, knob = re.match(r"(\w+):", line), re.match(r"  (\w+): .*?  # (.+)$", line)
        if top:
            section = top[1]
        elif knob:
            found[section, knob[1]] = knob[2]
    for name in ARTIFACTS:
        fields = type(getattr(DomainConfig(), name)).model_fields
        described = {key: found.get((name, key)) for key in fields}
        assert described == {key: field.description for key, field in fields.items()}
        assert list(values[name]) == list(fields)


def test_pins_of_the_project_are_those_of_the_lock_files() -> None:
    project = tomllib.loads((PACKAGE_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    core = pins("cpu") | pins("torch")
    # the tests need s3 and ssh
    extras_of = {
        "cpu": ["development", "s3", "ssh"],
        "gpu": ["gpu"],
        "extras": ["slurm", "kubernetes"],
        "benchmarks": ["benchmarks"],
    }
    assert sorted(name for names in extras_of.values() for name in names) == sorted(extras)
    for lock, names in extras_of.items():
        wanted = [pin for name in names for pin in extras[name]]
        wanted += project["dependencies"] if lock == "cpu" else []
        locked = core if lock == "cpu" else pins(lock)
        for pin in wanted:
            name, version = pin.split("==")
            assert locked.get(name) == version


def test_every_distribution_of_the_stage_table_is_locked() -> None:
    locked = pins("cpu") | pins("torch")
    assert {name for stage in STAGES for name in stage.distributions} <= set(locked)


def test_no_machine_s_paths_and_no_registry_s_hosts_are_in_the_tree() -> None:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(command, cwd=PACKAGE_ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("not a git checkout")
    # written so that this file does not hold what it looks for
    machine = r"(?<![\w.$}>-])/(?:work|root|home/\w+|tmp/lab)" + r"/"
    hosts = r"https?://[\w.@:-]*(?:py" + r"pi|pythonhosted|npmjs|registry|artifactory|nexus|mirror)"
    pattern = re.compile(f"{machine}|{hosts}")
    found = []
    for name in filter(None, done.stdout.split("\0")):
        path = PACKAGE_ROOT / name
        if path.is_file():
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            found += [f"{name}:{number}: {line}" for number, line in enumerate(lines, 1) if pattern.search(line)]
    assert not found


def test_rules_are_what_is_generated() -> None:
    files = rule_files()
    assert set(files) == set(PACKAGE_ROOT.glob("rules/*.smk")) - {PACKAGE_ROOT / "rules/domain.smk"}
    for path, text in files.items():
        assert path.read_text(encoding="utf-8") == text, "run: python -m domainlm.workflow.rules"


def test_dvc_yaml_is_what_is_generated() -> None:
    path, text = pipeline_text(PACKAGE_ROOT)
    assert path == "dvc.yaml"
    assert (PACKAGE_ROOT / path).read_text(encoding="utf-8") == text, "run: python -m domainlm.workflow.dvc"


def test_text_is_put_into_normal_form_in_one_place() -> None:
    # by itself it takes quadratic time on runs of combining marks
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in MODULES
        if re.search(r"unicodedata(\.| import .*)normalize|is_normalized", path.read_text(encoding="utf-8"))
    }
    # names of a manifest end at 255 bytes
    assert found == {"text/characters.py", "store/manifest.py"}


def test_no_function_is_too_long() -> None:
    """What is longer is several steps: each gets a name."""
    functions = [
        (node.end_lineno - node.lineno + 1, f"{module.relative_to(PACKAGE)}: {node.name}")
        for module in MODULES
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None
    ]
    assert [name for lines, name in functions if lines > MAX_FUNCTION_LINES] == []
