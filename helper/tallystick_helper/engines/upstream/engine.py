"""The engine that stands before a server: any that speaks OpenAI's API, on this machine or on a cluster.

This file is the shell: what a request goes through. `http` is the door, `stream` reads what comes, `units` counts it,
`health` knows whether the server is well.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from tallystick_shared import chat

from ..chat import ChatTask, read_chat
from ..seat import Capabilities, Reason, Run, Task
from .base import Upstream
from .counting import Ask, Bounded, estimated, find_server_count
from .discovery import Found, can_schema, can_score, discover, make_token, manifest_of, tried
from .errors import Fault
from .http import Door, drain, opening
from .options import UpstreamOptions
from .pieces import pieces_of
from .requests import Requests
from .stream import Ended, Part
from .tokens import Tokens, read_tokens
from .units import Count, Meter

_BYTES_PER_TOKEN = 64
_TEMPLATE_UNITS = 64
"""Beyond what an empty message comes to: many messages cost more than their bytes."""
_MOST_TEMPLATE = 4096
_MOST_SCORES = 20


@dataclass(frozen=True, slots=True)
class Counts:
    """How units are counted: those of the output by a tokenizer, or by deltas where there is none."""

    input: Bounded
    output: Count | None


class UpstreamEngine(Upstream):
    """Fills the engine seat. Make it with `await UpstreamEngine.open(options, data_dir)`."""

    def __init__(self, door: Door, options: UpstreamOptions, found: Found, able: Capabilities, counts: Counts) -> None:
        super().__init__(door, options, able)
        self._counts = counts
        self._requests = Requests(found.model, found.flavour, options.extra)

    @classmethod
    async def open(cls, options: UpstreamOptions, data_dir: Path | None = None) -> UpstreamEngine:
        """Ask the server what it is, and let it make a token. Raises LocalError ENGINE_FAILED or BAD_SETTINGS."""
        async with opening(options) as door:
            engine = cls(door, options, *await _open(door, options, data_dir))
            await engine.begin()
            return engine

    async def _make_one(self) -> None:
        await make_token(self._door, self._requests.probe())

    async def count(self, task: Task) -> int:
        request = read_chat(task, self._capabilities)
        self._check_open()
        self._check_well()
        return self._check_length(await self._counts.input.units(task.input, request))

    def run(self, task: Task) -> Run:
        request = read_chat(task, self._capabilities)
        meter = Meter(request.max_tokens, self._counts.output)
        return self._begin_run(task, lambda run: self._attempt(run, task, request, meter), lambda: meter.began)

    async def _attempt(self, run: Run, task: Task, request: ChatTask, meter: Meter) -> Reason:
        with run.interruptible():
            used = self._check_length(await self._counts.input.units(task.input, request))
        # Some servers refuse what might not fit, instead of ending the answer where the context ends.
        most = min(request.max_tokens, self._capabilities.context - used)
        body = self._requests.chat(request, most)
        async with aclosing(self._door.stream("/chat/completions", body)) as parts:
            return await self._relay(run, parts, meter, request.logprobs is not None)

    async def _relay(self, run: Run, parts: AsyncIterator[Part | Ended], meter: Meter, scored: bool) -> Reason:
        patience = self._options.first_timeout
        while True:
            try:
                with run.interruptible():
                    async with asyncio.timeout(patience):
                        part = await anext(parts)
            except TimeoutError:
                raise Fault("no answer in time", again=False) from None
            except StopAsyncIteration:
                raise Fault("the stream broke off") from None
            if isinstance(part, Ended):
                with run.interruptible():
                    await drain(parts)
                return part.reason
            self._health.worked(taken=not meter.began)
            for piece in pieces_of(part, meter, scored):
                await run.room(piece.units)
                run.emit(piece)
                patience = self._options.next_timeout
            if meter.full:
                return Reason.LENGTH


async def _open(door: Door, options: UpstreamOptions, data_dir: Path | None) -> tuple[Found, Capabilities, Counts]:
    found = await discover(door, options)
    tokens: Tokens | None = None
    ask: Ask = estimated
    template = 0
    if options.tokenizer is not None:
        tokens = await asyncio.to_thread(read_tokens, options.tokenizer, data_dir)
    if tokens is not None and tokens.has_template:
        ask, template = tokens.input_units, tokens.prompt([{"role": "user", "content": ""}])
    elif (server := await find_server_count(door, options, found.model)) is not None:
        ask, template = server
    template = min(template + _TEMPLATE_UNITS, _MOST_TEMPLATE)
    manifest = manifest_of(options, found, tokens.files if tokens else {})
    able = Capabilities(
        engine="upstream",
        kind="text",
        services=(chat.SERVICE,),
        model=found.name,
        unit="token",
        context=found.context,
        bytes_per_unit=_BYTES_PER_TOKEN,
        template_units=template,
        manifest=hashlib.sha256(manifest.encode()).digest(),
        manifest_json=manifest,
        sampling=found.flavour.honoured,
        tools=options.tools,
        json_schema=await tried(options.json_schema, can_schema(door, found.model)),
        logprobs=_MOST_SCORES if await tried(options.logprobs, can_score(door, found.model)) else None,
        reasoning=options.reasoning,
        continues=found.flavour.continues is not None,
    )
    return found, able, Counts(Bounded(ask, _BYTES_PER_TOKEN, template), tokens.count if tokens else None)
