"""The canonical form of a module, without comments, docstrings and formatting.

In: a module's source. Out: its digest, and the digest of each definition, by which a change is named. The form is our
own, because `ast.dump` and `ast.unparse` differ between Python versions.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from copy import copy

from domainlm.store.canonical import canonical_json, sha256_of

# entries of `module_definitions` beside the names that a module defines, and the one entry of a package data file
OTHER_STATEMENTS, ORDER, WHOLE_FILE = "<module>", "<order>", "<file>"

# digits of a definition's digest: they only name what changed, and a store keeps a file of them for every stage and version
DEFINITION_DIGITS = 16

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
    """A syntax tree as JSON: [type, {field: value}] without empty fields."""
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
    """The digest of each function, method, class and constant.

    With it, a change can be named. Statements without a name (imports, `if` blocks) form one entry; so does the
    order, which the module's digest also covers.
    """
    found: dict[str, list[object]] = {}
    for statement in _without_docstring(ast.parse(source).body):
        for name, form in _named_parts(statement):
            found.setdefault(name, []).append(form)
    digests = {name: sha256_of(canonical_json(forms)) for name, forms in {**found, ORDER: list(found)}.items()}
    return {name: digest[:DEFINITION_DIGITS] for name, digest in digests.items()}
