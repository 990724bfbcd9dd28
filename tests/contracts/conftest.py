"""Each test gets a world of its own: contracts deployed once for each EVM, state put back after every test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from contracts import anvil
from contracts.machine import Machine
from tests.contracts import ethereumjs
from tests.contracts.pyevm import PyEvm
from tests.contracts.stateful.runs import SUMMARY
from tests.contracts.world import World


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/contracts" in item.path.as_posix():
            item.add_marker(pytest.mark.contracts)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """What the random runs did, in counts."""
    if lines := config.stash.get(SUMMARY, []):
        terminalreporter.section("contracts: what was done and held")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def chain() -> Iterator[anvil.Anvil]:
    with anvil.running() as running:
        yield running


@pytest.fixture(scope="session")
def py_evm() -> PyEvm:
    return PyEvm()


@pytest.fixture(scope="session")
def node() -> Iterator[ethereumjs.EthereumJs]:
    with ethereumjs.running() as running:
        yield running


@pytest.fixture(scope="session")
def old_chain() -> Iterator[anvil.Anvil]:
    """A chain without PUSH0, transient storage and P-256."""
    with anvil.running(hardfork="paris") as running:
        running.artefact = "paris"
        yield running


MACHINES = {"py-evm": "py_evm", "anvil": "chain", "ethereumjs": "node", "anvil-paris": "old_chain"}
"""The EVMs on which every scenario runs, and the fixtures that make them."""


@pytest.fixture(scope="session", params=MACHINES)
def machine(request: pytest.FixtureRequest) -> Machine:
    found: Machine = request.getfixturevalue(MACHINES[request.param])
    return found


@pytest.fixture(scope="session")
def deployed(machine: Machine) -> World:
    return World(machine)


@pytest.fixture
def world(deployed: World) -> Iterator[World]:
    with deployed.machine.anchored():
        yield deployed


@pytest.fixture(scope="session")
def pyevm_deployed() -> World:
    return World(PyEvm())


@pytest.fixture
def pyevm(pyevm_deployed: World) -> Iterator[World]:
    """A world on py-evm alone, for what would take long on both."""
    with pyevm_deployed.machine.anchored():
        yield pyevm_deployed


@pytest.fixture
def chain_world(chain: anvil.Anvil) -> Iterator[World]:
    """A world on anvil alone."""
    with chain.anchored():
        yield World(chain)
