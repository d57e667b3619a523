from __future__ import annotations

import ast
import hashlib
import os
import shutil
from pathlib import Path

import pytest

from domainlm.store.code import CodeIndex

STAGE = '''\
"""Docstring."""

from __future__ import annotations

from domainlm.text import clean
import domainlm.tokens.packing as packing

LIMIT = 3


def run(items: list[str], scale: float = 0.5) -> list[str]:
    """Another docstring."""
    kept = [clean.tidy(item) for item in items]  # a reason
    return packing.pack(kept[:LIMIT])
'''


SECTIONS = '''\
"""Sections."""

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Section(BaseModel):
    """Docstring."""

    model_config = ConfigDict(frozen=True)
    size: int = Field(3, description="a number")

    @model_validator(mode="after")
    def _refuses(self):
        return self
'''


MARKS = """\
from ..config.more import Section
from .. import configured
import domainlm.config_parts.size


def strip(text):
    return text.strip()
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A package with a stage that imports two modules, one of which imports a third."""
    files = {
        "domainlm/__init__.py": '"""Package."""\nfrom domainlm.loading import install\n\ninstall()\n',
        "domainlm/stages/__init__.py": "",
        "domainlm/stages/stage.py": STAGE,
        "domainlm/text/__init__.py": "",
        "domainlm/text/clean.py": "import re\n\n\ndef tidy(text):\n    from domainlm.text import marks\n    return marks.strip(text)\n",
        "domainlm/text/marks.py": MARKS,
        "domainlm/text/unused.py": "X = 1\n",
        "domainlm/tokens/__init__.py": "",
        "domainlm/tokens/packing.py": "def pack(items):\n    return items\n",
        "domainlm/text/words.txt": "one\ntwo\n",
        "domainlm/config/__init__.py": '"""Sections."""\n',
        "domainlm/config/more.py": SECTIONS,
        "domainlm/configured.py": '"""Beside the package domainlm.config, whose name it begins with."""\n',
        "domainlm/config_parts/__init__.py": "",
        "domainlm/config_parts/size.py": "SIZE = 1\n",
        "domainlm/loading.py": "def install(): ...\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def digest(root: Path, cache: Path | None = None) -> str:
    index = CodeIndex(root, cache, ["domainlm.config"])
    found = index.digest(["domainlm.stages.stage"], [root / "domainlm/text/words.txt"])
    index.save()
    return found


SAME = {
    "comment": ("# a reason", "# another reason"),
    "comment line": ("LIMIT = 3", "# three\nLIMIT = 3"),
    "docstring": ('"""Another docstring."""', '"""Something else."""'),
    "module docstring": ('"""Docstring."""\n', ""),
    "blank lines": ("LIMIT = 3\n", "LIMIT = 3\n\n\n\n"),
    "line breaks": ("packing.pack(kept[:LIMIT])", "packing.pack(\n        kept[:LIMIT],\n    )"),
    "quotes": ('"""Another docstring."""', "'Another'"),
    "number form": ("0.5", "5e-1"),
    "brackets": ("LIMIT = 3", "LIMIT = (3)"),
}
OTHER = {
    "constant": ("LIMIT = 3", "LIMIT = 4"),
    "kind of number": ("LIMIT = 3", "LIMIT = 3.0"),
    "default": ("0.5", "0.6"),
    "local name": ("kept", "remaining"),
    "order": ("[:LIMIT]", "[LIMIT:]"),
    "statement": ("    return", "    kept.sort()\n    return"),
    "annotation": ("scale: float", "scale: int"),
    "text that is no docstring": ("LIMIT = 3", 'LIMIT = 3\n"text"'),
    "import": ("import domainlm.tokens.packing as packing", "import domainlm.text.unused as packing"),
}


@pytest.mark.parametrize(("old", "new"), SAME.values(), ids=SAME)
def test_what_changes_nothing_keeps_the_digest(root: Path, old: str, new: str) -> None:
    before = digest(root)
    path = root / "domainlm/stages/stage.py"
    assert old in STAGE
    path.write_text(STAGE.replace(old, new))
    assert digest(root) == before


@pytest.mark.parametrize(("old", "new"), OTHER.values(), ids=OTHER)
def test_what_changes_the_code_changes_the_digest(root: Path, old: str, new: str) -> None:
    before = digest(root)
    path = root / "domainlm/stages/stage.py"
    assert old in STAGE
    path.write_text(STAGE.replace(old, new))
    assert digest(root) != before


@pytest.mark.parametrize(
    ("name", "is_in"),
    [
        ("text/clean.py", True),
        ("text/marks.py", True),
        ("tokens/packing.py", True),
        ("text/words.txt", True),
        ("text/unused.py", False),
        ("config/more.py", False),
        ("text/__init__.py", True),
        ("stages/__init__.py", True),
        ("__init__.py", True),
        ("loading.py", False),
        ("configured.py", True),
        ("config_parts/size.py", True),
        ("config_parts/__init__.py", True),
    ],
)
def test_the_digest_is_of_the_import_closure_and_the_package_data(root: Path, name: str, is_in: bool) -> None:
    before = digest(root)
    path = root / "domainlm" / name
    path.write_text(path.read_text() + "Y = 1\n")
    assert (digest(root) != before) is is_in


def test_a_new_name_of_a_module_is_another_digest(root: Path) -> None:
    before = digest(root)
    (root / "domainlm/text/marks.py").rename(root / "domainlm/text/signs.py")
    path = root / "domainlm/text/clean.py"
    path.write_text(path.read_text().replace("marks", "signs"))
    assert digest(root) != before


def test_a_missing_module_is_an_error(root: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"domainlm\.stages\.nowhere"):
        CodeIndex(root, None, []).digest(["domainlm.stages.nowhere"], [])


def test_the_place_of_the_tree_does_not_matter(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("elsewhere") / "deeper"
    shutil.copytree(root, other)
    assert digest(root) == digest(other)


def test_what_is_remembered_gives_the_same_digest_and_an_edit_is_seen(root: Path) -> None:
    cache = root / "index.json"
    for path in (root / "domainlm").rglob("*.py"):
        os.utime(path, (1, 1))
    before = digest(root)
    assert digest(root, cache) == before
    written = cache.stat().st_ino
    # nothing was parsed again, so nothing was learnt: a run with nothing to do would pay for every module
    assert digest(root, cache) == before
    assert cache.stat().st_ino == written
    path = root / "domainlm/text/marks.py"
    path.write_text(path.read_text().replace("strip()", "lower()"))
    assert digest(root, cache) != before


def test_an_unchanged_module_is_parsed_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = root / "index.json"
    before = digest(root, cache)

    def parse(source: bytes) -> ast.AST:
        raise AssertionError("parsed again")

    monkeypatch.setattr("domainlm.store.code.ast.parse", parse)
    assert digest(root, cache) == before


def test_an_edit_within_the_clock_s_grain_is_seen(root: Path) -> None:
    cache = root / "index.json"
    path = root / "domainlm/tokens/packing.py"
    path.write_text("LIMIT = 1\n")
    moment = path.stat().st_mtime_ns
    before = digest(root, cache)
    path.write_text("LIMIT = 2\n")
    os.utime(path, ns=(moment, moment))
    assert digest(root, cache) != before


def test_what_another_canonical_form_gave_is_not_used(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = root / "index.json"
    for path in (root / "domainlm").rglob("*.py"):
        os.utime(path, (1, 1))
    monkeypatch.setattr("domainlm.store.code.module_digest", lambda source: "0" * 64)
    other = root / "another_version.py"
    other.write_text("X = 1\n")
    monkeypatch.setattr("domainlm.store.code.__file__", str(other))
    digest(root, cache)
    monkeypatch.undo()
    assert digest(root, cache) == digest(root)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"form"', b"null"])
def test_a_torn_memory_is_forgotten(root: Path, data: bytes) -> None:
    (root / "index.json").write_bytes(data)
    assert digest(root, root / "index.json") == digest(root)


# what is added to a stage -> a file of the package that must be in its digest from then on
TAKEN = {
    "a star takes every module of a package": ("from domainlm.text import *", "text/unused.py"),
    "a relative star": ("from ..text import *", "text/unused.py"),
    "an import in a function": ("def f():\n    from ..text.unused import X\n", "text/unused.py"),
    "a name of a package's own file": ("from domainlm.tokens import LIMIT", "tokens/__init__.py"),
    "the name of a module in a text": ("import subprocess\nNAME = 'domainlm.text.unused'", "text/unused.py"),
    "a folder without a file of its own": ("import domainlm.bare.part", "bare/part.py"),
    "a package of a module's name": ("from domainlm import twice", "twice/__init__.py"),
    "a function of the configuration": ("from domainlm.config.more import size_of\nsize_of()", "config/more.py"),
    "a default of a section": ("from domainlm.config.more import Section as S\nX = S().size", "config/more.py"),
    "a field's description": ("from domainlm.config.more import Section\nSection.model_fields", "config/more.py"),
    "a base class of the configuration": (
        "from domainlm.config.more import Section\nclass Mine(Section): ...",
        "config/more.py",
    ),
    "a whole module of the configuration": ("from domainlm.config import more", "config/more.py"),
    "a star of the configuration": ("from domainlm.config.more import *\nX = size_of()", "config/more.py"),
    "a default that a section is validated with": (
        "from domainlm.config.more import Section\nX = Section.model_validate({}).size",
        "config/more.py",
    ),
    "a section as the type of a field": (
        "from pydantic import BaseModel\nfrom domainlm.config.more import Section\nclass Mine(BaseModel):\n    part: Section\n",
        "config/more.py",
    ),
    "a name that another module imports": ("from domainlm.text.again import Section\nX = Section()", "config/more.py"),
    "a name by its module, which imports it": (
        "from domainlm.text import again\nX = again.Section()",
        "config/more.py",
    ),
    "a name by a star of its importer": ("from domainlm.text.again import *\nX = Section()", "config/more.py"),
    "a module of the configuration by dots": (
        "from domainlm import config\nX = config.more.size_of()",
        "config/more.py",
    ),
    "a module by dots": ("import domainlm\nX = domainlm.text.unused.X", "text/unused.py"),
    "the configuration's own file": ("from domainlm.config import LIMIT\nprint(LIMIT)", "config/__init__.py"),
}


@pytest.mark.parametrize(("added", "name"), TAKEN.values(), ids=TAKEN)
def test_whatever_way_code_is_taken_it_is_in_the_digest(root: Path, added: str, name: str) -> None:
    for file in ("domainlm/bare/part.py", "domainlm/twice/__init__.py", "domainlm/twice.py"):
        (root / file).parent.mkdir(exist_ok=True)
        (root / file).write_text("X = 1\n")
    (root / "domainlm/text/again.py").write_text("from domainlm.config.more import Section\n")
    stage, path = root / "domainlm/stages/stage.py", root / "domainlm" / name
    stage.write_text(f"{STAGE}\n{added}\n")
    before = digest(root)
    path.write_text(path.read_text() + "Y = 1\n")
    assert digest(root) != before


def test_a_module_beside_a_package_of_its_name_is_not_what_runs(root: Path) -> None:
    (root / "domainlm/text/marks").mkdir()
    (root / "domainlm/text/marks/__init__.py").write_text("def strip(text):\n    return text\n")
    before = digest(root)
    (root / "domainlm/text/marks.py").write_text("X = 2\n")
    assert digest(root) == before


METHODS = {
    "method": "    def limit(self):\n        return 3\n",
    "property": "    @property\n    def limit(self):\n        return 3\n",
    "computed field": "    @computed_field()\n    def limit(self):\n        return 3\n",
    "class variable": "    limit = 3\n",
    "class within": "    class Other:\n        limit = 3\n",
    "private attribute": "    _limit: int = 3\n",
    "final": "    limit: Final[int] = 3\n",
    "excluded field": "    limit: Annotated[int, Field(exclude=True)] = 3\n",
    "excluded type": "    x: int\n\n\nLimit = Annotated[int, Field(exclude=True)]\nclass More(BaseModel):\n    limit: Limit = 3\n",
    "metaclass": "    x: int\n\n\nclass More(BaseModel, metaclass=Meta):\n    limit: int = 3\n",
    "base from elsewhere": "\n\nfrom domainlm.store.base import Methods\nclass More(Methods):\n    limit: int = 3\n",
    "assignment to a class": "\n\nSection.limit = 3\n",
    "assignment by a call": "\n\nLIMIT = setattr(Section, 'limit', 3)\n",
    "decorated function": "\n\n@atexit.register\ndef limit():\n    return 3\n",
    "condition": "\n\nif True:\n    LIMIT = 3\n",
}


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_section_that_could_be_asked_for_more_than_its_values_is_in_the_digest(root: Path, method: str) -> None:
    path = root / "domainlm/config/more.py"
    path.write_text(SECTIONS + method)
    before = digest(root)
    path.write_text(SECTIONS + method.replace("3", "4"))
    assert digest(root) != before


def test_a_section_s_base_counts_with_it(root: Path) -> None:
    (root / "domainlm/config/base.py").write_text("class Strict:\n    def limit(self):\n        return 3\n")
    (root / "domainlm/config/more.py").write_text(
        "from domainlm.config.base import Strict\nclass Section(Strict):\n    x: int\n"
    )
    before = digest(root)
    (root / "domainlm/config/base.py").write_text("class Strict:\n    def limit(self):\n        return 4\n")
    assert digest(root) != before


def test_what_ran_counts_and_not_what_a_file_holds_by_now(root: Path) -> None:
    path = root / "domainlm/text/marks.py"
    before, old = digest(root), path.read_bytes()
    path.write_text("def strip(text):\n    return text\n")
    ran = {"domainlm.text.marks": (str(path), old)}
    index = CodeIndex(root, None, ["domainlm.config"]).of_what_ran(ran)
    assert index.digest(["domainlm.stages.stage"], [root / "domainlm/text/words.txt"]) == before
    assert index.sources(["domainlm.stages.stage"])["domainlm.text.marks"] == hashlib.sha256(old).hexdigest()
    assert digest(root) != before


def test_what_only_a_text_names_is_not_loaded_by_the_stage_itself(root: Path) -> None:
    (root / "domainlm/stages/stage.py").write_text(f"{STAGE}\nNAME = 'domainlm.text.unused'\n")
    index = CodeIndex(root, None, ["domainlm.config"])
    whole, own = (index.closure(["domainlm.stages.stage"], has_started=started) for started in (True, False))
    assert set(whole) - set(own) == {"domainlm.text.unused"}


def test_sources_are_of_excluded_modules_too(root: Path) -> None:
    found = CodeIndex(root, None, ["domainlm.config"]).sources(["domainlm.stages.stage"])
    assert {"domainlm", "domainlm.loading", "domainlm.config.more", "domainlm.text.marks"} <= set(found)
    assert "domainlm.text.unused" not in found


def test_a_digest_s_definitions_are_those_of_its_closure_and_data(root: Path) -> None:
    data = [root / "domainlm/text/words.txt"]
    cache = root / "index.json"
    for path in (root / "domainlm").rglob("*.py"):
        os.utime(path, (1, 1))
    index = CodeIndex(root, cache, ["domainlm.config"])
    found = index.definitions(["domainlm.stages.stage"], data)
    index.save()
    assert sorted(found) == [
        "domainlm/__init__.py",
        "domainlm/config_parts/__init__.py",
        "domainlm/config_parts/size.py",
        "domainlm/configured.py",
        "domainlm/stages/__init__.py",
        "domainlm/stages/stage.py",
        "domainlm/text/__init__.py",
        "domainlm/text/clean.py",
        "domainlm/text/marks.py",
        "domainlm/text/words.txt",
        "domainlm/tokens/__init__.py",
        "domainlm/tokens/packing.py",
    ]
    assert set(found["domainlm/stages/stage.py"]) == {"LIMIT", "run", "<module>", "<order>"}
    remembered = CodeIndex(root, cache, ["domainlm.config"]).definitions(["domainlm.stages.stage"], data)
    assert remembered == found
