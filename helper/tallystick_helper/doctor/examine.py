"""Goes through checks in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from tallystick_shared.errors import TallystickError
from tallystick_shared.evm.rpc import RpcError

from .finding import Check, Finding, State, bad, skipped
from .patient import Patient

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Told:
    """A check that was made; `seconds` it took."""

    check: Check
    finding: Finding
    seconds: float

    def values(self) -> dict[str, object]:
        """For `--json`."""
        found, own = self.finding, {"check": self.check.name, "state": self.finding.state.value}
        return {**own, "says": found.says, "mend": found.mend, "seconds": round(self.seconds, 3), **found.values}


class Listener(Protocol):
    """Whoever shows how it goes."""

    def begin(self, check: Check) -> None:
        """It is looked at now."""

    def end(self, told: Told) -> None:
        """It was looked at."""


async def examine(checks: Sequence[Check], patient: Patient, listener: Listener | None = None) -> list[Told]:
    """Every check, in order. One that needs another that did not come out is passed over; nothing is raised but
    cancellation.
    """
    told: list[Told] = []
    lost: set[str] = set()
    for check in checks:
        if listener:
            listener.begin(check)
        start = time.monotonic()
        missing = [name for name in check.needs if name in lost]
        finding = skipped(f"Not looked at: {missing[0]} comes first.") if missing else await _look(check, patient)
        if finding.state in (State.BAD, State.SKIPPED):
            lost.add(check.name)
        told.append(Told(check, finding, time.monotonic() - start))
        if listener:
            listener.end(told[-1])
    return told


async def _look(check: Check, patient: Patient) -> Finding:
    try:
        async with asyncio.timeout(check.patience):
            return await check.look(patient)
    except TimeoutError:
        return bad(f"No answer within {check.patience:g} seconds.", "Try again; if it stays so, look at the log.")
    except TallystickError as error:
        return bad(error.says, error.next_step, error=error.code.name, **_plain(error))
    except RpcError as error:
        return bad(f"The chain refused: {error.message[:200]}", "Set another RPC address.", error="RPC")
    except Exception as error:
        log.exception("check_broke", check=check.name)
        return bad(f"The check itself broke: {type(error).__name__}.", "Report this, with what the log says.")


def _plain(error: TallystickError) -> dict[str, str]:
    return {name: str(value) for name, value in error.values.items()}
