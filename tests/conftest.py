"""What every test shares: marks by folder, the long forms, hypothesis profiles, and the outside things as fixtures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import browsers

ROOT = Path(__file__).resolve().parent.parent
MARK_OF_FOLDER = {"contracts": "contracts", "pyodide": "pyodide", "e2e": "e2e"}
# Playwright's sync API keeps an event loop running in this thread while its fixture lives, and no async test can run
# beside one: so the folders that use it come last.
LAST_FOLDERS = ("pyodide", "e2e")

# Two shared cores: what takes how long is a matter for ./run bench, not for a property.
# Nobody's keyring is filled with keys of tests, nor those of the processes that they start.
os.environ["TALLYSTICK_KEYRING"] = "off"
settings.register_profile("short", max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("full", settings.get_profile("short"), max_examples=2000)
settings.load_profile("full" if os.environ.get("TALLYSTICK_FULL") else "short")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--full`` runs the long forms; ``./run test --full`` sets the variable, for the processes that tests start."""
    parser.addoption("--full", action="store_true", help="run the long forms too")


def pytest_configure(config: pytest.Config) -> None:
    """The option and the variable mean the same."""
    if config.getoption("--full"):
        os.environ["TALLYSTICK_FULL"] = "1"
        settings.load_profile("full")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test by its folder, browsers last; leave the long forms out of a short run."""
    items.sort(key=lambda item: LAST_FOLDERS.index(folder_of(item)) + 1 if folder_of(item) in LAST_FOLDERS else 0)
    for item in items:
        folder = folder_of(item)
        if folder in MARK_OF_FOLDER:
            item.add_marker(MARK_OF_FOLDER[folder])
    if not is_full():
        long_forms = [item for item in items if item.get_closest_marker("full")]
        config.hook.pytest_deselected(items=long_forms)
        items[:] = [item for item in items if item not in long_forms]


def folder_of(item: pytest.Item) -> str:
    """The folder of `tests/` in which a test lies."""
    return Path(item.path).relative_to(ROOT / "tests").parts[0]


def is_full() -> bool:
    """Whether this run takes the long forms: stated counts, Firefox, chaos."""
    return bool(os.environ.get("TALLYSTICK_FULL"))


@pytest.fixture(scope="session")
def full() -> bool:
    """Whether this is a run of the long forms, for tests that only take more of the same."""
    return is_full()


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium; start it with ``browsers.FLAGS``."""
    found = browsers.find_chromium()
    if found is None:
        pytest.skip("there is no Chromium on this machine")
    return found
