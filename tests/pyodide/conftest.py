"""The built page, and what the tests say at the end of how much ran inside Pyodide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from web.build.build import build
from web.build.inputs import DIST

INSIDE = pytest.StashKey[str]()


@pytest.fixture(scope="session")
def page() -> Path:
    """web/dist, up to date."""
    build()
    return DIST


@pytest.fixture(scope="session")
def note_inside(pytestconfig: pytest.Config) -> Any:
    """Takes the sentence for the end of the run."""

    def note(sentence: str) -> None:
        pytestconfig.stash[INSIDE] = sentence

    return note


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The count inside Pyodide stands beside pytest's own, which sees one test."""
    if INSIDE in config.stash:
        terminalreporter.write_line(config.stash[INSIDE])
