"""Modules that are there and do nothing, for what cannot be compiled or installed without CUDA."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from types import ModuleType
from typing import Any, ClassVar
from unittest.mock import MagicMock


class _Nothing(ModuleType):
    """Has every name."""

    __path__: ClassVar[list[str]] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        made = MagicMock(name=f"{self.__name__}.{name}")
        setattr(self, name, made)
        return made


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name.split(".")[0] not in self._names:
            return None
        # With the name of a compiled file, so that a library takes it for a compiled extension.
        suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
        return importlib.machinery.ModuleSpec(name, self, origin=f"{name}{suffix}", is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _Nothing(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run."""


def install(*names: str) -> None:
    """Put nothing where these modules would be, submodules included."""
    sys.meta_path.insert(0, _Finder(names))
