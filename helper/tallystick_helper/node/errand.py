"""A claim or a close on its way: its versions in the ledger, from before the first leaves until its end is known."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..chain.sender import Sender
from ..ledger import Ledger, SentRow


@dataclass
class Errand:
    """Fills the sender's Journal seat. `versions` are hashes, oldest first, and `raws` their bytes."""

    ledger: Ledger
    kind: str
    channels: list[bytes]
    versions: list[bytes] = field(default_factory=list)
    raws: list[bytes] = field(default_factory=list)

    async def keep(self, transaction: bytes, raw: bytes) -> None:
        await self.ledger.sent(transaction, self.kind, self.channels, raw)
        self.versions.append(transaction)
        self.raws.append(raw)

    async def refused(self, transaction: bytes) -> None:
        at = self.versions.index(transaction)
        del self.versions[at], self.raws[at]
        await self.ledger.dropped(transaction)

    async def forget(self, but: bytes = b"") -> None:
        """It ended: none of its versions, `but` one, will be mined any more."""
        for transaction in self.versions:
            if transaction != but:
                await self.ledger.dropped(transaction)


def errands(ledger: Ledger, sender: Sender, rows: list[SentRow]) -> list[Errand]:
    """Rows of the ledger put together: what has one nonce is one errand, and so is what this key did not sign."""
    found: dict[int | bytes, Errand] = {}
    for row in rows:
        nonce = sender.nonce_of(row.raw) if row.raw else None
        errand = found.setdefault(row.transaction if nonce is None else nonce, Errand(ledger, row.kind, row.channels))
        errand.versions.append(row.transaction)
        if nonce is not None:
            errand.raws.append(row.raw)
    return list(found.values())
