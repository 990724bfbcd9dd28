"""Which Python modules the page has, and which they import inside functions: the snapshot imports all of them."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from web.build.inputs import SHARED, WEB

PACKAGES = (SHARED / "tallystick_shared", WEB / "tallystick_web")
# Made by the page itself, when it runs.
MADE_BY_THE_PAGE = {"js", "pyscript", "tallystick_js"}


def _name(package: Path, file: Path) -> str:
    parts = file.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(tree: ast.AST, parent: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            relative = "." * node.level + (node.module or "")
            yield importlib.util.resolve_name(relative, parent) if node.level else relative


def ours() -> list[str]:
    """The full name of every module of tallystick_shared and tallystick_web."""
    return sorted(_name(package, file) for package in PACKAGES for file in package.rglob("*.py"))


def late() -> list[str]:
    """What functions of ours import when they are called, of our own and of others."""
    found = set()
    for package in PACKAGES:
        for file in package.rglob("*.py"):
            name = _name(package, file)
            parent = name if file.name == "__init__.py" else name.rpartition(".")[0]
            tree = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    found.update(_imports(node, parent))
    return sorted(name for name in found if name.split(".")[0] not in MADE_BY_THE_PAGE)
