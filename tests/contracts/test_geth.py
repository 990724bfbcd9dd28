"""geth.py: a life of a channel on geth, where it is on PATH; the seat itself on anvil, which can stand in for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager

import pytest

from contracts import anvil
from contracts.machine import Reverted
from tests.contracts import geth
from tests.contracts.test_machine import life
from tests.contracts.world import World


@contextmanager
def stand_in():
    with anvil.running() as chain:
        yield geth.Geth(chain)


def lived(opened: Callable[[], AbstractContextManager[geth.Geth]]) -> list[int]:
    """Gas of each step of a life that succeeds."""
    with opened() as machine:
        world = World(machine)
        receipts = list(life(world))
        assert all(receipt.ok for receipt in receipts)
        assert world.held() == 0
        with pytest.raises(Reverted, match="ended"):
            world.channels.call("withdraw", world.config())
        return [receipt.gas for receipt in receipts]


def test_a_life_on_a_chain_that_keeps_its_own_time() -> None:
    lived(stand_in)


def test_a_life_on_geth() -> None:
    program = geth.program()
    if program is None:
        pytest.skip("geth is not on PATH: the contracts ran on revm, py-evm and ethereumjs only")
    there, here = lived(lambda: geth.running(program)), lived(stand_in)
    # Ids and signatures hold the chain's number, and a zero byte of calldata costs less than another.
    assert there == pytest.approx(here, abs=400)
