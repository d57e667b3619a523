from __future__ import annotations

import ast

import pytest

from domainlm.store.imports import errors_of_words_only, has_fields_only, only_declared, used_as_errors

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
