"""A module's imports from the package, and code reached by name.

In: a module's syntax tree. Out: names, some of which may be functions or constants; `store/code.py` knows which are
modules. The answer rather has too many names than too few: a star import counts as all modules of a package, and a
module counts even if only a text names it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

# ways to run code, or to read it, that no import statement shows; `__doc__` is outside the code digest
TAKEN_BY_NAME = (
    *("importlib", "runpy", "imp", "pkgutil", "zipimport", "inspect", "linecache", "domainlm.loading", "sys.modules"),
    *("builtins.__import__", "builtins.exec", "builtins.eval", "builtins.compile"),
)
NAMES_BY_NAME = (
    *("__import__", "exec", "eval", "compile", "__loader__", "__spec__", "__path__", "__doc__"),
    *("__builtins__", "__globals__", "__code__"),
)
# of a file beside a module, which only declared package data may be
OWN_FILE = "__file__"
VALIDATORS = ("model_validator", "field_validator")
EVERYTHING = "*"
# with these, an assignment could change a class of another module
CHANGING = ("setattr", "delattr", "globals", "vars")
# arguments by which a field is left out of what is written down
HIDING = ("exclude", "exclude_if", "init")


def package_of(module: str, is_package: bool) -> list[str]:
    """Parts of the name that a relative import starts from."""
    return module.split(".") if is_package else module.split(".")[:-1]


def _origin(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    package = package_of(module, is_package)
    base = package[: len(package) - node.level + 1] if node.level else []
    return ".".join([*base, *(node.module.split(".") if node.module else [])])


def imported_names(tree: ast.Module, module: str, is_package: bool = False) -> set[str]:
    """Absolute names of all imports in a module, at any depth.

    What is taken from an import by a dot counts, too: `from a import b` gives both a and a.b, and `b.c.d`
    gives a.b.c and a.b.c.d, because c may be a module, or a name that module b imports itself.
    """
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(node, module, is_package)
            names.add(origin)
            names.update(f"{origin}.{alias.name}" for alias in node.names)
    return names | set(_dotted_names(tree, bound_names(tree, module, is_package)))


def bound_names(tree: ast.Module, module: str, is_package: bool = False) -> dict[str, str]:
    """Local name -> absolute name of each import."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(node, module, is_package)
            found |= {alias.asname or alias.name: f"{origin}.{alias.name}" for alias in node.names}
    return found


def _dotted_names(tree: ast.Module, bound: Mapping[str, str]) -> Iterator[str]:
    for node in ast.walk(tree):
        parts: list[str] = []
        inner: ast.expr | ast.AST = node
        while isinstance(inner, ast.Attribute):
            parts.insert(0, inner.attr)
            inner = inner.value
        if parts and isinstance(inner, ast.Name) and inner.id in bound:
            yield ".".join([bound[inner.id], *parts])


def outside_names(tree: ast.Module, package: str) -> set[str]:
    """First parts of the absolute imports from outside the package."""
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {
        node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module and not node.level
    }
    return {name.split(".")[0] for name in names} - {package}


def names_in_texts(tree: ast.Module, package: str) -> set[str]:
    """Texts that are the name of a part of the package.

    A process may be started by such a name, so it counts like an import.
    """
    named = re.compile(rf"{re.escape(package)}(\.\w+)+")
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {text for text in texts if named.fullmatch(text)}


def _annotations(tree: ast.Module) -> Iterator[ast.expr]:
    """Annotations that nothing evaluates.

    That of a field may decide what the class accepts, if the class has a base.
    """
    fields = {
        id(statement)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.bases
        for statement in node.body
    }
    for node in ast.walk(tree):
        if id(node) in fields:
            continue
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


def used_as_errors(tree: ast.Module, module: str, is_package: bool = False) -> set[str]:
    """Absolute names of imports that are raised, returned or caught."""
    local = bound_names(tree, module, is_package)
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
    """The imports a.b that occur only in annotations, or as errors.

    In this way a stage imports a section of the configuration, and its arguments (`contract.py`): it names the types of
    the values that it is given, raises an error that consists of its words alone, and computes nothing with them. A name
    that does not occur at all may be taken from this module by another one, which is looked at then.
    """
    local = bound_names(tree, module, is_package)
    declaring = {id(part) for annotation in _annotations(tree) for part in ast.walk(annotation)}
    declaring |= {id(error) for error in _errors(tree)}
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in declaring}
    return {name for alias, name in local.items() if alias not in used and alias != EVERYTHING}


def _is_field(statement: ast.stmt) -> bool:
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
            # neither a value that no instance has, nor one that is not written out with the others
            said = f"{ast.unparse(annotation)} {ast.unparse(value) if value else ''}"
            return not name.startswith("_") and not re.search(r"\b(ClassVar|Final|PrivateAttr)\b", said)
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Assign(targets=[ast.Name(id="model_config")]):
            return True
        case ast.FunctionDef(decorator_list=[ast.Call(func=ast.Name(id=name)), *_]):
            return name in VALIDATORS
    return False


def _does_nothing(statement: ast.stmt) -> bool:
    """Whether a statement of a module only binds names."""
    match statement:
        case ast.Import() | ast.ImportFrom() | ast.ClassDef() | ast.AnnAssign(target=ast.Name()):
            return True
        case ast.FunctionDef(decorator_list=decorators):
            return not decorators
        case ast.Assign(targets=targets):
            return all(isinstance(target, ast.Name) for target in targets)
    return _is_text(statement)


def _is_plain_base(base: ast.expr, bound: Mapping[str, str], module: str) -> bool:
    """Whether a base is of pydantic, this module or one beside it.

    A built-in exception is plain, too.
    """
    if not isinstance(base, ast.Name):
        return False
    origin, package = bound.get(base.id, ""), module.rpartition(".")[0]
    return not origin or origin.startswith("pydantic.") or ("." in package and origin.startswith(f"{package}."))


def has_fields_only(tree: ast.Module, module: str, is_package: bool = False) -> bool:
    """Whether a module only defines classes that hold values.

    They may refuse wrong values, but have nothing to call for more, and importing the module does nothing.
    """
    bound = bound_names(tree, module, is_package)
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    decorators = {ast.unparse(each) for node in classes for each in node.decorator_list}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return (
        all(_does_nothing(statement) for statement in tree.body)
        and decorators <= {"dataclass(frozen=True)"}
        and not any(node.keywords for node in classes)
        and all(_is_plain_base(base, bound, module) for node in classes for base in node.bases)
        and all(_is_field(statement) for node in classes for statement in node.body)
        and not any(keyword.arg in HIDING for call in calls for keyword in call.keywords)
        and not any(isinstance(node, ast.Name) and node.id in CHANGING for node in ast.walk(tree))
    )


def reached_by_name(tree: ast.Module) -> list[str]:
    """`line: what` of each access to code or files without import."""
    bound = bound_names(tree, "", is_package=True)
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
            case ast.Attribute(attr=name) if name in (*NAMES_BY_NAME, OWN_FILE) and name.startswith("__"):
                found.append((node.lineno, name))
                continue
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name in bound:
                names = [f"{bound[name]}.{attribute}"]
            case _:
                continue
        found += [
            (node.lineno, name) for name in names for known in TAKEN_BY_NAME if f"{name}.".startswith(f"{known}.")
        ]
    return [f"{line}: {name}" for line, name in sorted(set(found))]
