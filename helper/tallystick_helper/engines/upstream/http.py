"""The door to the server: requests out, answers and faults in. Nothing else of the engine touches a socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

import httpx2
import structlog

from tallystick_shared.errors import LocalError

from .errors import MAX_ERROR, Fault, error_of_response
from .options import UpstreamOptions
from .stream import Ended, Part, StreamReader

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
MAX_EVENT = 1 << 20
"""Bytes of one event; log-probabilities take up to 10 KiB a token."""
_MAX_ANSWER = 4 << 20
_DRAIN = 1.0
"""Seconds for what a server still sends after its finish, so that its connection can be used again."""


log = structlog.get_logger(__name__)


class Door:
    """One server. Its methods raise Fault, Crowded, or another LocalError for what the request itself did wrong."""

    def __init__(self, options: UpstreamOptions) -> None:
        self._options = options
        timeout = httpx2.Timeout(
            max(options.first_timeout, options.next_timeout), connect=options.connect_timeout, pool=None
        )
        most = options.slots + 4
        # A proxy of the environment is for the internet, never for a server on this machine.
        self._client = httpx2.AsyncClient(
            timeout=timeout,
            # Servers close an idle connection after 5 s, some sooner; one must not be used just then.
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=most, keepalive_expiry=2.0),
            trust_env=options.host not in LOOPBACK,
            headers={**options.key().headers(), "Accept-Encoding": "identity"},
        )

    async def get(self, url: str, timeout: float) -> Any:
        """The JSON at an address."""
        return await self._whole("GET", url, None, timeout)

    async def post(self, url: str, body: Mapping[str, Any], timeout: float) -> Any:
        """The JSON that answers a JSON."""
        return await self._whole("POST", url, body, timeout)

    async def _whole(self, method: str, url: str, body: Mapping[str, Any] | None, timeout: float) -> Any:
        try:
            async with asyncio.timeout(timeout), self._client.stream(method, url, json=body) as response:
                data = await _read(response, _MAX_ANSWER)
        except TimeoutError:
            raise Fault("no answer in time", again=False) from None
        except httpx2.HTTPError as error:
            raise fault_of(error) from None
        if response.status_code != 200:
            raise error_of_response(response.status_code, response.headers, data)
        try:
            return json.loads(data)
        except ValueError:
            raise Fault("an answer that is no JSON") from None

    async def stream(self, path: str, body: Mapping[str, Any]) -> AsyncGenerator[Part | Ended, None]:
        """The parts of an answer as they come, and its end among them; what comes after that is of no interest.
        Closing the iterator closes the connection, by which the server knows that nobody listens any more.
        """
        reader, ended = StreamReader(int(body.get("top_logprobs", 0))), False
        try:
            url = self._options.base + path
            async with (
                self._client.stream("POST", url, json={**body, "stream": True}) as response,
                contextlib.aclosing(_events(response)) as events,
            ):
                async for data in events:
                    for part in reader.take(data):
                        ended = ended or isinstance(part, Ended)
                        yield part
        except httpx2.HTTPError as error:
            raise fault_of(error) from None
        if not ended:
            raise Fault("the stream broke off")

    async def close(self) -> None:
        await self._client.aclose()


@contextlib.asynccontextmanager
async def opening(options: UpstreamOptions) -> AsyncIterator[Door]:
    """A door that is closed again where what is built behind it fails."""
    door = Door(options)
    try:
        yield door
    except BaseException:
        await door.close()
        raise
    if options.url.startswith("http:") and options.host not in LOOPBACK:
        log.warning("upstream_in_the_clear", host=options.host)


async def _events(response: httpx2.Response) -> AsyncGenerator[str, None]:
    """The data of each event; one event where the server answers with a document although a stream was asked for."""
    if response.status_code != 200:
        data = await _read(response, MAX_ERROR)
        raise error_of_response(response.status_code, response.headers, data)
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "text/event-stream":
        async for event in httpx2.EventSource(response, MAX_EVENT):
            if event.data:
                yield event.data
    else:
        yield (await _read(response, _MAX_ANSWER)).decode(errors="replace")


async def _read(response: httpx2.Response, most: int) -> bytes:
    """The body, or as much of it as is wanted of any answer."""
    data = bytearray()
    async for chunk in response.aiter_bytes():
        data += chunk
        if len(data) > most:
            break
    return bytes(data[:most])


def fault_of(error: httpx2.HTTPError) -> LocalError:
    """What happened on the socket, without the address and without what was sent."""
    match error:
        case httpx2.ConnectError() | httpx2.ConnectTimeout():
            return Fault("nothing answers at its address")
        case httpx2.TimeoutException():
            return Fault("no answer in time", again=False)
        case httpx2.SSEError():
            return Fault("an event that is too large", again=False)
        case httpx2.RemoteProtocolError() | httpx2.NetworkError():
            return Fault("the connection broke")
        case _:
            return Fault(type(error).__name__)


async def drain(parts: AsyncIterator[Part | Ended]) -> None:
    """Reads on after the end for a moment; whatever comes is not looked at."""
    with contextlib.suppress(LocalError, TimeoutError):
        async with asyncio.timeout(_DRAIN):
            async for _ in parts:
                pass
