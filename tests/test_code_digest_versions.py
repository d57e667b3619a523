"""The code digest is the same under every supported Python: an artifact built under one is the artifact under all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from material.interpreters import interpreter

VERSIONS = ("3.11", "3.12", "3.13", "3.14")
# constructions whose syntax trees or tokens changed between versions
SNIPPETS = [
    'X = f"{a}{b!r}{c:>{width}}{d:.2f} text" "more" f"{e}"',
    "X = f'''{a:\n}'''",
    'X = f"{{literal}} {value=} {x!s:^10}"',
    "X = 'a' 'b'\nY = b'a' b'b'\nZ = u'text'",
    'X = rf"\\d{n}\\N"',
    "class A(B, metaclass=C):\n    x: int = 1\n    def f(self, /, a, *b, c=1, **d) -> None: ...",
    "async def f():\n    async with a as b, c:\n        return [x async for x in y if await z]",
    "match a:\n    case {'x': [1, *_], **rest} if b: pass\n    case A(x=1) | None: pass",
    "try:\n    pass\nexcept* ValueError as e:\n    raise RuntimeError from e",
    "X = lambda a, b=1: (yield)\nY = a if b else c\nZ = [*a, *b]\nW = {**a}",
    "with (open(a) as b, open(c) as d): pass",
    "X = 1_000, 0x10, 1e400, -0.0, 3j, ..., None, True",
    "def f(*args: *Ts): x[a:b:c, ...] = y[*z]",
    "type_ = int  # type: ignore\nx: list[int]\n(y): int = 1\na.b: int",
    "if (n := 10) > 5: global_ = not n\nx = y = z = 1\nassert x, 'y'\ndel x",
]
CODE = """\
import json, sys
from pathlib import Path
from domainlm.store.canonical_code import module_digest
from domainlm.store.code import CodeIndex
root, given = Path(sys.argv[1]), json.load(sys.stdin)
index = CodeIndex(root, None, ["domainlm.config", "domainlm.contract"])
found = {"snippets": [module_digest(text.encode()) for text in given["snippets"]]}
found["stages"] = {name: index.digest([name], []) for name in given["stages"]}
found["modules"] = {path: module_digest((root / path).read_bytes()) for path in given["modules"]}
json.dump(found, sys.stdout)
"""


def digests(python: str, repository: Path) -> dict[str, object]:
    modules = sorted(path.relative_to(repository).as_posix() for path in (repository / "domainlm").rglob("*.py"))
    stages = [f"domainlm.stages.{Path(m).stem}" for m in modules if "/stages/" in m and not m.endswith("__init__.py")]
    # the code digest needs the standard library only
    done = subprocess.run(
        [python, "-c", CODE, str(repository)],
        input=json.dumps({"snippets": SNIPPETS, "stages": stages, "modules": modules}),
        env={"PYTHONPATH": str(repository), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_digests_are_equal(version: str, repository: Path) -> None:
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        pytest.skip("the version that the others are compared with")
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} on this machine")
    assert digests(python, repository) == digests(sys.executable, repository)
