"""Reading a contract's logs up to each new head, so that a reorganisation is noticed.

What was read of the last few blocks is read once more with every new head. A log that was there before and is gone now
means that the chain was reorganised; whoever follows then asks the contract about what that log had touched. Used for
channels and for the registry.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog

from tallystick_shared.evm.rpc import RpcError

REREAD = 8
SPAN = 2000
log = structlog.get_logger(__name__)
Entry = TypeVar("Entry")
Key = tuple[Any, ...]


@dataclass(frozen=True)
class Change(Generic[Entry]):
    """What a look found: all logs from block `first` to the head `last`, in the chain's order; which of them are new;
    the keys of those that are gone.
    """

    first: int
    last: int
    entries: list[Entry]
    new: list[Entry]
    gone: set[Key]

    def __bool__(self) -> bool:
        """Has anything changed?"""
        return bool(self.new or self.gone)


class LogRange(Generic[Entry]):
    """The logs of one contract, from block `start` on.

    `read` gives the logs of a range of blocks; `key` names a log, its block number first, so that the same log has the
    same key each time and another block's never has.
    """

    def __init__(
        self,
        read: Callable[[int, int], Awaitable[list[Entry]]],
        key: Callable[[Entry], Key],
        *,
        start: int = 0,
        reread: int = REREAD,
    ) -> None:
        self._read, self._key = read, key
        self._start, self._reread = start, reread
        self._seen: set[Key] = set()
        self._span = SPAN
        self.next = start

    async def look(self, head: int) -> Change[Entry]:
        """Reads up to the head, and the last blocks again. Call `keep` once what it found is taken in; before that the
        next look finds it again. Raises RpcError, LocalError RPC_UNREACHABLE and PeerError BAD_MESSAGE.
        """
        first = max(self._start, min(self.next, head + 1) - self._reread)
        entries = await self._logs(first, head)
        fresh = {self._key(entry) for entry in entries}
        gone = {key for key in self._seen if key[0] >= first and key not in fresh}
        if gone:
            log.warning("reorganised", first=first, logs=len(gone))
        new = [entry for entry in entries if self._key(entry) not in self._seen]
        return Change(first, head, entries, new, gone)

    def keep(self, change: Change[Entry]) -> None:
        """What a look found is taken in."""
        oldest = change.last - 2 * self._reread
        fresh = {self._key(entry) for entry in change.entries}
        self._seen = {key for key in (self._seen - change.gone) | fresh if key[0] >= oldest}
        self.next = change.last + 1

    async def _logs(self, first: int, last: int) -> list[Entry]:
        """All logs of a range, in smaller pieces where the chain's node refuses a large one."""
        entries: list[Entry] = []
        at = first
        while at <= last:
            until = min(last, at + self._span - 1)
            try:
                found = await self._read(at, until)
            except RpcError:
                if self._span == 1:
                    raise
                self._span = max(1, self._span // 4)
                continue
            entries += found
            at = until + 1
        return entries
