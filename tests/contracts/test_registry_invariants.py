"""The Registry's invariants over random comings and goings (see ``stateful.market``)."""

from __future__ import annotations

import pytest

from tests.contracts.pyevm import PyEvm
from tests.contracts.stateful.market import Market
from tests.contracts.stateful.runs import STEPS, live, tell
from tests.contracts.world import World

LIVES = (10, 240)
"""In the short form, in the full one."""

MANY = 5
NEEDED = {"register", "announce", "addStake", "requestExit", "exit", "exit at the first moment", "swap", "exit alone"}
REFUSED = {f"refused: {word}" for word in ("registered", "unregistered", "requested", "early", "by the receiver")}


@pytest.mark.timeout(1800)
def test_registry_invariants(py_evm: PyEvm, full: bool, pytestconfig: pytest.Config) -> None:
    with py_evm.anchored():
        world = World(py_evm)
        done = live(Market, LIVES[full], full=full, world=world, actor=world.actor())
    tell(pytestconfig, "registry on py_evm", done)
    assert done["steps"] >= LIVES[full] * STEPS[full] * 5 // 6  # hypothesis cuts some short
    least, needed = (MANY, NEEDED | REFUSED) if full else (1, {"register", "announce", "requestExit", "exit alone"})
    rare = {kind: done[kind] for kind in needed if done[kind] < least}
    assert not rare, f"too seldom: {rare}"
