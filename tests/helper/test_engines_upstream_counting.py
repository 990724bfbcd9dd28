"""Counts that are remembered: for who asked, and for nobody else."""

from __future__ import annotations

from dataclasses import replace

from tallystick_helper.engines.chat import ChatTask
from tallystick_helper.engines.upstream.counting import Bounded

DATA = b"x" * 40


async def test_a_count_is_remembered_for_its_scope_alone() -> None:
    """Else the time it takes would tell one user what another asked."""
    asked: list[bytes] = []

    async def ask(request: ChatTask) -> int:
        asked.append(request.scope)
        return 12

    counts, task = Bounded(ask, 8, 4), ChatTask((("user", "hello"),), 10, scope=b"a" * 32)
    for scope in (task.scope, task.scope, b"b" * 32, b"", task.scope):
        assert await counts.units(DATA, replace(task, scope=scope)) == 12
    assert asked == [b"a" * 32, b"b" * 32, b""]
