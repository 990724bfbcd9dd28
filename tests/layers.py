"""What the layered run tells at its end: seconds of each layer, what could not run, and the totals.

``tests/run.py`` loads this into each of its pytest processes, where it notes what became of the tests, and then prints
one table over all of them. Under plain ``pytest`` it is not there and nothing is missed.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pytest

FOLDERS: dict[str, tuple[str, ...]] = {
    "contracts": ("tests/contracts",),
    "pyodide": ("tests/pyodide",),
    "e2e": ("tests/e2e",),
}
"""Layers that are folders of pytest's; ``unit`` is every other folder of tests."""

REPORT = "TALLYSTICK_LAYERS_REPORT"
"""The variable that tells a pytest process where to leave its `Notes`."""

ORDER = ("failed", "passed", "skipped", "deselected", "xfailed", "xpassed", "warnings", "error")
"""Pytest's own order of what its closing line counts."""

BROKEN = ("failed", "error", "xpassed")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a layer. ``state`` is passed, failed or "not run"; ``why`` says why it is not passed."""

    layer: str
    state: str
    seconds: float = 0.0
    why: str = ""


@dataclass(slots=True)
class Notes:
    """What one or more pytest processes came to. Seconds and counts are by layer, ``totals`` by pytest's own words."""

    seconds: Counter[str] = field(default_factory=Counter)
    tests: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    totals: Counter[str] = field(default_factory=Counter)
    skipped: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    nodes: list[str] = field(default_factory=list)
    """What failed, by pytest's own names."""

    def add(self, other: Notes) -> None:
        """Take over what another process came to."""
        self.seconds += other.seconds
        self.tests += other.tests
        self.failed += other.failed
        self.totals += other.totals
        self.skipped += other.skipped
        self.broken += other.broken
        self.nodes += other.nodes

    def write(self, path: Path) -> None:
        """Leave the notes for the process that started this one."""
        path.write_text(json.dumps({each.name: getattr(self, each.name) for each in fields(self)}))

    @classmethod
    def read(cls, path: Path) -> Notes:
        """The notes of a process that has ended; ValueError where it left none."""
        if not path.exists():
            raise ValueError("it left no notes")
        said = json.loads(path.read_text())
        return cls(**{name: value if isinstance(value, list) else Counter(value) for name, value in said.items()})


class Layers:
    """Collects from pytest's reports; one object for each process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._notes = Notes()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        layer = layer_of(report.nodeid)
        self._notes.seconds[layer] += report.duration
        self._notes.tests[layer] += report.when == "call"
        self._heard(layer, report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._heard(layer_of(report.nodeid), report)

    def _heard(self, layer: str, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.failed:
            self._notes.failed[layer] += 1
            self._notes.nodes.append(report.nodeid)
            self._notes.broken.append(f"{report.nodeid}: {crash(report)}")
        elif report.skipped:
            self._notes.skipped.append(f"{report.nodeid}: {reason(report)}")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for word in ORDER:
            shown = [
                report
                for report in terminalreporter.stats.get(word, [])
                if getattr(report, "count_towards_summary", True)
            ]
            self._notes.totals[word] += len(shown)
        self._notes.write(self._path)
        # There is one closing line, over all processes: this one's would be taken for it.
        terminalreporter.summary_stats = lambda: None


def layer_of(nodeid: str) -> str:
    """The layer to which a test belongs, by its folder."""
    return next((layer for layer, folders in FOLDERS.items() if nodeid.startswith(folders)), "unit")


def reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Why a test was skipped."""
    told = report.longrepr
    return str(told[2] if isinstance(told, tuple) else told).removeprefix("Skipped: ")


def crash(report: pytest.TestReport | pytest.CollectReport) -> str:
    """The first line of what went wrong."""
    told = getattr(getattr(report.longrepr, "reprcrash", None), "message", None) or str(report.longrepr)
    return str(told).strip().partition("\n")[0][:200]


def pytest_configure(config: pytest.Config) -> None:
    """Hook: pytest registers the collector."""
    if path := os.environ.get(REPORT):
        config.pluginmanager.register(Layers(Path(path)), "tallystick-layers")


def table(earlier: Sequence[Outcome], notes: Notes) -> Iterator[str]:
    """The lines of the table, then whatever failed or could not run."""
    for outcome in earlier:
        yield f"{outcome.layer:<10} {outcome.seconds:7.1f} s  {outcome.state}"
    for layer in sorted(set(notes.tests) | set(notes.failed)):
        verdict = f"{notes.failed[layer]} failed" if notes.failed[layer] else "passed"
        yield f"{layer:<10} {notes.seconds[layer]:7.1f} s  {verdict}, {notes.tests[layer]} tests"
    for outcome in earlier:
        if outcome.state == "not run":
            yield f"NOT RUN: {outcome.layer}: {outcome.why}"
        elif outcome.state == "failed":
            yield f"FAILED: {outcome.layer}: {outcome.why}, see above"
    yield from (f"FAILED: {item}" for item in notes.broken)
    yield from (f"NOT RUN: {item}" for item in notes.skipped)
    if not os.environ.get("TALLYSTICK_FULL"):
        yield "NOT RUN: the long forms: ./run test --full runs them"


def closing(notes: Notes, seconds: float) -> str:
    """Pytest's closing line, over all processes: ``1 failed, 1208 passed, 3 skipped in 615.20s (0:10:15)``."""
    counts = [(notes.totals[word], word) for word in ORDER if notes.totals[word]]
    told = ", ".join(f"{count} {plural(word, count)}" for count, word in counts) or "no tests ran"
    whole = int(seconds)
    clock = f" ({whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02})" if seconds >= 60 else ""
    return f"{told} in {seconds:.2f}s{clock}"


def plural(word: str, count: int) -> str:
    """Pytest's words for one and for many: the others have one form."""
    if word in ("error", "warnings"):
        return word.removesuffix("s") + ("" if count == 1 else "s")
    return word
