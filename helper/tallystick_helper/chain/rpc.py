"""The native filling of the `Rpc` seat: JSON-RPC over HTTP, with several URLs in a stated order.

The order is the one given: each request asks the first URL that is not resting. One that is silent, answers a 4xx or
5xx or nonsense, or is behind the others rests for a while, and the next is asked; after its rest the earlier one comes
first again. Where all rest, all are tried nevertheless. Before its first request, and again after each rest, a URL has
to name the right chain: one that leads to another chain is asked for nothing else.

An error answer is the chain's word and is raised. `null` for a transaction, a receipt or a block counts once every
URL says it. Once a minute the other URLs are asked how high the chain is, so that a first one which stands still is
noticed.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx2
import structlog

from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.rpc import Rpc, RpcError, to_int

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
REST = 15.0
LAG = 3
ASIDE = 60.0
MAY_BE_NULL = frozenset(
    {"eth_getTransactionByHash", "eth_getTransactionReceipt", "eth_getBlockByHash", "eth_getBlockByNumber"}
)
log = structlog.get_logger(__name__)


class Unusable(Exception):
    """A URL gave no answer that can be used; says why."""


class WrongChain(Unusable):
    """A URL leads to another chain."""

    def __init__(self, found: int) -> None:
        super().__init__(f"chain {found}")
        self.found = found


class Endpoint:
    """One URL: whether it rests, whether it named its chain, and the highest block it told of (−1: none yet)."""

    def __init__(self, url: str, timeout: float) -> None:
        self.url = url
        self.host = urlsplit(url).hostname or ""
        self.rests_until = 0.0
        self.checked = False
        self.height = -1
        self._ids = itertools.count(1)
        # A proxy of the environment is for the internet, never for a chain on this machine.
        self._client = httpx2.AsyncClient(timeout=timeout, trust_env=self.host not in LOOPBACK)

    async def post(self, method: str, params: list[Any]) -> Any:
        """The `result`. Raises RpcError with the chain's words; Unusable where there is no answer."""
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        try:
            response = await self._client.post(self.url, json=body)
            answer = response.json() if response.content else None
        except (httpx2.HTTPError, ValueError) as error:
            raise Unusable(f"{type(error).__name__}: {error}"[:200]) from None
        if not isinstance(answer, dict) or response.status_code >= 429:
            raise Unusable(f"status {response.status_code}")
        if isinstance(fault := answer.get("error"), dict):
            raise RpcError(int(fault.get("code", -32000)), str(fault.get("message", "")), fault.get("data"))
        if "result" not in answer:
            raise Unusable("neither result nor error")
        self._note_height(method, params, answer["result"])
        return answer["result"]

    def _note_height(self, method: str, params: list[Any], result: Any) -> None:
        if tells_height(method, params):
            try:
                self.height = to_int(result if method == "eth_blockNumber" else result["number"])
            except (TypeError, KeyError, ValueError):
                raise Unusable("no block") from None

    async def aclose(self) -> None:
        await self._client.aclose()


def tells_height(method: str, params: list[Any]) -> bool:
    return method == "eth_blockNumber" or (method == "eth_getBlockByNumber" and params[:1] == ["latest"])


