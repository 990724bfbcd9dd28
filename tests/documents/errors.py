"""The table of errors, from `errors.py`."""

from __future__ import annotations

from contracts.reference import table
from tallystick_shared.errors import WIRE_CODES_END, WORDS, Code
from tallystick_shared.session.peer import RETRYABLE

HEAD = """# Errors

*Made by `./run docs` from `shared/tallystick_shared/errors.py`; the test run fails where it is stale.*

An error is a number that never changes its meaning, and values that explain it; the words below are what people read.
Numbers below {end} may cross the wire, in ERROR, BYE, CANCEL, or in the clear (frame `0x03`) before there is a key;
what stands above speaks of one's own wallet, chain or settings and is never sent. An unknown number that arrives reads
as `PROTOCOL`. With ERROR comes whether the same request may be tried again, after how long, and what is owed for what
was delivered; *again* marks those for which that is so by their nature. No traceback and no path ever crosses.
"""
GROUPS = {
    1: "The protocol",
    2: "Proving a channel",
    3: "Payment",
    4: "The request",
    5: "The provider",
    6: "This side's wallet, chain or settings (local)",
}


def page() -> str:
    """The whole page."""
    parts = [HEAD.format(end=WIRE_CODES_END)]
    for digit, title in GROUPS.items():
        codes = [code for code in Code if code // 100 == digit]
        rows = [
            (code.value, f"`{code.name}`", *WORDS[code], "again" if code in RETRYABLE else "") for code in sorted(codes)
        ]
        parts.append(
            f"\n## {title}\n\n{table(('number', 'name', 'what people read', 'what they can do', ''), *rows)}\n"
        )
    return "".join(parts)
