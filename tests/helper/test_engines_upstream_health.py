"""When a server counts as well, and what is said while it does not."""

from __future__ import annotations

import asyncio
from collections import deque

from tallystick_helper.engines.upstream.errors import Crowded, Fault
from tallystick_helper.engines.upstream.health import Health
from tallystick_shared.errors import Code, LocalError

from .world import until


class Probes:
    """Probes with set outcomes; well once those are used up."""

    def __init__(self, *outcomes: LocalError | None) -> None:
        self.outcomes = deque(outcomes)
        self.count = 0

    async def __call__(self) -> None:
        self.count += 1
        outcome = self.outcomes.popleft() if self.outcomes else None
        if outcome is not None:
            raise outcome


async def test_a_failed_probe_is_down_until_one_works() -> None:
    probes = Probes(Fault("a"), Fault("b"))
    health = Health(probes, 60.0)
    waits = []
    for _ in range(2):
        await health.check()
        refusal = health.refusal()
        assert health.down and refusal is not None and refusal.code is Code.ENGINE_FAILED
        waits.append(refusal.values["retry_after_ms"])
    assert 900 <= waits[0] <= 1000 < 1900 <= waits[1] <= 2000
    waiting = asyncio.create_task(health.up())
    await health.check()
    await waiting
    assert not health.down and health.refusal() is None


async def test_a_crowded_server_is_well_but_busy() -> None:
    now = 0.0
    health = Health(Probes(Crowded(2000)), 60.0, lambda: now)
    await health.check()
    refusal = health.refusal()
    assert not health.down and refusal is not None
    assert (refusal.code, refusal.values["retry_after_ms"]) == (Code.BUSY, 2000)
    now = 2.5
    assert health.refusal() is None
    health.failed(Crowded(2000))
    health.worked()  # a stream that ran already
    assert health.crowded
    health.worked(taken=True)
    assert not health.crowded


async def test_a_fault_of_a_request_is_probed_at_once_and_traffic_saves_probes() -> None:
    probes = Probes()
    health = Health(probes, 3600.0)
    health.start()
    health.failed(Fault("a request broke"))
    await until(lambda: probes.count == 1)
    assert not health.down
    await health.stop()


async def test_it_probes_on_the_interval() -> None:
    probes = Probes()
    health = Health(probes, 0.02)
    health.start()
    await until(lambda: probes.count >= 3)
    await health.stop()
