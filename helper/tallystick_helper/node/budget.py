"""The node's one budget for what it does on credit: on deposits that are young, or that one source alone speaks of."""

from __future__ import annotations

from tallystick_shared.errors import Code, PeerError


class Budget:
    """How much may be outstanding over all channels together, in the token's smallest unit. A share is known by its
    reason and its channel.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._shares: dict[tuple[str, bytes], int] = {}

    @property
    def taken(self) -> int:
        """All shares together."""
        return sum(self._shares.values())

    def share(self, reason: str, channel_id: bytes) -> int:
        return self._shares.get((reason, channel_id), 0)

    def take(self, reason: str, channel_id: bytes, amount: int) -> None:
        """Raises a share to `amount`, where there is room. Raises PeerError UNCONFIRMED where there is none; then all
        stays as it was.
        """
        held = self.share(reason, channel_id)
        if self.taken - held + amount > self.limit:
            raise PeerError(Code.UNCONFIRMED, reason=reason)
        if amount > held:
            self._shares[reason, channel_id] = amount

    def owe(self, reason: str, channel_id: bytes, amount: int) -> None:
        """So much was done on credit before, whether there is room for it or not."""
        self._shares[reason, channel_id] = amount

    def lower(self, reason: str, channel_id: bytes, amount: int) -> None:
        """A share comes to no more than `amount` any longer; it is gone at 0."""
        held = min(amount, self._shares.pop((reason, channel_id), 0))
        if held > 0:
            self._shares[reason, channel_id] = held

    def clear(self, reason: str) -> None:
        """Every share taken for that reason is given back."""
        self._shares = {key: amount for key, amount in self._shares.items() if key[0] != reason}
