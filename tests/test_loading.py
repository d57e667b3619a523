"""Real processes that import a small package, whose modules are loaded as domainlm's are."""

from __future__ import annotations

import importlib.util
import os
import py_compile
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from material.interpreters import interpreter

from domainlm import loading

INSTALLS = '"""Package."""\nfrom small.loading import install\n\ninstall()\nSIZE = 3\n'
SHOW = "import small, small.part, small.inner.deep as d; print(small.SIZE, small.part.SIZE, d.SIZE)"
Run = Callable[..., str]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with the package `small`, and with modules of every place."""
    files = {"__init__.py": INSTALLS, "part.py": "SIZE = 3\n", "inner/__init__.py": "", "inner/deep.py": "SIZE = 3\n"}
    for name, text in files.items():
        (tmp_path / "small" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "small" / name).write_text(text)
    shutil.copyfile(str(loading.__file__), tmp_path / "small/loading.py")
    return tmp_path


def run(tree: Path, *arguments: str, python: str = sys.executable, expect: int = 0, **changes: str) -> str:
    """What a new Python prints; of one that fails, its last line."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [python, *(arguments or ("-c", SHOW))]
    environment = {**kept, "PYTHONPATH": str(tree), **changes}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == expect, done.stderr
    return done.stdout.strip() if expect == 0 else done.stderr.strip().splitlines()[-1]


def edit(path: Path) -> None:
    """Another number in place; size and time stay, and so does the file."""
    found, data = path.stat(), path.read_bytes()
    with path.open("r+b") as file:
        file.write(data.replace(b"SIZE = 3", b"SIZE = 4"))
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def caches(tree: Path) -> set[str]:
    return {path.name for path in tree.rglob("*.pyc")}


PLACES = {"part.py": "3 4 3", "inner/deep.py": "3 3 4", "__init__.py": "4 3 3"}


@pytest.mark.parametrize(("name", "expected"), PLACES.items())
def test_an_edit_that_keeps_size_and_time_runs(tree: Path, name: str, expected: str) -> None:
    assert run(tree) == run(tree) == "3 3 3"
    edit(tree / "small" / name)
    assert run(tree) == run(tree) == expected


def test_an_edit_of_what_loads_the_rest_runs(tree: Path) -> None:
    path = tree / "small/loading.py"
    path.write_text(path.read_text() + "SIZE = 3\n")
    code = "from small.loading import SIZE; print(SIZE)"
    assert run(tree, "-c", code) == run(tree, "-c", code) == "3"
    edit(path)
    assert run(tree, "-c", code) == "4"


@pytest.mark.parametrize("name", ["part.py", "inner/deep.py"])
@pytest.mark.parametrize("mode", list(py_compile.PycInvalidationMode))
def test_bytecode_of_others_is_not_read(tree: Path, name: str, mode: py_compile.PycInvalidationMode) -> None:
    """As an installer writes it, and unchecked as some images have it."""
    py_compile.compile(str(tree / "small" / name), invalidation_mode=mode)
    edit(tree / "small" / name)
    assert run(tree) == PLACES[name]


@pytest.mark.parametrize("changes", [{}, {"PYTHONDONTWRITEBYTECODE": "1"}])
def test_old_bytecode_of_the_package_s_own_file_is_refused(tree: Path, changes: dict[str, str]) -> None:
    """Python itself loads this one file, by size and time where an installer compiled it."""
    path = tree / "small/__init__.py"
    py_compile.compile(str(path), invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP)
    edit(path)
    said = run(tree, expect=1, **changes)
    assert "bytecode of other code" in said
    assert str(path) in said
    # it is mended where it may be written
    assert run(tree) == "4 3 3" if not changes else run(tree, expect=1, **changes)


def test_bytecode_is_read_where_it_is_right(tree: Path) -> None:
    """A marked copy tells: it is whole, of this source, and prints what the source does not."""
    run(tree)
    path = tree / "small/part.py"
    cache = Path(importlib.util.cache_from_source(str(path), optimization="checked"))
    code = compile("SIZE = 5\n", str(path), "exec")
    loading._keep(str(cache), path.read_bytes(), code)
    assert run(tree) == "3 5 3"
    path.write_text("SIZE = 3  # a comment\n")
    assert run(tree) == "3 3 3"


