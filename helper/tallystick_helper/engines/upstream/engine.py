"""The engine that stands before a server: any that speaks OpenAI's API, on this machine or on a cluster.

This file is the shell: what a request goes through. `http` is the door, `stream` reads what comes, `units` counts it,
`health` knows whether the server is well.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from tallystick_shared import chat
from tallystick_shared.errors import Code, LocalError

from .. import weights
from ..chat import ChatTask, read_chat
from ..seat import Capabilities, Load, Reason, Run, Task
from ..slotted import Slotted
from .counting import Ask, Bounded, estimated, find_server_count
from .discovery import Found, can_schema, can_score, discover, make_token, tried
from .errors import Crowded, Fault
from .health import Health
from .http import LOOPBACK, Door, drain
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
_PAUSE = 0.25
_TRIES = 3
"""How often a request is begun of which nothing was delivered, where the server failed; one that only says that it is
crowded is asked until the patience ends.
"""
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Counts:
    """How units are counted: those of the output by a tokenizer, or by deltas where there is none."""

    input: Bounded
    output: Count | None


class UpstreamEngine(Slotted):
    """Fills the engine seat. Make it with `await UpstreamEngine.open(options, data_dir)`."""

    def __init__(self, door: Door, options: UpstreamOptions, found: Found, able: Capabilities, counts: Counts) -> None:
        super().__init__(able, options.slots, options.queue)
        self._door, self._options, self._counts = door, options, counts
        self._requests = Requests(found.model, found.flavour, options.extra)
        self._health = Health(self._probe, options.probe_interval)

    @classmethod
    async def open(cls, options: UpstreamOptions, data_dir: Path | None = None) -> UpstreamEngine:
        """Ask the server what it is, and let it make a token. Raises LocalError ENGINE_FAILED or BAD_SETTINGS."""
        door = Door(options)
        try:
            engine = cls(door, options, *await _open(door, options, data_dir))
            await engine._probe()
        except BaseException:
            await door.close()
            raise
        if options.url.startswith("http:") and options.host not in LOOPBACK:
            log.warning("upstream_in_the_clear", host=options.host)
        engine._health.start()
        return engine

    def load(self, model: str = "") -> Load:
        load = super().load(model)
        if (refusal := self._health.refusal()) is None:
            return load
        wait_ms = max(load.wait_ms, refusal.values["retry_after_ms"])
        if not self._health.down:
            return replace(load, wait_ms=wait_ms)
        # Nothing can be begun: an advert with no slots and no queue says so.
        return Load(0, 0, load.running, load.waiting, wait_ms)

    def busy(self, model: str = "", scope: bytes = b"") -> bool:
        return super().busy(model, scope) or self._health.refusal() is not None

    async def count(self, task: Task) -> int:
        request = read_chat(task, self._capabilities)
        self._check_open()
        self._check_well()
        return self._check_length(await self._counts.input.units(task.input, request))

    def run(self, task: Task) -> Run:
        request = read_chat(task, self._capabilities)
        self._check_open()
        if not task.charged:
            self._check_well()
        return self._start(task, lambda run, slot: self._work(run, task, request))

    def _check_well(self) -> None:
        """Raises LocalError ENGINE_FAILED while the server is down, BUSY while it takes nothing."""
        if (refusal := self._health.refusal()) is not None:
            raise refusal

    async def _work(self, run: Run, task: Task, request: ChatTask) -> Reason:
        """Begins the request until something of it is delivered, within the patience; then it ends as it ends."""
        loop = asyncio.get_running_loop()
        end, tries = loop.time() + self._options.patience, 0
        meter = Meter(request.max_tokens, self._counts.output)
        while True:
            try:
                if self._health.down:
                    await self._until_up(run, end)
                return await self._attempt(run, task, request, meter)
            except Crowded as error:
                self._health.failed(error)
                wait = error.wait_ms / 1000
                if meter.began or loop.time() + wait > end:
                    raise
            except Fault as error:
                self._health.failed(error)
                tries, wait = tries + 1, _PAUSE
                if meter.began or not error.again or tries >= _TRIES or loop.time() + wait > end:
                    raise
            with run.interruptible():
                await asyncio.sleep(wait)

    async def _until_up(self, run: Run, end: float) -> None:
        """Raises Fault where the server stays down for longer than a request is kept waiting."""
        try:
            with run.interruptible():
                async with asyncio.timeout_at(end):
                    await self._health.up()
        except TimeoutError:
            raise Fault("the server is down", again=False) from None

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
            self._health.worked()
            for piece in pieces_of(part, meter, scored):
                await run.room(piece.units)
                run.emit(piece)
                patience = self._options.next_timeout
            if meter.full:
                return Reason.LENGTH

    async def _probe(self) -> None:
        """A token, at the second try if need be: a connection that both ends closed at once proves nothing."""
        try:
            async with asyncio.timeout(self._options.probe_timeout):
                try:
                    await make_token(self._door, self._requests.probe())
                except Fault as error:
                    if not error.again:
                        raise
                    await make_token(self._door, self._requests.probe())
        except TimeoutError:
            raise Fault("no token in time") from None

    async def close(self) -> None:
        await super().close()
        await self._health.stop()
        await self._door.close()


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
    manifest = _manifest(options, found, tokens.files if tokens else {})
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


def _manifest(options: UpstreamOptions, found: Found, files: dict[str, str]) -> str:
    """The provider's own list of the model's files where there is one: they lie on other machines."""
    if options.manifest is None:
        return weights.manifest_json("upstream", found.name, files)
    try:
        listed = json.loads(options.manifest.read_text())
    except (OSError, ValueError) as error:
        reason = f"the manifest cannot be read ({type(error).__name__})"
        raise LocalError(Code.BAD_SETTINGS, engine="upstream", reason=reason) from None
    return json.dumps(listed, sort_keys=True, separators=(",", ":"))
