"""Runs tests against a mutant: in a fork of a process that holds every library but nothing of ours, so each trial costs
the tests and little more.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from tests.mutants.rules import Mutant

ROOT = Path(__file__).resolve().parent.parent.parent
SHARED = ROOT / "shared" / "tallystick_shared"
LIBRARIES = (
    "coincurve", "Crypto.Hash.keccak", "cryptography.hazmat.primitives.asymmetric.mlkem",
    "cryptography.hazmat.primitives.asymmetric.ec", "eth_abi", "eth_utils", "hypothesis", "hypothesis.stateful",
    "msgspec", "nacl.bindings", "pytest",
)  # fmt: skip
INI = "tests/pyodide/inside.ini"
SECONDS = 120
"""A mutant that never ends is one that the tests noticed."""


class Wrong(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives one module another source than its file's."""

    def __init__(self, module: str, path: Path, source: str) -> None:
        self._module, self._path, self._source = module, path, source

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != self._module:
            return None
        return importlib.util.spec_from_file_location(name, self._path, loader=self)  # type: ignore[arg-type]

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._source, str(self._path), "exec"), module.__dict__)


@dataclass(frozen=True)
class Outcome:
    """`killed` where the tests objected, or never ended."""

    mutant: Mutant
    killed: bool
    seconds: float


def prepare() -> None:
    """Loads the libraries once, in the process that will be forked."""
    for name in LIBRARIES:
        importlib.import_module(name)
    ours = [name for name in sys.modules if name.split(".")[0] in ("tallystick_shared", "tallystick_helper")]
    if ours:
        raise RuntimeError(f"{ours[0]} is loaded already: a mutant would not be seen")


def begin(mutant: Mutant | None, tests: Sequence[str]) -> int:
    """Starts a trial in a fork; returns its process id. Without a mutant the code is as it is."""
    child = os.fork()
    if child:
        return child
    try:
        os._exit(_trial(mutant, tests))
    finally:
        os._exit(3)


def _trial(mutant: Mutant | None, tests: Sequence[str]) -> int:
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    os.chdir(ROOT)
    signal.alarm(SECONDS)  # the default of SIGALRM ends the process
    if mutant is not None:
        path = SHARED / mutant.file
        module = "tallystick_shared." + mutant.file.removesuffix(".py").replace("/", ".")
        sys.meta_path.insert(0, Wrong(module, path, mutant.source))
    import pytest

    os.environ.pop("TALLYSTICK_FULL", None)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # none of them is needed, and together they cost most
    options = ["-x", "-q", "-p", "no:cacheprovider", "--assert=plain", "-c", INI, f"--rootdir={ROOT}"]
    options += ["--import-mode=importlib", "-m", "not full"]
    for some in (tests[:1], tests[1:]):  # a file's own tests see most: the others are not even collected then
        if some and (code := int(pytest.main([*options, *some]))):
            return code
    return 0


def tried(mutants: Sequence[Mutant | None], tests: dict[str, Sequence[str]], jobs: int) -> list[Outcome]:
    """All of them, `jobs` at a time. `tests` by the mutant's file."""
    waiting, running, outcomes = list(mutants), {}, []
    while waiting or running:
        while waiting and len(running) < jobs:
            mutant = waiting.pop(0)
            running[begin(mutant, tests[mutant.file] if mutant else tests[""])] = (mutant, time.monotonic())
        child, status = os.wait()
        if child in running:
            mutant, began = running.pop(child)
            code = os.waitstatus_to_exitcode(status)
            if code > 1:  # not the tests' word, but pytest's own: nothing collected, or a fault of its own
                code = 1 if mutant and code == 2 else code
            if code > 1:
                raise RuntimeError(f"{mutant.name if mutant else 'the code as it is'}: pytest ended with {code}")
            outcomes.append(Outcome(mutant, code != 0, time.monotonic() - began))  # type: ignore[arg-type]
            if mutant and not code:
                print(f"survived: {mutant.name}", flush=True)
    return outcomes
