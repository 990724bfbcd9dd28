"""pytest, inside Pyodide: run by run.mjs. Coroutine tests get an event loop that needs no sockets."""

from __future__ import annotations

import asyncio
import inspect
import json
import time
from asyncio import base_events, events
from typing import Any

import pytest

from tallystick_web import browser_boot, keccak


class _NoFiles:
    """What BaseEventLoop asks of a selector, with no file to watch: wait for the next timer."""

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("the test waits for something that never comes")
        time.sleep(timeout)
        return []

    def close(self) -> None:
        """Nothing is open."""


class Loop(base_events.BaseEventLoop):
    """A loop of timers and callbacks. Pyodide's own cannot be waited for where the engine cannot switch stacks."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = _NoFiles()

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """There is no other thread to wake this one."""


def run_coroutine(coroutine: Any) -> None:
    """Run to the end, on a loop of its own. Pyodide marks its loop as running always; that is put aside meanwhile."""
    outer = events._get_running_loop()
    events._set_running_loop(None)
    try:
        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.get_loop().run_until_complete(coroutine)
    finally:
        events._set_running_loop(outer)


class Plugin:
    """Runs coroutine tests; notes every outcome."""

    def __init__(self) -> None:
        self.results: list[dict[str, str]] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        function = pyfuncitem.obj
        if not inspect.iscoroutinefunction(function):
            return None
        names = pyfuncitem._fixtureinfo.argnames
        run_coroutine(function(**{name: pyfuncitem.funcargs[name] for name in names}))
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            self._note(report.nodeid, report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._note(report.nodeid, report)

    def _note(self, nodeid: str, report: Any) -> None:
        self.results.append(
            {"test": nodeid, "outcome": report.outcome, "why": "" if report.passed else report.longreprtext}
        )


def run(arguments: list[str]) -> str:
    """Run pytest; the outcomes as JSON: {"exit", "results": [{"test", "outcome", "why"}]}."""
    keccak.use(browser_boot.crypto().keccak256)
    plugin = Plugin()
    code = pytest.main(arguments, plugins=[plugin])
    return json.dumps({"exit": int(code), "results": plugin.results})
