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


def _errors(tree: ast.Module) -> Iterator[ast.Name]:
    """Names of exceptions that a module raises, returns or catches.

    By the house's names they end in Error.
    """
    for node in ast.walk(tree):
        match node:
            case ast.Raise(exc=ast.Call(func=ast.Name() as name)) | ast.Return(value=ast.Call(func=ast.Name() as name)):
                names: list[ast.expr] = [name]
            case ast.ExceptHandler(type=ast.Tuple(elts=caught)):
                names = caught
            case ast.ExceptHandler(type=ast.Name() as name):
                names = [name]
            case _:
                continue
        yield from (name for name in names if isinstance(name, ast.Name) and name.id.endswith("Error"))


def _local_names(tree: ast.Module, module: str, is_package: bool) -> dict[str, str]:
    """Local name -> absolute name of each `from a import b`."""
    return {
        alias.asname or alias.name: f"{_origin(node, module, is_package)}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def used_as_errors(tree: ast.Module, module: str, is_package: bool = False) -> set[str]:
    """Absolute names of imports that are raised, returned or caught."""
    local = _local_names(tree, module, is_package)
    return {local[name.id] for name in _errors(tree) if name.id in local}


def errors_of_words_only(tree: ast.Module) -> set[str]:
    """Exceptions of a module that have nothing but their words.

    They are direct children of Exception without a body.
    """
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        and [ast.unparse(base) for base in node.bases] == ["Exception"]
        and not (node.keywords or node.decorator_list)
        and all(isinstance(statement, ast.Pass) or _is_text(statement) for statement in node.body)
    }


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def only_declared(tree: ast.Module, module: str, is_package: bool = False) -> set[str]:
    """The imports a.b that occur only in annotations, `b.model_validate(...)`, or as errors.

    In this way a stage imports a section of the configuration, and its arguments (`contract.py`): it checks the
    values that it is given, names their types, raises an error that consists of its words alone, and computes nothing
    with them.
    """
    local = _local_names(tree, module, is_package)
    declaring = {id(part) for annotation in _annotations(tree) for part in ast.walk(annotation)}
    declaring |= {id(error) for error in _errors(tree)}
    declaring |= {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "model_validate"
    }
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in declaring}
    return {name for alias, name in local.items() if alias not in used}


def _is_field(statement: ast.stmt) -> bool:
    match statement:
        case ast.AnnAssign(annotation=annotation, value=value):
            # neither a value that no instance has, nor one that is not written out with the others
            said = ast.unparse(annotation)
            hidden = isinstance(value, ast.Call) and any(each.arg in ("exclude", "init") for each in value.keywords)
            return not hidden and "ClassVar" not in said and "PrivateAttr" not in (ast.unparse(value) if value else "")
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Assign(targets=[ast.Name(id="model_config")]):
            return True
        case ast.FunctionDef(decorator_list=[ast.Call(func=ast.Name(id=name)), *_]):
            return name in VALIDATORS
    return False


def has_fields_only(tree: ast.Module) -> bool:
    """Whether a module only defines classes that hold values.

    They may refuse wrong values, but have nothing to call for more, and importing the module does nothing.
    """
    does_nothing = all(not isinstance(node, ast.Expr) or _is_text(node) for node in tree.body)
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    decorators = {ast.unparse(each) for node in classes for each in node.decorator_list}
    return (
        does_nothing
        and decorators <= {"dataclass(frozen=True)"}
        and all(_is_field(statement) for node in classes for statement in node.body)
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
