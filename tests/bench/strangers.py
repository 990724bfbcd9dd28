"""How much later a paying client's first token comes while strangers are in the way.

The node is a process of its own with the loopback engine and the limits that hold where nothing is set; so is the
attack, with every kind of stranger that `tests.helper.attack` knows. Quiet and attacked stretches take turns.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from tallystick_shared.chains import Deployment
from tests.bench.row import Row, median, missing, spread
from tests.bench.streams import Visitor, visitor
from tests.check.stack import demo
from tests.helper.attack import Target

ROUNDS, QUESTIONS = 5, 4
TOKENS = 10
RATE = 20.0
GOAL = 1.10
KEY = b"\x17" * 32


async def first_tokens(user: Visitor) -> list[float]:
    """Milliseconds to each first token. Raises RuntimeError where an answer is not whole."""
    answers = [await user.ask("count the notches on this stick", TOKENS) for _ in range(QUESTIONS)]
    if any(answer.output_units != TOKENS or answer.first_token is None for answer in answers):
        raise RuntimeError("an answer was not whole")
    return [1000 * (answer.first_token or 0.0) for answer in answers]


async def besieged(user: Visitor, target: Target) -> tuple[list[float], int]:
    """The same under attack, and how many strangers there were."""
    command = [sys.executable, "-m", "tests.helper.attack", target.dumps(), "600", str(RATE)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert process.stdin is not None and process.stdout is not None
    await process.stdout.readline()  # the first of them are there
    taken = await first_tokens(user)
    process.stdin.close()
    made = json.loads(await process.stdout.readline())
    await process.wait()
    return taken, sum(made.values())


async def _measure(up: dict[str, Any]) -> tuple[list[float], list[float], int]:
    quiet, attacked, strangers = [], [], 0
    where = Deployment(up["chain_id"], bytes.fromhex(up["registry"][2:]), bytes.fromhex(up["channels"][2:]))
    with tempfile.TemporaryDirectory() as folder:
        user = await visitor(up, KEY, Path(folder), low_latency=False)
        target = Target.of(where, user.listing)
        await first_tokens(user)
        for _ in range(ROUNDS):
            quiet += await first_tokens(user)
            taken, made = await besieged(user, target)
            attacked, strangers = attacked + taken, strangers + made
        await user.conversation.leave()
    return quiet, attacked, strangers


def strangers() -> list[Row]:
    """One row: the first token under attack beside a quiet one, at the default shape."""
    goal = f"≤ {GOAL:.2f}"
    try:
        with demo("--engine", "echo") as up:
            quiet, attacked, made = asyncio.run(_measure(up))
    except (OSError, RuntimeError, ValueError) as error:
        return [missing("strangers", "ms", "quiet", goal, str(error) or type(error).__name__)]
    ratio = median(attacked) / median(quiet)
    note = f"{made} strangers of seven kinds, {RATE:.0f} a second"
    against = f"quiet {median(quiet):.0f} ms"
    return [Row("strangers", median(attacked), "ms", against, ratio, goal, ratio <= GOAL, spread(attacked), note)]
