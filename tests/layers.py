"""pytest's part of the layered run: seconds of each layer, and what could not run, in the last lines.

Loaded by ``tests/run.py``; under plain ``pytest`` it is not there and nothing is missed.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from typing import Any

import pytest

FOLDERS = {"tests/contracts": "contracts", "tests/pyodide": "pyodide", "tests/e2e": "e2e"}


class Layers:
    """Collects from pytest's reports; one object for each run."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.tests: dict[str, int] = defaultdict(int)
        self.failed: dict[str, int] = defaultdict(int)
        self.skipped: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        layer = layer_of(report.nodeid)
        self.seconds[layer] += report.duration
        self.tests[layer] += report.when == "call"
        self.failed[layer] += report.failed
        if report.skipped:
            self.skipped.append(f"{report.nodeid}: {reason(report)}")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failed[layer_of(report.nodeid)] += 1
        elif report.skipped:
            self.skipped.append(f"{report.nodeid}: {reason(report)}")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        line = terminalreporter.write_line
        terminalreporter.section("layers")
        earlier = json.loads(os.environ.get("TALLYSTICK_LAYERS", "[]"))
        for outcome in earlier:
            line(f"{outcome['layer']:<10} {outcome['seconds']:7.1f} s  {outcome['state']}")
        for layer in sorted(set(self.tests) | set(self.failed)):
            verdict = f"{self.failed[layer]} failed" if self.failed[layer] else "passed"
            line(f"{layer:<10} {self.seconds[layer]:7.1f} s  {verdict}, {self.tests[layer]} tests")
        for outcome in earlier:
            if outcome["state"] == "not run":
                line(f"NOT RUN: {outcome['layer']}: {outcome['why']}")
            elif outcome["state"] == "failed":
                line(f"FAILED: {outcome['layer']}: {outcome['why']}, see above")
        for item in self.skipped:
            line(f"NOT RUN: {item}")
        if not os.environ.get("TALLYSTICK_FULL"):
            line("NOT RUN: the long forms: ./run test --full runs them")


def layer_of(nodeid: str) -> str:
    """The layer to which a test belongs, by its folder."""
    return next((layer for folder, layer in FOLDERS.items() if nodeid.startswith(folder)), "unit")


def reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Why a test was skipped."""
    told = report.longrepr
    return str(told[2] if isinstance(told, tuple) else told).removeprefix("Skipped: ")


def pytest_configure(config: pytest.Config) -> None:
    """Hook: pytest registers the collector."""
    config.pluginmanager.register(Layers(), "tallystick-layers")