class HttpRpc:
    """Several URLs as one chain."""

    def __init__(
        self,
        urls: list[str],
        timeout: float = 10.0,
        *,
        chain_id: int | None = None,
        rest: float = REST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`chain_id`: the chain that is meant; without it, the one that the first URL to answer is on. `rest`:
        seconds for which a URL that failed is passed over. Raises LocalError BAD_SETTINGS without a URL, or with
        another kind of address.
        """
        if not urls:
            raise LocalError(Code.BAD_SETTINGS, setting="rpc", reason="no chain is given: name one by --rpc URL")
        if strange := [url for url in urls if not url.startswith(("http://", "https://"))]:
            raise LocalError(Code.BAD_SETTINGS, setting="rpc", found=strange[0], reason="not http:// or https://")
        self.urls = urls
        self._endpoints = [Endpoint(url, timeout) for url in urls]
        self._chain_id, self._rest, self._clock = chain_id, rest, clock
        self._aside_at = 0.0
        self._aside: asyncio.Task[None] | None = None

    @property
    def own(self) -> bool:
        """Are all on this machine, and so as trusty as it is?"""
        return all(endpoint.host in LOOPBACK for endpoint in self._endpoints)

    async def request(self, method: str, params: list[Any]) -> Any:
        """The `result`. Raises RpcError with the chain's code and message; LocalError RPC_UNREACHABLE where no URL
        answers, WRONG_CHAIN where all lead to another chain.
        """
        faults: list[Unusable] = []
        kept: list[tuple[int, Any]] = []
        for endpoint in self._in_order():
            try:
                result = await self.ask(endpoint, method, params)
            except Unusable as fault:
                faults.append(fault)
                continue
            if result is None and method in MAY_BE_NULL:
                kept.append((-1, None))
            elif tells_height(method, params) and self._is_behind(endpoint):
                self._pass_over(endpoint, Unusable(f"behind at block {endpoint.height}"))
                kept.append((endpoint.height, result))
            else:
                self._look_aside(method, params, endpoint)
                return result
        if kept:
            return max(kept, key=lambda one: one[0])[1]
        raise self._nobody(method, faults)

    def each(self) -> list[Rpc]:
        """Every URL as a seat of its own, in their order: for what is asked of two that do not know of each other."""
        return [_Alone(self, endpoint) for endpoint in self._endpoints]

    async def ask(self, endpoint: Endpoint, method: str, params: list[Any]) -> Any:
        """Asks one URL. Raises RpcError; Unusable, and then it rests."""
        try:
            if not endpoint.checked:
                await self._check(endpoint)
            return await endpoint.post(method, params)
        except Unusable as fault:
            self._pass_over(endpoint, fault, method=method)
            raise

    def rests(self, endpoint: Endpoint) -> bool:
        return endpoint.rests_until > self._clock()

    def _in_order(self) -> list[Endpoint]:
        return sorted(self._endpoints, key=self.rests)

    def _is_behind(self, endpoint: Endpoint) -> bool:
        return endpoint.height + LAG < max(other.height for other in self._endpoints)

    def _pass_over(self, endpoint: Endpoint, fault: Unusable, **values: Any) -> None:
        if not self.rests(endpoint) and len(self._endpoints) > 1:  # of the only one its caller tells
            log.warning("rpc_passed_over", host=endpoint.host, reason=str(fault), seconds=self._rest, **values)
        endpoint.rests_until, endpoint.checked = self._clock() + self._rest, False

    async def _check(self, endpoint: Endpoint) -> None:
        """It is on the right chain, and no longer behind where it was. Raises Unusable."""
        try:
            found = to_int(await endpoint.post("eth_chainId", []))
            if self._chain_id is None:
                self._chain_id = found
            if found != self._chain_id:
                raise WrongChain(found)
            if self._is_behind(endpoint) and endpoint.height >= 0:
                await endpoint.post("eth_blockNumber", [])
                if self._is_behind(endpoint):
                    raise Unusable(f"behind at block {endpoint.height}")
        except (RpcError, TypeError, ValueError) as error:
            raise Unusable(f"no chain id: {error}"[:200]) from None
        endpoint.checked = True

    def _nobody(self, method: str, faults: list[Unusable]) -> LocalError:
        others = [fault.found for fault in faults if isinstance(fault, WrongChain)]
        if others and len(others) == len(faults):
            return LocalError(Code.WRONG_CHAIN, wanted=self._chain_id, found=others[0])
        return LocalError(Code.RPC_UNREACHABLE, method=method, reason=str(faults[-1]) if faults else "")

    def _look_aside(self, method: str, params: list[Any], used: Endpoint) -> None:
        """Beside the follower's looks, now and then: how high do the others say the chain is?"""
        if len(self._endpoints) == 1 or not tells_height(method, params) or self._clock() < self._aside_at:
            return
        self._aside_at = self._clock() + ASIDE
        others = [other for other in self._endpoints if other is not used and not self.rests(other)]
        self._aside = asyncio.create_task(self._ask_heights(others))

    async def _ask_heights(self, others: list[Endpoint]) -> None:
        asked = (self.ask(other, "eth_blockNumber", []) for other in others)
        await asyncio.gather(*asked, return_exceptions=True)

    async def aclose(self) -> None:
        if self._aside is not None:
            self._aside.cancel()
            await asyncio.gather(self._aside, return_exceptions=True)
        for endpoint in self._endpoints:
            await endpoint.aclose()


class _Alone:
    """One URL of several, without the others to fall back on."""

    def __init__(self, rpc: HttpRpc, endpoint: Endpoint) -> None:
        self._rpc, self._endpoint = rpc, endpoint

    async def request(self, method: str, params: list[Any]) -> Any:
        """Raises LocalError RPC_UNREACHABLE at once while the URL rests."""
        if self._rpc.rests(self._endpoint):
            raise LocalError(Code.RPC_UNREACHABLE, method=method, reason="resting")
        try:
            return await self._rpc.ask(self._endpoint, method, params)
        except Unusable as fault:
            raise LocalError(Code.RPC_UNREACHABLE, method=method, reason=str(fault)) from None
