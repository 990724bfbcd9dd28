"""Who the owner is: by what this node announced, and by the registry on chain."""

from __future__ import annotations

from collections.abc import Sequence

from tallystick_shared.crypto import Crypto
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.registry import Registry

from ..announcement import Announcement
from ..place import Place
from ..settings import Settings


class PlaceOwners:
    """Fills the `Owners` seat with the chains of a process."""

    def __init__(self, settings: Settings, places: Sequence[Place], crypto: Crypto) -> None:
        self._data_dir, self._places, self._crypto = settings.data_dir, places, crypto

    def chains(self) -> list[str]:
        return [place.name for place in self._places]

    def announced(self, chain: str) -> tuple[int, bytes] | None:
        """As the file has it now. Raises LocalError BAD_SETTINGS, STORE_UNREADABLE."""
        place = self._place(chain)
        found = Announcement.load(self._data_dir, place.name)
        return (found.where.chain_id, found.provider) if found is not None else None

    async def registered(self, chain: str, owner: bytes) -> bool:
        """Raises LocalError NO_CONTRACTS, RPC_UNREACHABLE, RpcError."""
        place = self._place(chain)
        registry = Registry(self._crypto, (await place.where()).registry)
        return (await registry.entries(place.rpc, [owner]))[0].registered

    def _place(self, chain: str) -> Place:
        for place in self._places:
            if place.name == chain:
                return place
        raise LocalError(Code.BAD_SETTINGS, chain=chain, known=", ".join(self.chains()) or "none")
