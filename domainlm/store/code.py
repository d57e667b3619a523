"""The code digest: what a stage's code *does*, not how it is written.

In: a module of the package. Out: one digest over the canonical syntax trees of its import closure inside the package.
Comments, docstrings and formatting are gone; the form is our own, because `ast.dump` and `ast.unparse` differ between
Python versions. Package `__init__` files hold a docstring only and are left out, as are the modules named in
`excluded` (the configuration models).
"""

from __future__ import annotations

import ast
import json
import time
from collections.abc import Iterable, Iterator
from copy import copy
from pathlib import Path

from domainlm.store.canonical import canonical_json, sha256_of, sha256_of_file
from domainlm.store.staging import replace_file

# a file written less than this before it was read is read again: its next write could leave the time as it is
YOUNG_NS = 2_000_000_000
# entries of `module_definitions` beside the names that a module defines, and the one entry of a package data file
OTHER_STATEMENTS, ORDER, WHOLE_FILE = "<module>", "<order>", "<file>"

# digits of a definition's digest: they only name what changed, and a store keeps a file of them for every stage and version
DEFINITION_DIGITS = 16

_REMEMBERED = {"identity", "digest", "imports", "definitions"}
# fields that depend on how the source is written or on the parser's version, not on what it does
_SKIPPED_FIELDS = {"type_comment", "kind", "type_ignores", "ctx"}


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    if (
        body
        and isinstance(body[0], ast.Expr)
        and isinstance(body[0].value, ast.Constant)
        and isinstance(body[0].value.value, str)
    ):
        return body[1:]
    return body


def canonical_form(node: object) -> object:
    """A JSON value of a syntax tree: [type, {field: value}] with empty fields left out."""
    if isinstance(node, ast.AST):
        fields: dict[str, object] = {}
        for name, value in ast.iter_fields(node):
            if name in _SKIPPED_FIELDS:
                continue
            if name == "body" and isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                value = _without_docstring(value)
            if isinstance(node, ast.JoinedStr):
                # Python 3.12 adds empty text after a nested format
                value = [part for part in value if not (isinstance(part, ast.Constant) and part.value == "")]
            if value is None and not isinstance(node, ast.Constant):
                continue
            if value == []:
                continue
            fields[name] = canonical_form(value)
        return [type(node).__name__, fields]
    if isinstance(node, list):
        return [canonical_form(item) for item in node]
    if isinstance(node, str):
        return node
    return [type(node).__name__, repr(node)]


def module_digest(source: bytes) -> str:
    return sha256_of(canonical_json(canonical_form(ast.parse(source))))


