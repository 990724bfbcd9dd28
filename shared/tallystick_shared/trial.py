"""What a provider gives away to newcomers: so many tokens a day, without a wallet, a channel or a transaction.

A trial is a chat like any other, at no price, on a connection without a channel: encrypted end to end and of the same
shape on the wire. Its provider bounds it (`trial_offer`), says so in its advert, and serves it after everybody who
pays: an answer gives way (it ends as `gave_way`) where somebody who pays comes. It costs its provider work, never its
user money, so there is nothing to sign; END carries the operator's receipt, as always.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from .chains import Deployment
from .crypto import Crypto
from .market import Listing
from .profile import Offer
from .records import LOW_LATENCY, Hello
from .services import TRIAL
from .session import ClientLimits, ClientSession
from .session.events import Event
from .session.guest import Signer
from .user import Line
from .user_seats import Host

SERVICE = TRIAL.name
GAVE_WAY = "gave_way"
"""How an answer ends that made room for somebody who pays."""


class Visitor(Line):
    """A guest at a provider: one question, which costs nothing. What breaks off is over."""

    def __init__(
        self,
        crypto: Crypto,
        host: Host,
        where: Deployment,
        listing: Listing,
        emit: Callable[[Event], None],
        *,
        low_latency: bool = False,
    ) -> None:
        """Raises BAD_PROFILE where the listing cannot be used."""
        profile = listing.usable()
        hello = Hello(where.chain_id, where.registry, listing.provider, flags=LOW_LATENCY if low_latency else 0)
        session = ClientSession(crypto, hello, profile.node_key, ClientLimits(0, 0))
        super().__init__(crypto, host, profile, session, emit)
        self._signer = Signer(profile.operator, where.channels)

    def _check_profile(self) -> None:
        """Nothing was agreed before."""

    def _enter(self) -> None:
        self.session.visit(self._signer)

    async def _save(self, amount: int) -> None:
        """There is nothing to keep."""

    def _may_return(self) -> bool:
        return False

    def _offer(self, model: str) -> Offer:
        return msgspec.structs.replace(super()._offer(model), price_in=b"", price_out=b"")
