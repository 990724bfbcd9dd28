"""Whether a node takes new requests, and from whom: paused by hand, closed by the hour, or a wallet that is denied.

What runs goes on, what is owed can be paid and every deposit can be closed: only new requests are refused. What a
person set by a command is kept in `renting.json` and outlives a restart. Where that file is damaged it is put aside as
`renting.json.damaged` and the node is paused: who had paused it must not rent it out unasked.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import structlog

from tallystick_shared.errors import Code, LocalError, PeerError
from tallystick_shared.evm.rpc import to_bytes, to_hex

from .files import write_durably
from .schedule import Schedule
from .settings import RentingSettings

FILE = "renting.json"
log = structlog.get_logger(__name__)


class Renting:
    """`clock` gives Unix seconds. Raises LocalError BAD_SETTINGS, STORE_UNREADABLE."""

    def __init__(self, data_dir: Path, settings: RentingSettings, clock: Callable[[], float] = time.time) -> None:
        self._path, self._clock = data_dir / FILE, clock
        self._schedule = Schedule.parse(settings.hours)
        self._zone = ZoneInfo(settings.timezone) if settings.timezone else None
        self._always = frozenset(to_bytes(address) for address in settings.deny)
        self.paused = False
        self.until: int | None = None
        """Unix seconds at which a pause ends by itself; None where only `resume` ends it."""
        self._denied: set[bytes] = set()
        self._read()

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

    def _read(self) -> None:
        """Raises LocalError STORE_UNREADABLE where the file is there, but cannot be had."""
        try:
            kept = json.loads(self._path.read_bytes())
            denied = {to_bytes(address) for address in kept["deny"]}
            until = None if kept["until"] is None else int(kept["until"])
            self.paused, self.until, self._denied = bool(kept["paused"]), until, denied
        except FileNotFoundError:
            return
        except OSError as error:
            raise LocalError(Code.STORE_UNREADABLE, path=str(self._path), reason=error.strerror) from None
        except (ValueError, KeyError, TypeError, AttributeError):
            self._give_up()

    def _give_up(self) -> None:
        """Paused until a person resumes, also after the next start: the new file takes the damaged one's place at once,
        and where it cannot be written the damaged one stays.
        """
        aside = self._path.with_name(f"{FILE}.damaged")
        self.paused = True
        with suppress(OSError, LocalError):
            shutil.copyfile(self._path, aside)
            aside.chmod(0o600)
            self._write()
        says = "paused, and whom `tallystick deny` named is forgotten: deny them again, then `tallystick resume`"
        log.warning("renting_file_damaged", kept=str(aside), says=says)

    def _write(self) -> None:
        """At once or not at all; on disk when it returns. Raises LocalError STORE_UNREADABLE."""
        values = {"paused": self.paused, "until": self.until, "deny": sorted(map(to_hex, self._denied))}
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_durably(self._path, json.dumps(values).encode() + b"\n")
