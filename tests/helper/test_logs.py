"""What a fault leaves in the log: where it broke, and nothing of what was being worked on."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

CANARY = "marzipanzeppelin"
PROGRAM = f"""
import structlog
from tallystick_helper.logs import configure
configure("debug")
def breaks(prompt):
    kept = [prompt, {{"content": prompt}}]
    return 1 // 0
try:
    breaks("{CANARY[:8]}" + "{CANARY[8:]}")
except ZeroDivisionError:
    structlog.get_logger("x").exception("job_failed", kind="ZeroDivisionError")
"""


@pytest.mark.parametrize("terminal", [False, True])
def test_a_traceback_shows_no_values(terminal: bool) -> None:
    """Neither as JSON nor on a terminal, where the library would show what every name stands for."""
    ours, theirs = pty.openpty() if terminal else os.pipe()
    subprocess.run([sys.executable, "-c", PROGRAM], stderr=theirs, check=True)
    os.close(theirs)
    written = b""
    while piece := _read(ours):
        written += piece
    os.close(ours)
    assert b"job_failed" in written and b"ZeroDivisionError" in written and b"breaks" in written
    assert CANARY.encode() not in written


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # how a terminal ends
        return b""
