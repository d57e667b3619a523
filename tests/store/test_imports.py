from __future__ import annotations

import ast

import pytest

from domainlm.store.imports import (
    errors_of_words_only,
    has_fields_only,
    imported_names,
    names_in_texts,
    only_declared,
    reached_by_name,
    used_as_errors,
)

TAKEN = "from domainlm.contract import FileError, Inputs, Limit, caught\n"


@pytest.mark.parametrize(
    ("code", "is_error"),
    [
        ("raise FileError('x')", True),
        ("def refused():\n    return FileError('x')", True),
        ("try:\n    pass\nexcept FileError:\n    pass", True),
        ("try:\n    pass\nexcept (FileError, OSError):\n    pass", True),
        ("kind = FileError", False),
        ("class Own(FileError):\n    pass", False),
    ],
)
def test_an_error_is_declared_where_it_is_only_raised_returned_or_caught(code: str, is_error: bool) -> None:
    tree = ast.parse(TAKEN + code)
    assert ("domainlm.contract.FileError" in only_declared(tree, "domainlm.stages.x")) is is_error
    if is_error:
        assert used_as_errors(tree, "domainlm.stages.x") == {"domainlm.contract.FileError"}


@pytest.mark.parametrize("code", ["except Limit:", "except caught():", "except (FileError, caught()):"])
def test_what_only_may_be_an_exception_counts_as_used(code: str) -> None:
    tree = ast.parse(f"{TAKEN}try:\n    pass\n{code}\n    pass")
    assert not {"domainlm.contract.Limit", "domainlm.contract.caught"} <= only_declared(tree, "domainlm.stages.x")


@pytest.mark.parametrize(
    ("code", "errors"),
    [
        ('class FileError(Exception):\n    """Words."""', {"FileError"}),
        ("class FileError(OSError):\n    pass", set()),
        ("class FileError(Exception):\n    limit = 3", set()),
        ("class FileError(Exception):\n    def __str__(self):\n        return ''", set()),
        ("def FileError(text):\n    return OSError(text)", set()),
    ],
)
def test_an_error_has_nothing_but_its_words(code: str, errors: set[str]) -> None:
    assert errors_of_words_only(ast.parse(code)) == errors


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("@dataclass(frozen=True)\nclass Inputs:\n    folders: dict", True),
        ("@dataclass\nclass Inputs:\n    folders: dict", False),
        ("class Inputs:\n    folders: dict\n    count: ClassVar[int] = 7", False),
        ("class Slice:\n    extra: int = Field(7, exclude=True)", False),
        ("class Slice:\n    _held: int = PrivateAttr(7)", False),
        ("import random\nrandom.seed(3)", False),
    ],
)
def test_a_module_outside_the_digest_holds_fields_and_does_nothing(code: str, expected: bool) -> None:
    assert has_fields_only(ast.parse(code), "domainlm.config.more") is expected


def test_imports_of_every_shape() -> None:
    source = (
        b"import a.b\nfrom . import c\nfrom .d import e\nfrom .. import f\ndef g():\n    from ..h.i import j as k\n"
    )
    found = imported_names(ast.parse(source), "domainlm.text.module")
    assert {"a.b", "domainlm.text.c", "domainlm.text.d", "domainlm.f", "domainlm.h.i"} <= found


def test_relative_imports_of_a_package_start_from_itself() -> None:
    tree = ast.parse("from . import c\nfrom .d import e\nfrom .. import f\n")
    found = imported_names(tree, "domainlm.text", is_package=True)
    assert {"domainlm.text.c", "domainlm.text.d.e", "domainlm.f"} <= found


def test_a_text_that_is_a_module_s_name_counts_as_its_import() -> None:
    tree = ast.parse("START = ['-m', 'domainlm.models.worker']\nSAID = 'see domainlm.text.clean'\n")
    assert names_in_texts(tree, "domainlm") == {"domainlm.models.worker"}


@pytest.mark.parametrize(
    "line",
    [
        "import importlib.metadata",
        "from importlib import import_module",
        "import runpy as r",
        "from domainlm.loading import RAN",
        "from domainlm import loading",
        "__import__('a')",
        "exec('a')",
        "X = __doc__",
        "X = object.__doc__",
        "import sys; sys.modules['a']",
        "import inspect",
        "X = __file__",
        "X = module.__file__",
        "from sys import modules",
        "import sys as s; s.modules",
        "import builtins; builtins.exec('a')",
        "X = __builtins__",
        "X = run.__globals__",
        "X = run.__code__.co_filename",
    ],
)
def test_what_reaches_code_otherwise_than_by_an_import_is_named(line: str) -> None:
    found = reached_by_name(ast.parse(f"Y = 1\n{line}\n"))
    assert found
    assert all(place.startswith("2: ") for place in found)


@pytest.mark.parametrize(
    "line", ["model.eval()", "re.compile('a')", "import importlib_resources", "from . import imp2"]
)
def test_what_only_looks_alike_is_not(line: str) -> None:
    assert reached_by_name(ast.parse(line)) == []
