"""The pytest processes of a layered run: which tests each one takes, and how they run beside one another.

The node's tests mostly wait (for a block, a process, a timer) and the contracts' mostly compute: side by side they take
two cores little longer than one of them alone. The browser's stories run by themselves, at the end: a page that waits
for its turn at a core looks like a page that hangs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.layers import FOLDERS, REPORT, Notes

ROOT = Path(__file__).resolve().parent.parent
NODE = "tests/helper"
"""The part of ``unit`` that waits more than it computes."""


@dataclass(frozen=True, slots=True)
class Part:
    """One pytest process: the layers it has tests of, and the paths and options that select them."""

    layers: tuple[str, ...]
    arguments: tuple[str, ...]


def parts(layers: Sequence[str], extra: Sequence[str]) -> list[list[Part]]:
    """The processes for these layers: groups that run one after another, each of processes that run side by side.

    Arguments for pytest (`-x`, `-k`, a path) mean one run, so with any there is one process.
    """
    if extra:
        return [[Part(tuple(layers), (*extra, *selected(layers)))]]
    beside = [layer for layer in layers if layer != "e2e"]
    groups: list[list[Part]] = []
    if "unit" in beside:
        rest = Part(tuple(beside), (f"--ignore={NODE}", *selected(beside)))
        groups.append([Part(("unit",), (NODE,)), rest])
    elif beside:
        groups.append([Part(tuple(beside), selected(beside))])
    if "e2e" in layers:
        groups.append([Part(("e2e",), selected(["e2e"]))])
    return groups


def selected(layers: Sequence[str]) -> tuple[str, ...]:
    """Pytest's arguments for some layers: their folders, or for ``unit`` all but those of other layers."""
    if "unit" in layers:
        left_out = [layer for layer in FOLDERS if layer not in layers]
        return tuple(f"--ignore={folder}" for layer in left_out for folder in FOLDERS[layer])
    return tuple(folder for layer in layers for folder in FOLDERS[layer])


class Running:
    """A part's process. The first of a group speaks as it goes; the others are heard out when all have ended."""

    def __init__(self, part: Part, folder: Path, beside: bool) -> None:
        self._part = part
        self._report = folder / "notes.json"
        self._heard = (folder / "said").open("w+b") if beside else None
        command = [sys.executable, "-m", "pytest", "-p", "tests.layers", "-q", *part.arguments]
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

    def close(self) -> None:
        """Stop the process where it still runs, and print what it said where nobody has read it yet."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()
        if self._heard is not None:
            self._heard.seek(0)
            said = self._heard.read().decode(errors="replace").rstrip()
            print(f"\n--- beside it: {', '.join(self._part.layers)}\n{said}", flush=True)
            self._heard.close()


def run(groups: Sequence[Sequence[Part]]) -> tuple[int, Notes]:
    """Run all parts: (the worst exit code, the notes of all). What failed in one keeps none of the others away."""
    worst, notes = 0, Notes()
    for group in groups:
        running: list[Running] = []
        with tempfile.TemporaryDirectory(prefix="tallystick-layers-") as folder:
            try:
                for part in group:
                    own = Path(folder) / str(len(running))
                    own.mkdir()
                    running.append(Running(part, own, beside=bool(running)))
                for process in running:
                    code, came_to = process.ended()
                    worst = max(worst, abs(code))
                    notes.add(came_to)
            finally:
                # Also when somebody stops the run: what is known by then is told.
                for process in running:
                    process.close()
    return worst, notes
