"""The pytest processes of a layered run: which tests each one takes, and how they run beside one another.

The node's tests mostly wait (for a block, a process, a timer), so they take two processes, and Pyodide's one beside
them. The browser's stories come after those: a page that waits for its turn at a core looks like a page that hangs.
Whatever only computes runs beneath them all from the beginning to the end, and gets what they leave of the cores.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.layers import FOLDERS, REPORT, Notes

ROOT = Path(__file__).resolve().parent.parent
NODE = "tests/helper"
"""The part of ``unit`` that waits more than it computes."""
PROCESSES = 2
BENEATH = 5
"""The niceness of what only computes: for each second of it another process gets three, where it can use them."""


@dataclass(frozen=True, slots=True)
class Part:
    """One pytest process: the layers it has tests of, and the paths and options that select them."""

    layers: tuple[str, ...]
    arguments: tuple[str, ...]
    beneath: bool = False
    """It leaves the cores to others."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`groups` run one after another, the processes of each side by side. `beneath` is there from the beginning."""

    groups: tuple[tuple[Part, ...], ...]
    beneath: Part | None = None


def parts(layers: Sequence[str], extra: Sequence[str]) -> Plan:
    """The processes for these layers. Arguments for pytest (`-x`, `-k`, a path) mean one run, so with any there is one
    process.
    """
    if extra:
        return Plan(((Part(tuple(layers), (*extra, *selected(layers))),),))
    beside = [_part([layer]) for layer in layers if layer in ("contracts", "pyodide")]
    beneath = None
    if "unit" in layers:
        files = sorted(str(path.relative_to(ROOT)) for path in (ROOT / NODE).rglob("test_*.py"))
        computing = [layer for layer in layers if layer in ("unit", "contracts")]
        beneath = _part(computing, f"--ignore={NODE}", beneath=True)
        beside = [part for part in beside if part.layers != ("contracts",)]
        beside[:0] = [Part(("unit",), (*cached(f"node-{at}"), *files[at::PROCESSES])) for at in range(PROCESSES)]
    stories = [_part(["e2e"])] if "e2e" in layers else []
    return Plan(tuple(tuple(group) for group in (beside, stories) if group), beneath)


def _part(layers: Sequence[str], *options: str, beneath: bool = False) -> Part:
    return Part(tuple(layers), (*cached("-".join(layers)), *options, *selected(layers)), beneath)


def cached(name: str) -> tuple[str, str]:
    """A cache of its own: of one for all, the last process to end would leave nothing but its own failures there."""
    return "-o", f"cache_dir=.pytest_cache/{name}"


def selected(layers: Sequence[str]) -> tuple[str, ...]:
    """Pytest's arguments for some layers: their folders, or for ``unit`` all but those of other layers."""
    if "unit" in layers:
        left_out = [layer for layer in FOLDERS if layer not in layers]
        return tuple(f"--ignore={folder}" for layer in left_out for folder in FOLDERS[layer])
    return tuple(folder for layer in layers for folder in FOLDERS[layer])


class Running:
    """A part's process. The first of a group speaks as it goes; the others are heard out when it has ended."""

    def __init__(self, part: Part, folder: Path, beside: bool) -> None:
        folder.mkdir()
        self._part = part
        self._report = folder / "notes.json"
        self._heard = (folder / "said").open("w+b") if beside else None
        command = [sys.executable, "-m", "pytest", "-p", "tests.layers", "-q", *part.arguments]
        if part.beneath and (nice := shutil.which("nice")):
            command[:0] = [nice, "-n", str(BENEATH)]
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, REPORT: str(self._report)},
            stdout=self._heard,
            stderr=subprocess.STDOUT if beside else None,
        )

    def ended(self) -> tuple[int, Notes]:
        """Wait for the end: (exit code, what the tests came to). A process that dies counts as an error."""
        code = self._process.wait()
        try:
            return code, Notes.read(self._report)
        except ValueError as fault:
            notes = Notes()
            notes.failed[self._part.layers[0]] += 1
            notes.totals["error"] += 1
            notes.broken.append(f"{', '.join(self._part.layers)} - pytest ended with {code}; {fault}")
            return code or 1, notes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the process where it still runs, and print what it said where nobody has read it yet."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()
        if self._heard is not None:
            self._heard.seek(0)
            said = self._heard.read().decode(errors="replace").rstrip()
            print(f"\n--- beside it: {', '.join(self._part.layers)}\n{said}", flush=True)
            self._heard.close()


def run(plan: Plan) -> tuple[int, Notes]:
    """Run all parts: (the worst exit code, the notes of all). What failed in one keeps none of the others away. Also
    when somebody stops the run, what is known by then is told.
    """
    worst, notes = 0, Notes()
    with tempfile.TemporaryDirectory(prefix="tallystick-layers-") as folder, contextlib.ExitStack() as whole:
        names = (Path(folder) / str(number) for number in itertools.count())
        beneath = [whole.enter_context(Running(plan.beneath, next(names), beside=True))] if plan.beneath else []
        for group in plan.groups:
            with contextlib.ExitStack() as together:
                running = [
                    together.enter_context(Running(part, next(names), beside=part is not group[0])) for part in group
                ]
                for code, came_to in [one.ended() for one in running]:
                    worst = max(worst, abs(code))
                    notes.add(came_to)
        for code, came_to in [one.ended() for one in beneath]:
            worst = max(worst, abs(code))
            notes.add(came_to)
    return worst, notes


def remember(notes: Notes, folder: Path = ROOT / ".pytest_cache") -> None:
    """What failed in any process is what ``./run test -- --lf`` runs again: pytest's own file of it."""
    file = folder / "v" / "cache" / "lastfailed"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(dict.fromkeys(notes.nodes, True)))