TORN = {
    "empty": lambda data: b"",
    "cut off": lambda data: data[: len(data) // 2],
    "header only": lambda data: data[: loading.HEADER_BYTES],
    "end of zeros": lambda data: data[:-20] + bytes(20),
    "another bit": lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],
    "another version's": lambda data: bytes(4) + data[4:],
    "foreign": lambda data: b"not bytecode at all" * 100,
}


@pytest.mark.parametrize("torn", TORN.values(), ids=TORN)
def test_torn_bytecode_is_made_again(tree: Path, torn: Callable[[bytes], bytes]) -> None:
    run(tree)
    cache = Path(importlib.util.cache_from_source(str(tree / "small/part.py"), optimization="checked"))
    whole = cache.read_bytes()
    cache.write_bytes(torn(whole))
    assert run(tree) == "3 3 3"
    assert cache.read_bytes() == whole


def test_where_bytecode_may_not_be_written_the_source_runs(tree: Path) -> None:
    assert run(tree, PYTHONDONTWRITEBYTECODE="1") == "3 3 3"
    assert not caches(tree)
    # nothing can be written below a file, whoever asks
    (tree / "small/__pycache__").write_bytes(b"")
    (tree / "small/inner/__pycache__").symlink_to("/nonexistent/folder")
    assert run(tree) == "3 3 3"
    edit(tree / "small/inner/deep.py")
    assert run(tree) == "3 3 4"


