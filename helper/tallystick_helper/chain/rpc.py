"""The native filling of the `Rpc` seat: JSON-RPC over HTTP, several URLs in the order given, the next one where one
does not answer.
"""

from __future__ import annotations

import itertools
from typing import Any
from urllib.parse import urlsplit

import httpx2
import structlog

from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.rpc import RpcError

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
log = structlog.get_logger(__name__)


class HttpRpc:
    """JSON-RPC 2.0 over HTTP. An error answer is the chain's word and is raised; silence, a 4xx or 5xx or nonsense
    asks the next URL.
    """

    def __init__(self, urls: list[str], timeout: float = 10.0) -> None:
        """Raises LocalError BAD_SETTINGS without a URL."""
        if not urls:
            raise LocalError(Code.BAD_SETTINGS, setting="rpc")
        self.urls = urls
        self._ids = itertools.count(1)
        # A proxy of the environment is for the internet, never for a chain on this machine.
        self._clients = [
            httpx2.AsyncClient(timeout=timeout, trust_env=urlsplit(url).hostname not in LOOPBACK) for url in urls
        ]
        self._first = 0

    async def request(self, method: str, params: list[Any]) -> Any:
        """The `result`. Raises RpcError with the chain's code and message; LocalError RPC_UNREACHABLE where no URL
        answers.
        """
        count = len(self.urls)
        reason = ""
        for offset in range(count):
            at = (self._first + offset) % count
            try:
                answer = await self._post(at, method, params)
            except (httpx2.HTTPError, ValueError) as error:
                reason = f"{type(error).__name__}: {error}"[:200]
                log.warning("rpc_failed", host=urlsplit(self.urls[at]).hostname, method=method, reason=reason)
                continue
            self._first = at
            if "error" in answer:
                fault = answer["error"]
                raise RpcError(int(fault.get("code", -32000)), str(fault.get("message", "")), fault.get("data"))
            return answer["result"]
        raise LocalError(Code.RPC_UNREACHABLE, method=method, reason=reason)

    async def _post(self, at: int, method: str, params: list[Any]) -> dict[str, Any]:
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        response = await self._clients[at].post(self.urls[at], json=body)
        answer = response.json() if response.content else None
        if isinstance(answer, dict) and ("error" in answer or "result" in answer) and response.status_code < 429:
            return answer
        raise ValueError(f"status {response.status_code}")

    async def aclose(self) -> None:
        for client in self._clients:
            await client.aclose()