def _named_parts(statement: ast.stmt) -> Iterator[tuple[str, object]]:
    """Names that a top-level statement defines, each with its canonical form."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        yield statement.name, canonical_form(statement)
    elif isinstance(statement, ast.ClassDef):
        rest = copy(statement)
        rest.body = []
        for part in _without_docstring(statement.body):
            if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{statement.name}.{part.name}", canonical_form(part)
            else:
                rest.body.append(part)
        yield statement.name, canonical_form(rest)
    elif (
        isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(statement.targets[0], ast.Name)
    ):
        yield statement.targets[0].id, canonical_form(statement)
    elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        yield statement.target.id, canonical_form(statement)
    else:
        yield OTHER_STATEMENTS, canonical_form(statement)


def module_definitions(source: bytes) -> dict[str, str]:
    """Digest of each function, method, class and constant of a module, so that a change can be named.

    What has no name of its own (imports, `if` blocks) is one entry; so is the order, which the module's digest covers too.
    """
    found: dict[str, list[object]] = {}
    for statement in _without_docstring(ast.parse(source).body):
        for name, form in _named_parts(statement):
            found.setdefault(name, []).append(form)
    digests = {name: sha256_of(canonical_json(forms)) for name, forms in {**found, ORDER: list(found)}.items()}
    return {name: digest[:DEFINITION_DIGITS] for name, digest in digests.items()}


def _module_path(root: Path, module: str) -> Path | None:
    path = root.joinpath(*module.split("."))
    if path.with_suffix(".py").is_file():
        return path.with_suffix(".py")
    return None


def imported_modules(source: bytes, module: str) -> set[str]:
    """Absolute names of what a module imports, anywhere in it; `from a import b` gives both a and a.b."""
    names: set[str] = set()
    package = module.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            prefix = ".".join([*base, *(node.module.split(".") if node.module else [])])
            names.add(prefix)
            names.update(f"{prefix}.{alias.name}" for alias in node.names)
    return names


class CodeIndex:
    """Digests and imports of the package's modules, remembered by size, times and inode between runs.

    What was remembered under another version of this module is dropped, because its canonical form may be another.
    """

    def __init__(self, root: Path, cache_file: Path | None, excluded: Iterable[str]) -> None:
        """root: the folder that holds the package. excluded: what the names of modules outside every digest begin with."""
        self.root = root
        self.package = "domainlm"
        self.excluded = tuple(excluded)
        self.cache_file = cache_file
        self._known: dict[str, dict[str, object]] = {}
        self._young: set[str] = set()
        self._is_changed = False
        self._form = sha256_of_file(Path(__file__))
        if cache_file is not None and cache_file.exists():
            try:
                remembered = json.loads(cache_file.read_bytes())
                self._known = remembered["modules"] if remembered["form"] == self._form else {}
                if not all(known.keys() >= _REMEMBERED for known in self._known.values()):
                    self._known = {}
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                self._known = {}

    def _read(self, module: str, path: Path) -> dict[str, object]:
        found = path.stat()
        identity = [str(path), found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns]
        known = self._known.get(module)
        if known is None or known["identity"] != identity:
            is_young = time.time_ns() - found.st_mtime_ns < YOUNG_NS
            source = path.read_bytes()
            imports = sorted(n for n in imported_modules(source, module) if n.split(".")[0] == self.package)
            known = {
                "identity": identity,
                "digest": module_digest(source),
                "imports": imports,
                "definitions": module_definitions(source),
            }
            self._known[module] = known
            if is_young:
                self._young.add(module)
            self._is_changed = True
        return known

    def closure(self, modules: Iterable[str]) -> dict[str, Path]:
        """Every module of the package that the given ones import, themselves included: name -> file."""
        found: dict[str, Path] = {}
        waiting = list(modules)
        while waiting:
            module = waiting.pop()
            path = _module_path(self.root, module)
            if path is None or module in found or module.startswith(self.excluded):
                continue
            found[module] = path
            imports = self._read(module, path)["imports"]
            assert isinstance(imports, list)
            waiting.extend(imports)
        return dict(sorted(found.items()))

    def digest(self, modules: Iterable[str], package_data: Iterable[Path]) -> str:
        """Code digest of the closure of `modules` and the bytes of their declared package data."""
        names = list(modules)
        for module in names:
            if _module_path(self.root, module) is None:
                raise FileNotFoundError(f"module {module} is not below {self.root}")
        parts = [[name, self._read(name, path)["digest"]] for name, path in self.closure(names).items()]
        data = [[path.relative_to(self.root).as_posix(), sha256_of(path.read_bytes())] for path in sorted(package_data)]
        return sha256_of(canonical_json([parts, data]))

    def definitions(self, modules: Iterable[str], package_data: Iterable[Path]) -> dict[str, dict[str, str]]:
        """What a code digest of the same arguments is made of: file below the root -> definition -> digest."""
        found: dict[str, dict[str, str]] = {}
        for name, path in self.closure(modules).items():
            definitions = self._read(name, path)["definitions"]
            assert isinstance(definitions, dict)
            found[path.relative_to(self.root).as_posix()] = definitions
        for path in package_data:
            found[path.relative_to(self.root).as_posix()] = {
                WHOLE_FILE: sha256_of(path.read_bytes())[:DEFINITION_DIGITS]
            }
        return found

    def save(self) -> None:
        """Write what was learnt, if anything was."""
        if self.cache_file is None or not self._is_changed:
            return
        modules = {name: known for name, known in self._known.items() if name not in self._young}
        replace_file(self.cache_file, canonical_json({"form": self._form, "modules": modules}))
