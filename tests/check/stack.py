"""Starting and stopping the demo as a program of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def demo(*arguments: str) -> Iterator[dict[str, Any]]:
    """Runs the demo and yields the JSON line it prints; ended with SIGTERM, and that has to succeed."""
    command = [sys.executable, "-m", "tallystick_helper.demo", "--json", "--no-open", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"the demo ended with {process.wait(10)} before it was up")
        yield json.loads(line)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        assert process.stdout is not None
        process.stdout.close()
    if code != 0:
        raise RuntimeError(f"the demo ended with {code}")
