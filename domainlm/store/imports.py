"""A module's imports from the package, and code reached by name.

In: a module's syntax tree. Out: names, some of which may be functions or constants; `store/code.py` knows which are
modules. The answer rather has too many names than too few: a star import counts as all modules of a package, and a
module counts even if only a text names it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

# ways to run code, or to read it, that no import statement shows; `__doc__` is outside the code digest
MODULES_BY_NAME = ("importlib", "runpy", "imp", "pkgutil", "zipimport", "inspect", "linecache", "domainlm.loading")
NAMES_BY_NAME = ("__import__", "exec", "eval", "compile", "__loader__", "__spec__", "__path__", "__doc__")
# of a file beside a module, which only declared package data may be
OWN_FILE = "__file__"
VALIDATORS = ("model_validator", "field_validator")
EVERYTHING = "*"


def package_of(module: str, is_package: bool) -> list[str]:
    """Parts of the name that a relative import starts from."""
    return module.split(".") if is_package else module.split(".")[:-1]


def _origin(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    package = package_of(module, is_package)
    base = package[: len(package) - node.level + 1] if node.level else []
    return ".".join([*base, *(node.module.split(".") if node.module else [])])


def imported_names(tree: ast.Module, module: str, is_package: bool = False) -> set[str]:
    """Absolute names of all imports in a module, at any depth.

    `from a import b` gives both a and a.b.
    """
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(node, module, is_package)
            names.add(origin)
            names.update(f"{origin}.{alias.name}" for alias in node.names)
    return names


def names_in_texts(tree: ast.Module, package: str) -> set[str]:
    """Texts that are the name of a part of the package.

    A process may be started by such a name, so it counts like an import.
    """
    named = re.compile(rf"{re.escape(package)}(\.\w+)+")
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {text for text in texts if named.fullmatch(text)}


def _annotations(tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            yield node.annotation
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
            yield node.returns


def _errors(tree: ast.Module) -> Iterator[ast.expr]:
    """Expressions by which a module raises, returns or catches an exception.

    By the house's naming rule, their names end in Error.
    """
    for node in ast.walk(tree):
        match node:
            case ast.Raise(exc=ast.Call(func=ast.Name(id=name) as error)) if name.endswith("Error"):
                yield error
            case ast.Return(value=ast.Call(func=ast.Name(id=name) as error)) if name.endswith("Error"):
                yield error
            case ast.ExceptHandler(type=ast.expr() as caught):
                yield from (part for part in ast.walk(caught) if isinstance(part, ast.expr))


def only_declared(tree: ast.Module, module: str, is_package: bool = False) -> set[str]:
    """The imports a.b that occur only in annotations, `b.model_validate(...)`, or as errors.

    In this way a stage imports a section of the configuration, and its arguments (`contract.py`): it checks the
    values that it is given, names their types, raises an error that consists of its words alone, and computes nothing
    with them.
    """
    local = {
        alias.asname or alias.name: f"{_origin(node, module, is_package)}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    declaring = {id(part) for annotation in _annotations(tree) for part in ast.walk(annotation)}
    declaring |= {id(error) for error in _errors(tree)}
    declaring |= {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "model_validate"
    }
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in declaring}
    return {name for alias, name in local.items() if alias not in used}


def _is_field(statement: ast.stmt) -> bool:
    match statement:
        case ast.AnnAssign() | ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Assign(targets=[ast.Name(id="model_config")]):
            return True
        case ast.FunctionDef(decorator_list=[ast.Call(func=ast.Name(id=name)), *_]):
            return name in VALIDATORS
    return False


def has_fields_only(tree: ast.Module) -> bool:
    """Whether a module's classes only hold and check values.

    Such classes have nothing else that could be called.
    """
    return all(
        _is_field(statement) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for statement in node.body
    )


def reached_by_name(tree: ast.Module) -> list[str]:
    """`line: what` of each access to code or files without import."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=aliases):
                names = [alias.name for alias in aliases]
            case ast.ImportFrom(module=str(origin), names=aliases, level=0):
                names = [origin, *(f"{origin}.{alias.name}" for alias in aliases)]
            case ast.Name(id=name) if name in (*NAMES_BY_NAME, OWN_FILE):
                found.append((node.lineno, name))
                continue
            case ast.Attribute(attr=name) if name in NAMES_BY_NAME and name.startswith("__"):
                found.append((node.lineno, name))
                continue
            case ast.Attribute(value=ast.Name(id="sys"), attr="modules"):
                found.append((node.lineno, "sys.modules"))
                continue
            case _:
                continue
        found += [
            (node.lineno, name) for name in names for known in MODULES_BY_NAME if f"{name}.".startswith(f"{known}.")
        ]
    return [f"{line}: {name}" for line, name in sorted(set(found))]
