"""One transaction of the person's own: one prompt, one line in the book, followed to its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tallystick_shared.errors import Code, LocalError

from ..app import App
from ..state import Transit
from .ledger import LedgerFlow
from .pending import Ended, Follower
from .wallet import WalletFlow


class Transactions:
    """Sends and follows; what is under way can be left."""

    def __init__(self, app: App, wallet: WalletFlow, ledger: LedgerFlow) -> None:
        self._app, self._wallet, self._ledger = app, wallet, ledger

    async def run(
        self,
        kind: str,
        call: dict[str, str],
        worked: Callable[[], Awaitable[bool]],
        told: Callable[[Transit], None],
        following: Callable[[Follower], None] | None = None,
        **facts: Any,
    ) -> Ended | None:
        """Its end; None where the person left it. `told` hears each step from SENT on; `following` gets hold of it as
        soon as it can be left. Raises LocalError TRANSACTION_FAILED, TRANSACTION_REPLACED, NO_WALLET, WRONG_CHAIN;
        RpcError of the wallet.
        """
        sent = await self._wallet.send(call)
        key = self._ledger.sent(kind, sent.hash, **facts)

        def tell(transit: Transit) -> None:
            self._ledger.moved(key, transit)
            told(transit)

        tell(Transit.SENT)
        if self._wallet.rpc is None:
            raise LocalError(Code.NO_WALLET)
        follower = Follower(self._wallet.rpc, self._app.seats.world, sent, worked, tell)
        if following is not None:
            following(follower)
        try:
            ended = await follower.run()
        except LocalError as error:
            self._ledger.over(key, error)
            raise
        if ended is None:
            self._ledger.over(key, None)
        else:
            self._ledger.confirmed(key, ended)
        return ended
