"""The end of a connection: as long as something is read, and no longer."""

from __future__ import annotations

import asyncio

import pytest

from tallystick_helper.node import farewell
from tallystick_helper.node.farewell import Farewell


class Peer:
    """Reads as it is told to."""

    def __init__(self, *left: int) -> None:
        self.lefts, self.looks = list(left), 0
        self.severed = asyncio.Event()
        self.farewell = Farewell(self.left, self.severed.set)

    def left(self) -> int:
        self.looks += 1
        return self.lefts.pop(0) if len(self.lefts) > 1 else self.lefts[0]

    async def end(self) -> int:
        """How often it was looked at what is left, until its socket was severed."""
        self.farewell.begin()
        self.farewell.begin()
        await asyncio.wait_for(self.severed.wait(), 5)
        return self.looks


@pytest.mark.parametrize(
    ("left", "looks"), [((0,), 2), ((500,), 2), ((900, 600, 300, 0), 7), ((900, 600, 600), 4), ((10, 20), 2)]
)
async def test_a_peer_that_reads_gets_on(left: tuple[int, ...], looks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(farewell, "PATIENCE", 0.01)
    peer = Peer(*left)
    ends = await peer.end()
    assert ends <= looks
    assert (ends > 2) == (len(left) > 2)


def test_two_seconds() -> None:
    assert farewell.PATIENCE == 2.0
