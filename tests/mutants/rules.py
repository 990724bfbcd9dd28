"""The rules by which code is made wrong. Each changes one place of a module's syntax tree."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutant:
    """One change of one file, named by its line and what was done."""

    file: str
    line: int
    what: str
    make: Callable[[], str] = field(compare=False, repr=False)

    @property
    def source(self) -> str:
        """The whole module as it should not be."""
        return self.make()

    @property
    def name(self) -> str:
        return f"{self.file}:{self.line} {self.what}"


class Change(NamedTuple):
    """What is done, and how: the new node, or None where a statement is taken out. `line` where it is not its own."""

    what: str
    how: Callable[[Any], ast.AST | None]
    line: int = 0


def changes(node: ast.AST) -> Iterator[Change]:
    """Everything that can be done to this node."""
    for some in (_operators, _values, _parts, _statements):
        yield from some(node)


def _operators(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Compare):
        for at, operator in enumerate(node.ops):
            if type(operator) in SWAPPED:
                yield Change(_swap(operator), lambda held, at=at: _with_operator(held, at))
    elif isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign) and type(node.op) in SWAPPED:
        yield Change(_swap(node.op), _with_other)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield Change("not is left out", lambda held: held.operand)
    elif isinstance(node, ast.If | ast.IfExp):
        yield Change("the condition is turned over", _turned)


def _values(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield Change(f"{node.value} becomes {not node.value}", lambda held: ast.Constant(not held.value))
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield Change(f"{node.value} becomes {node.value + 1}", lambda held: ast.Constant(held.value + 1))
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
        yield Change(f"{node.func.id} becomes {CALLS[node.func.id]}", _with_other_call)


def _parts(node: ast.AST) -> Iterator[Change]:
    """Rows of a table, members of a set or a tuple that is a value."""
    if isinstance(node, ast.Dict):
        for at, key in enumerate(node.keys):
            words = ast.unparse(key) if key else f"**{ast.unparse(node.values[at])}"
            yield Change(
                f"the row {words[:60]} is left out",
                lambda held, at=at: _without(held, at),
                (key or node.values[at]).lineno,
            )
    elif isinstance(node, ast.Set | ast.Tuple) and len(node.elts) > 1 and _is_read(node):
        for at, element in enumerate(node.elts):
            yield Change(f"{ast.unparse(element)[:40]} is left out", lambda held, at=at: _without_element(held, at))


def _statements(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Return) and node.value is not None and not _is_constant(node.value, None):
        yield Change("nothing is returned", lambda held: ast.Return(ast.Constant(None)))
    if isinstance(node, ast.Assign | ast.AugAssign | ast.Raise | ast.Expr) and not _is_text(node):
        yield Change(f"{ast.unparse(node)[:60]!r} is left out", lambda held: None)


def _is_read(node: ast.AST) -> bool:
    return isinstance(getattr(node, "ctx", ast.Load()), ast.Load)


def _is_constant(node: ast.AST, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _is_text(node: ast.AST) -> bool:
    """Is it a docstring?"""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _swap(operator: ast.AST) -> str:
    return f"{type(operator).__name__} becomes {SWAPPED[type(operator)].__name__}"


def _with_operator(node: ast.AST, at: int) -> ast.AST:
    assert isinstance(node, ast.Compare)
    node.ops[at] = SWAPPED[type(node.ops[at])]()  # type: ignore[assignment]
    return node


def _with_other(node: ast.AST) -> ast.AST:
    node.op = SWAPPED[type(node.op)]()  # type: ignore[attr-defined]
    return node


def _with_other_call(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    node.func.id = CALLS[node.func.id]
    return node


def _turned(node: ast.AST) -> ast.AST:
    node.test = ast.UnaryOp(ast.Not(), node.test)  # type: ignore[attr-defined]
    return node


def _without(node: ast.AST, at: int) -> ast.AST:
    assert isinstance(node, ast.Dict)
    del node.keys[at], node.values[at]
    return node


def _without_element(node: ast.AST, at: int) -> ast.AST:
    del node.elts[at]  # type: ignore[attr-defined]
    return node


def _skipped(tree: ast.Module) -> set[ast.AST]:
    """Nodes that say nothing at run time: annotations, imports, types, decorators, `__all__`, error values."""
    skipped: set[ast.AST] = set()

    def skip(*nodes: ast.AST | None) -> None:
        for node in nodes:
            if node is not None:
                skipped.update(ast.walk(node))

    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign):
            skip(node.annotation)
        elif isinstance(node, ast.FunctionDef):
            skip(node.returns, *node.decorator_list)
        elif isinstance(node, ast.ClassDef):
            skip(*node.decorator_list)
        elif isinstance(node, ast.Call):
            skip(*(keyword.value for keyword in node.keywords if isinstance(keyword.value, ast.Constant)))
            if isinstance(node.func, ast.Name) and node.func.id in ("PeerError", "LocalError", "TypeVar", "ValueError"):
                skip(*node.args[1:], *(keyword.value for keyword in node.keywords))
    return skipped


def mutants(file: str, source: str) -> list[Mutant]:
    """Every mutant of a module."""
    tree = ast.parse(source)
    skipped = _skipped(tree)
    found = [
        Mutant(file, change.line or node.lineno, change.what, partial(_changed, tree, place, change.how))
        for place, node in enumerate(ast.walk(tree))
        if node not in skipped and hasattr(node, "lineno")
        for change in changes(node)
    ]
    return sorted(found, key=lambda each: (each.line, each.what))


def _changed(tree: ast.Module, place: int, change: Callable[[ast.AST], ast.AST | None]) -> str:
    """The module with one node changed."""
    copied = copy.deepcopy(tree)
    node = list(ast.walk(copied))[place]
    parent = next(each for each in ast.walk(copied) if any(child is node for child in ast.iter_child_nodes(each)))
    new = change(node)
    new = ast.Pass() if new is None else new
    if new is not node:
        for name, value in ast.iter_fields(parent):
            if value is node:
                setattr(parent, name, new)
            elif isinstance(value, list) and any(each is node for each in value):
                value[[each is node for each in value].index(True)] = new
    return ast.unparse(ast.fix_missing_locations(copied))
