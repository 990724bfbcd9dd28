"""The demo as a process, for tests: real chain, real contracts, real node; only the model is the loopback one."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

ROOT = Path(__file__).resolve().parents[2]
PROFILE: dict[str, Any] = {
    "viewport": {"width": 1280, "height": 800},
    "color_scheme": "light",
    "service_workers": "block",
}
"""A browser context. Without service workers, but for the stories about them: each would keep the page whole anew."""


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Demo:
    """A running demo, as `--json` describes it."""

    page: str
    rpc: str
    chain_id: int
    registry: str
    channels: str
    provider_endpoint: str
    provider_address: str
    pid: int
    gateway: str = ""
    api_key: str = ""
    key_file: str = ""

    def call(self, method: str, *params: Any) -> Any:
        """A JSON-RPC request to its chain. Raises RuntimeError with the node's message."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        answer = httpx2.post(self.rpc, json=body, timeout=10).json()
        if "error" in answer:
            raise RuntimeError(answer["error"]["message"])
        return answer["result"]

    def balance(self, address: str) -> int:
        return int(self.call("eth_getBalance", address, "latest"), 16)


@contextlib.contextmanager
def demo(*flags: str, settings: Mapping[str, str] | None = None) -> Iterator[Demo]:
    """Starts `tallystick demo --json` and ends it by SIGTERM. `settings` are TALLYSTICK_… variables."""
    command = [sys.executable, "-m", "tallystick_helper.demo", "--json", "--no-open", "--page", "0", *flags]
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | dict(settings or {}), stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("the demo did not start")
        yield Demo(**json.loads(line))
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        finally:
            process.kill()
            process.communicate()
