"""Whether a node takes new requests, and from whom: paused by hand, closed by the hour, or a wallet that is denied.

What runs goes on, what is owed can be paid and every deposit can be closed: only new requests are refused. What a
person set by a command is kept in `renting.json` and outlives a restart.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tallystick_shared.errors import Code, LocalError, PeerError
from tallystick_shared.evm.rpc import to_bytes, to_hex

from .schedule import Schedule
from .settings import RentingSettings

FILE = "renting.json"


class Renting:
    """`clock` gives Unix seconds. Raises LocalError BAD_SETTINGS, STORE_UNREADABLE."""

    def __init__(self, data_dir: Path, settings: RentingSettings, clock: Callable[[], float] = time.time) -> None:
        self._path, self._clock = data_dir / FILE, clock
        self._schedule = Schedule.parse(settings.hours)
        self._zone = ZoneInfo(settings.timezone) if settings.timezone else None
        self._always = frozenset(to_bytes(address) for address in settings.deny)
        kept = self._read()
        self.paused: bool = kept["paused"]
        self.until: int | None = kept["until"]
        """Unix seconds at which a pause ends by itself; None where only `resume` ends it."""
        self._denied: set[bytes] = {to_bytes(address) for address in kept["deny"]}

    @property
    def denied(self) -> frozenset[bytes]:
        """Wallets, by settings and by command."""
        return self._always | self._denied

    @property
    def resting(self) -> str:
        """Why nothing is rented out now, `paused` or `hours`; empty where it is."""
        now = self._clock()
        if self.paused and (self.until is None or now < self.until):
            return "paused"
        return "" if self._schedule.open_at(datetime.fromtimestamp(now, self._zone)) else "hours"

    def check(self, payer: bytes) -> None:
        """Before a new request. Raises PeerError DENIED or RESTING."""
        if payer in self.denied:
            raise PeerError(Code.DENIED)
        if self.resting:
            raise PeerError(Code.RESTING)

    def pause(self, seconds: int | None = None) -> None:
        self.paused, self.until = True, None if seconds is None else int(self._clock()) + seconds
        self._write()

    def resume(self) -> None:
        self.paused, self.until = False, None
        self._write()

    def deny(self, payer: bytes) -> None:
        self._denied.add(payer)
        self._write()

    def allow(self, payer: bytes) -> None:
        """Raises LocalError BAD_SETTINGS where the settings deny it."""
        if payer in self._always:
            raise LocalError(
                Code.BAD_SETTINGS, account=to_hex(payer), reason="[renting] deny names it: take it out there"
            )
        self._denied.discard(payer)
        self._write()

    def values(self) -> dict[str, Any]:
        """For whoever asks the running node."""
        return {"paused": self.paused, "until": self.until, "resting": self.resting or None,
                "denied": sorted(map(to_hex, self.denied))}  # fmt: skip

    def _read(self) -> dict[str, Any]:
        try:
            kept = json.loads(self._path.read_text())
            return {"paused": bool(kept["paused"]), "until": kept["until"], "deny": list(kept["deny"])}
        except FileNotFoundError:
            return {"paused": False, "until": None, "deny": []}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LocalError(Code.STORE_UNREADABLE, path=str(self._path), reason=type(error).__name__) from None

    def _write(self) -> None:
        """At once or not at all."""
        values = {"paused": self.paused, "until": self.until, "deny": sorted(map(to_hex, self._denied))}
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = self._path.with_name(f".{FILE}.{os.getpid()}")
        temporary.write_text(json.dumps(values) + "\n")
        temporary.replace(self._path)