def test_bytecode_beside_other_trees_follows_its_tree(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("bytecode")
    assert run(tree, PYTHONPYCACHEPREFIX=str(elsewhere)) == "3 3 3"
    assert not caches(tree)
    edit(tree / "small/part.py")
    assert run(tree, PYTHONPYCACHEPREFIX=str(elsewhere)) == "3 4 3"


def test_a_moved_tree_names_its_own_files(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    run(tree)
    moved = tmp_path_factory.mktemp("moved") / "tree"
    shutil.copytree(tree, moved)
    code = "import small.part; print(small.part.__file__, small.loading.RAN['small.part'].path)"
    assert run(moved, "-c", code) == f"{moved}/small/part.py {moved}/small/part.py"


def test_optimised_python_runs_what_stands_there(tree: Path) -> None:
    (tree / "small/part.py").write_text("try:\n    assert False\nexcept AssertionError:\n    SIZE = __debug__\n")
    assert run(tree, "-OO", "-c", SHOW) == run(tree) == "3 True 3"


def test_a_module_that_is_run_by_its_name_is_loaded_so_too(tree: Path) -> None:
    (tree / "small/work.py").write_text("SIZE = 3\nprint(SIZE)\n")
    assert run(tree, "-m", "small.work") == "3"
    edit(tree / "small/work.py")
    assert run(tree, "-m", "small.work") == "4"


def test_spawned_and_forked_processes_load_so_too(tree: Path) -> None:
    (tree / "start.py").write_text(
        "import multiprocessing, sys\n"
        "from small.loading import RAN\n"
        "def size(_):\n"
        "    import small.part\n"
        "    return small.part.SIZE, 'small.part' in RAN\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:\n"
        "        print(pool.map(size, [0]))\n"
    )
    run(tree)
    edit(tree / "small/part.py")
    assert run(tree, "start.py", "spawn") == run(tree, "start.py", "fork") == "[(4, True)]"


def test_bytes_that_ran_are_remembered(tree: Path) -> None:
    code = "import small.part as p; open(p.__file__, 'a').write('#'); print(p.__spec__.loader, small.loading.RAN)"
    said = run(tree, "-c", f"import small; {code}")
    assert "b'SIZE = 3\\n'" in said
    assert "small.loading.Loader" in said


BINARY = {
    "bytecode without source": ("hidden.pyc", "small.hidden"),
    "bytecode of a package without source": ("hidden/__init__.pyc", "small.hidden"),
    "extension module": ("hidden.so", "small.hidden"),
    "extension module before a source": ("part.so", "small.part"),
    "package of bytecode before a module of its name": ("part/__init__.pyc", "small.part"),
}


@pytest.mark.parametrize(("name", "module"), BINARY.values(), ids=BINARY)
def test_what_is_no_source_is_refused(tree: Path, name: str, module: str) -> None:
    path = tree / "small" / name
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".pyc":
        py_compile.compile(str(tree / "small/part.py"), cfile=str(path))
    else:
        path.write_bytes(b"\x7fELF")
    # nothing that tries another module in its place goes on
    said = run(
        tree, "-c", f"import small\ntry:\n    import {module}\nexcept ImportError:\n    print('without')", expect=1
    )
    assert "CodeError" in said
    assert str(path) in said


def test_a_folder_without_a_file_of_its_own_is_loaded_from_source(tree: Path) -> None:
    (tree / "small/bare").mkdir()
    (tree / "small/bare/thing.py").write_text("SIZE = 3\n")
    code = "import small, small.bare.thing as t; print(t.SIZE, sorted(small.loading.RAN))"
    run(tree, "-c", code)
    edit(tree / "small/bare/thing.py")
    assert run(tree, "-c", code).startswith("4 ['small', 'small.bare.thing',")


def test_an_archive_is_left_to_python(tree: Path) -> None:
    with zipfile.ZipFile(tree / "small.zip", "w") as archive:
        for path in (tree / "small").rglob("*.py"):
            archive.write(path, path.relative_to(tree))
    shutil.rmtree(tree / "small")
    code = "import small, small.part; print(small.SIZE, small.part.SIZE, small.loading.RAN)"
    assert run(tree, "-c", code, PYTHONPATH=str(tree / "small.zip")) == "3 3 {}"


def test_imported_anew_it_is_installed_once(tree: Path) -> None:
    code = (
        "import sys, small, small.part\n"
        "for name in [name for name in sys.modules if name.split('.')[0] == 'small']: del sys.modules[name]\n"
        "import small, small.part\n"
        "print(sum(getattr(f, 'package', None) == 'small' for f in sys.meta_path), 'small.part' in small.loading.RAN)"
    )
    assert run(tree, "-c", code) == "1 True"


@pytest.mark.parametrize("version", ["3.12", "3.13", "3.14"])
def test_other_pythons_load_so_too(tree: Path, version: str) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} on this machine")
    run(tree)
    for name in PLACES:
        run(tree, python=python)
        edit(tree / "small" / name)
    assert run(tree, python=python) == run(tree) == "4 4 4"


HELD = """\
import hashlib, os, subprocess, sys
import small.part
from small.loading import RAN, only
digests = {name: hashlib.sha256(source).hexdigest() for name, (path, source) in RAN.items()}
digests |= {
    name: hashlib.sha256(open(f"small/{name[6:]}.py", "rb").read()).hexdigest() for name in sys.argv[2:]
}
with only(digests):
    exec(sys.argv[1])
"""


def held(tree: Path, work: str, *others: str, expect: int = 0) -> str:
    """Run code in a process that may load what it has loaded, and the others."""
    (tree / "held.py").write_text(HELD)
    return run(tree, "held.py", work, *others, expect=expect)


CHILD = "subprocess.run([sys.executable, '-m', 'small.work'], check=True)"


def test_a_child_by_name_works_where_it_runs_what_was_digested(tree: Path) -> None:
    (tree / "small/work.py").write_text("import small.part\nprint('worked')\n")
    assert held(tree, CHILD, "small.work") == "worked"


@pytest.mark.parametrize("name", ["work.py", "part.py", "loading.py", "__init__.py"])
def test_a_child_by_name_proves_what_it_runs(tree: Path, name: str) -> None:
    """Edited after the parent digested it and before the child starts: the child stops before it works."""
    (tree / "small/work.py").write_text("import small.part\nopen('worked', 'w')\n")
    change = f"open('small/{name}', 'a').write('# another comment'); {CHILD}"
    held(tree, change, "small.work", expect=1)
    assert not (tree / "worked").exists()


def test_a_child_loads_nothing_that_was_not_digested(tree: Path) -> None:
    (tree / "small/work.py").write_text("import importlib\nimportlib.import_module('small.inner.deep')\n")
    held(tree, CHILD, "small.work", expect=1)
    (tree / "small/work.py").write_text("SIZE = 3\n")
    held(tree, CHILD, expect=1)
    assert held(tree, CHILD, "small.work") == ""


def test_a_child_by_path_is_refused(tree: Path) -> None:
    (tree / "small/work.py").write_text("import small\nopen('worked', 'w')\n")
    by_path = "subprocess.run([sys.executable, 'small/work.py'], check=True)"
    held(tree, by_path, "small.work", expect=1)
    assert not (tree / "worked").exists()


def test_within_the_block_nothing_else_is_loaded_and_after_it_anything(tree: Path) -> None:
    assert "small.inner was loaded while a stage ran" in held(tree, "import small.inner.deep", expect=1)
    (tree / "held.py").write_text(HELD + "import small.inner.deep\nprint('after', 'DOMAINLM_CODE' in os.environ)\n")
    assert run(tree, "held.py", "pass") == "after False"
