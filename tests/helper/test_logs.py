"""What a fault leaves in the log: where it broke, and nothing of what was being worked on."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

CANARY = "marzipanzeppelin"
PROGRAM = f"""
import logging
import sys
import structlog
from tallystick_helper.logs import configure
configure("debug")
def breaks(prompt):
    kept = [prompt, {{"content": prompt}}]
    if sys.argv[1] == "says nothing":
        return 1 // 0
    try:
        raise ValueError("cannot tokenize: " + prompt)
    except ValueError as error:
        raise ExceptionGroup("of " + prompt, [KeyError(prompt)]) from error
try:
    breaks("{CANARY[:8]}" + "{CANARY[8:]}")
except Exception as error:
    structlog.get_logger("x").exception("job_failed", kind=type(error).__name__)
    logging.getLogger("asyncio").exception("never retrieved")
"""


@pytest.mark.parametrize(
    ("case", "types"),
    [("says nothing", ["ZeroDivisionError"]), ("quotes it", ["ValueError", "ExceptionGroup", "KeyError"])],
)
@pytest.mark.parametrize("terminal", [False, True])
def test_a_traceback_shows_no_values(terminal: bool, case: str, types: list[str]) -> None:
    """Neither as JSON nor on a terminal, where the library would show what every name stands for; nor what an
    exception's own message quotes, also by way of another library.
    """
    ours, theirs = pty.openpty() if terminal else os.pipe()
    subprocess.run([sys.executable, "-c", PROGRAM, case], stderr=theirs, check=True)
    os.close(theirs)
    written = b""
    while piece := _read(ours):
        written += piece
    os.close(ours)
    assert b"job_failed" in written and b"never retrieved" in written and b"breaks" in written
    assert all(written.count(name.encode()) >= 2 for name in types)
    assert CANARY.encode() not in written


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # how a terminal ends
        return b""


def test_a_stream_that_was_closed_is_written_to_no_more() -> None:
    """A command may run within another program, which gives it a stderr of its own and closes that in the end."""
    program = """
import io, sys, structlog
from tallystick_helper.logs import configure
log, first, second = structlog.get_logger("x"), io.StringIO(), io.StringIO()
sys.stderr = first
configure("info")
log.info("one")
assert "one" in first.getvalue()
sys.stderr = second
first.close()
log.info("two")
assert "two" in second.getvalue()
"""
    subprocess.run([sys.executable, "-c", program], check=True)
