"""What a model offers, kept beside the node's data so that it is known without loading it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from .seat import Capabilities, Engine

_FILE = "model-facts.json"


@dataclass(frozen=True, slots=True)
class Facts:
    """The models of an engine, its slots and its queue."""

    models: tuple[Capabilities, ...]
    slots: int
    queue: int

    @classmethod
    def of(cls, engine: Engine) -> Facts:
        load = engine.load()
        return cls(engine.models(), load.slots, load.queue)


class FactsBook:
    """A file of them. One that cannot be read only costs time."""

    def __init__(self, data_dir: Path | None) -> None:
        self._path = data_dir / _FILE if data_dir is not None else None
        self._kept: dict[str, Facts] = {}
        if self._path is not None:
            with suppress(OSError, msgspec.MsgspecError):
                self._kept = msgspec.json.decode(self._path.read_bytes(), type=dict[str, Facts])

    def get(self, key: str) -> Facts | None:
        return self._kept.get(key) if key else None

    def put(self, key: str, facts: Facts) -> None:
        if not key:
            return
        self._kept[key] = facts
        if self._path is not None:
            with suppress(OSError):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                temporary = self._path.with_name(f"{_FILE}.{os.getpid()}")
                temporary.write_bytes(msgspec.json.encode(self._kept))
                temporary.replace(self._path)


def key_of(kind: str, options: Mapping[str, Any]) -> str:
    """Changes with the options, the files under `path`, and this distribution; empty where no file says that the model
    is still the same.
    """
    path = options.get("path")
    if not path:
        return ""
    try:
        marks = [_mark(file) for file in _files(Path(path).expanduser())]
    except OSError:
        return ""
    what = [kind, version("tallystick"), sorted((name, str(value)) for name, value in options.items()), marks]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _mark(file: Path) -> list[Any]:
    found = file.stat()
    return [str(file), found.st_size, found.st_mtime_ns, found.st_ino]
