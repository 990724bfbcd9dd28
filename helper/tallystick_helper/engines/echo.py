"""A loopback engine: it answers with the words of the last message, over and over, at a set rate.

A real engine in every respect but thought. Tests use it where a model would only cost time, and benches as the
synthetic engine whose own cost is next to nothing. It is never the default, and its label says what it is. A word,
with the space before it, is one unit.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from tallystick_shared import chat
from tallystick_shared.errors import Code, LocalError

from . import weights
from .chat import ChatTask, read_chat
from .seat import Capabilities, Piece, Reason, Run, Task
from .slotted import Slotted

_TEMPLATE_UNITS = 4
_FALLBACK = "tally"


@dataclass(frozen=True, slots=True)
class EchoOptions:
    """`rate` is units a second for each stream, 0 as fast as they are read by the loop; `prefill_rate` is units a
    second of the input, before the first; `batch` units are handed out at once.
    """

    rate: float = 100.0
    prefill_rate: float = 0.0
    context: int = 4096
    slots: int = 8
    queue: int = 16
    name: str = "loopback"
    batch: int = 1

    def __post_init__(self) -> None:
        if min(self.rate, self.prefill_rate) < 0 or self.context <= _TEMPLATE_UNITS or self.batch < 1:
            raise LocalError(Code.BAD_SETTINGS, engine="echo", rate=self.rate, context=self.context)


class EchoEngine(Slotted):
    """Fills the engine seat."""

    def __init__(self, options: EchoOptions | None = None) -> None:
        self._options = options = options or EchoOptions()
        manifest = weights.manifest_json("echo", options.name, {})
        capabilities = Capabilities(
            engine="echo",
            kind="text",
            services=(chat.SERVICE,),
            model=options.name,
            unit="token",
            context=options.context,
            bytes_per_unit=255,
            template_units=_TEMPLATE_UNITS,
            manifest=hashlib.sha256(manifest.encode()).digest(),
            manifest_json=manifest,
            label="loopback engine, for tests",
        )
        super().__init__(capabilities, options.slots, options.queue)

    async def count(self, task: Task) -> int:
        units = _input_units(read_chat(task, self._capabilities))
        self._check_open()
        return self._check_length(units)

    def run(self, task: Task) -> Run:
        request = read_chat(task, self._capabilities)
        return self._start(task, lambda run, slot: self._work(run, request))

    async def _work(self, run: Run, request: ChatTask) -> Reason:
        used = self._check_length(_input_units(request))
        loop = asyncio.get_running_loop()
        due = loop.time() + (used / self._options.prefill_rate if self._options.prefill_rate else 0.0)
        step = 1 / self._options.rate if self._options.rate else 0.0
        words = itertools.islice(_words(request), min(request.max_tokens, self._options.context - used))
        while some := list(itertools.islice(words, self._options.batch)):
            # By the clock, not by the sleep: a late loop catches up, so the mean rate holds.
            with run.interruptible():
                await asyncio.sleep(max(0.0, due - loop.time()))
            await run.room(len(some))
            run.emit(Piece(b"".join(some), len(some)))
            due += step * len(some)
        return Reason.LENGTH


def _words(request: ChatTask) -> Iterator[bytes]:
    words = request.messages[-1][1].split() or [_FALLBACK]
    return (word.encode() if first else b" " + word.encode() for first, word in _marked(itertools.cycle(words)))


def _marked(words: Iterator[str]) -> Iterator[tuple[bool, str]]:
    yield True, next(words)
    for word in words:
        yield False, word


def _input_units(request: ChatTask) -> int:
    return _TEMPLATE_UNITS + sum(len(content.split()) for _, content in request.messages)
