"""What the code overrides and reaches into of Celery, kombu, billiard and Flower, from its syntax.

Found are subclasses of their classes and what these override, imported names that are assigned to
or changed in place, attributes set on other objects, and private attributes read from objects that
are not our own.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

# Methods that change a list or dictionary in place.
MUTATORS = {
    "append",
    "clear",
    "extend",
    "insert",
    "pop",
    "popitem",
    "remove",
    "setdefault",
    "update",
}

LIBRARIES = ("billiard", "celery", "flower", "kombu")


def of_library(name: str) -> bool:
    """Whether a dotted name belongs to one of the libraries."""
    return name.partition(".")[0] in LIBRARIES


class Overrides(ast.NodeVisitor):
    """Collects from one module.

    ``classes`` maps the dotted name of a library's class to the attributes of it that a subclass
    overrides; ``patched`` are dotted names that are assigned to or changed in place; ``private``
    are the names of private attributes that are used of objects that this module does not define;
    ``set_on_others`` are the names of attributes that are set on objects other than ``self``.
    """

    def __init__(self, tree: ast.Module) -> None:
        self.classes: dict[str, set[str]] = {}
        self.patched: set[str] = set()
        self.private: set[str] = set()
        self.set_on_others: set[str] = set()
        self._imported = dict(imports(tree))
        self._own = own_attributes(tree)
        self.visit(tree)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for base in filter(None, map(library_class, map(self._dotted, node.bases))):
            theirs = dir(load(base))
            overridden = {name for name in defined(node) if name in theirs}
            self.classes.setdefault(base, set()).update(overridden - {"__doc__", "__module__"})
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._note_target(target)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._note_target(node.target)
        self.generic_visit(node)

    def visit_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            self._note_target(target)
        self.generic_visit(node)

    def _note_target(self, target: ast.expr) -> None:
        """Notes ``module.name = ...``, ``module.name[...] = ...`` and ``object.name = ...``."""
        changed = target.value if isinstance(target, ast.Subscript) else target
        if self._note_patched(changed) or not isinstance(target, ast.Attribute):
            return
        is_own = isinstance(target.value, ast.Name) and target.value.id == "self"
        if self._dotted(target.value) is None and not is_own and target.attr not in self._own:
            self.set_on_others.add(target.attr)

    def _note_patched(self, node: ast.expr) -> bool:
        """Notes an imported name of a library that is changed; returns whether it was one."""
        name = self._dotted(node)
        if name is None or not of_library(name):
            return False
        self.patched.add(name)
        return True

    def visit_Attribute(self, node: ast.Attribute) -> None:
        module = self._dotted(node.value)
        if module is None or of_library(module):  # not `os._exit`
            self._note(node.attr)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        match node:  # getattr(pool, "_pool", None)
            case ast.Call(func=ast.Name("getattr"), args=[_, ast.Constant(str(name)), *_]):
                self._note(name)
            case ast.Call(func=ast.Attribute(value=changed, attr=method)) if method in MUTATORS:
                self._note_patched(changed)
        self.generic_visit(node)

    def _note(self, name: str) -> None:
        if name.startswith("_") and not name.startswith("__") and name not in self._own:
            self.private.add(name)

    def _dotted(self, node: ast.expr) -> str | None:
        if isinstance(node, ast.Name):
            return self._imported.get(node.id)
        if isinstance(node, ast.Attribute):
            base = self._dotted(node.value)
            return base and f"{base}.{node.attr}"
        return None


def imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The names that a module imports, inside functions too, with what they stand for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.name if alias.asname else alias.name.partition(".")[0]
                yield alias.asname or name, name
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def defined(node: ast.ClassDef) -> Iterator[str]:
    """The names that a class body defines."""
    for statement in node.body:
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.Assign(targets=targets):
                yield from (target.id for target in targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(name), value=value) if value is not None:
                yield name


def own_attributes(tree: ast.Module) -> set[str]:
    """The names of attributes that a module's classes define or set on themselves."""
    own: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(body=body):
                own.update(defined(node))
                for statement in body:
                    match statement:
                        case ast.AnnAssign(target=ast.Name(name)):
                            own.add(name)
            case ast.Attribute(value=ast.Name("self"), attr=name, ctx=ast.Store()):
                own.add(name)
    return own


def load(name: str) -> object:
    """The object of a dotted name."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        return getattr(load(module), attribute)


def library_class(base: str | None) -> str | None:
    """The library's class that a base class is, or, if another module of ours has it, extends."""
    if base is None or of_library(base):
        return base
    if base.partition(".")[0] != "damage_tasks":
        return None
    parents = [f"{cls.__module__}.{cls.__qualname__}" for cls in getattr(load(base), "__mro__", ())]
    return next(filter(of_library, parents), None)


def uses_libraries(tree: ast.Module) -> bool:
    """Whether a module imports one of the libraries."""
    return any(of_library(name) for _, name in imports(tree))


def overrides_in(root: Path) -> dict[Path, Overrides]:
    """What the modules below ``root`` that import one of the libraries override and reach into."""
    trees = {path: ast.parse(path.read_text()) for path in sorted(root.rglob("*.py"))}
    return {path: Overrides(tree) for path, tree in trees.items() if uses_libraries(tree)}
