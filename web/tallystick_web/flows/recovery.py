"""Money in deposits that this browser does not know: found on the chain by the payer's address, and taken back by the
payer's own wallet. Nothing but the address is needed, so it works after everything was wiped.

Where the chain's node gives no logs, two providers are asked for theirs; what they say is checked against the chain. A
wallet that never sent a transaction never opened a deposit, and nobody is asked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from tallystick_shared.channel import Config
from tallystick_shared.errors import PeerError, TallystickError
from tallystick_shared.evm.channels import Channels
from tallystick_shared.evm.rpc import RpcError, to_hex, to_int
from tallystick_shared.messages import amount_bytes
from tallystick_shared.recovery import OpenedRecord, Recovered, Recovery, recover

from ..actions import FoundDeposits, FoundMoved, Noticed
from ..app import App
from ..figures import money
from ..purse.book import ASK_BACK, WITHDRAWAL
from ..state import Found, FoundPhase, Notice, Sheet, State, Transit
from .aside import chain_time
from .deposit import DepositFlow
from .guest import deployment
from .market import MarketFlow
from .opening import log_of
from .pending import Ended, Follower
from .records import Records
from .rpc import WalletRpc
from .transactions import Transactions
from .wallet import WalletFlow

NODES, CANDIDATES = 2, 6
MOST = 20
BUSY = (FoundPhase.ASKING, FoundPhase.WITHDRAWING)


class RecoveryFlow:
    """The deposits of this payer beside the one in use."""

    def __init__(
        self,
        app: App,
        wallet: WalletFlow,
        market: MarketFlow,
        deposit: DepositFlow,
        records: Records,
        transactions: Transactions,
    ) -> None:
        self._transactions = transactions
        self._app, self._wallet, self._market, self._deposit, self._records = app, wallet, market, deposit, records
        self._configs: dict[bytes, Config] = {}
        self._followers: dict[bytes, Follower] = {}
        self._looking = False
        app.on("take-back", self.take_back)
        app.on("take-rest", self.withdraw)
        app.on("leave-found", self._leave)
        app.watch(self._changed)

    def _changed(self, before: State, after: State) -> None:
        """Reads again when somebody looks, and when the time of one that was asked back has come."""
        due = [one for one in after.found if one.phase is FoundPhase.REQUESTED and before.now < one.expiry <= after.now]
        opened = after.sheet is Sheet.MONEY and before.sheet is not Sheet.MONEY
        if after.found and (due or opened):
            self._app.spawn(self.refresh())
        if before.connected and after.connected and before.wallet.account != after.wallet.account:
            self._app.spawn(self.look())

    # -- finding

    async def look(self) -> None:
        """Shows what is left in channels of this account. Searches only where this browser knows no deposit. Nobody
        asked for it, so what goes wrong is not told; the next look comes with the next connection.
        """
        if self._looking or self._wallet.rpc is None:
            return
        self._looking = True
        try:
            await self._look()
        except (RpcError, TallystickError):
            return
        finally:
            self._looking = False

    async def _look(self) -> None:
        kept = await self._records.found()
        known = {one.config.salt for one in kept}
        records = kept if self._app.state.deposit.live else [*kept, *await self._search()]
        await self._show(records, known)

    async def refresh(self) -> None:
        """Reads again what is shown. Raises RpcError."""
        if self._app.state.found:
            kept = await self._records.found()
            await self._show(kept, {one.config.salt for one in kept})

    async def _search(self) -> list[OpenedRecord]:
        """What the chain's logs tell, or where they are refused what providers tell."""
        rpc, account = self._wallet.rpc, self._app.state.wallet.account
        assert rpc is not None
        if to_int(str(await rpc.request("eth_getTransactionCount", [to_hex(account), "latest"]))) == 0:
            return []
        try:
            logs = await self._contract().logs(rpc, deployment(self._app).block, "latest", payer=account)
            return [OpenedRecord.of(log) for log in logs]
        except (RpcError, PeerError, ValueError):
            return await self._ask(account)

    async def _ask(self, account: bytes) -> list[OpenedRecord]:
        records: list[OpenedRecord] = []
        answered, some = 0, self._market.informants()
        for _ in range(min(CANDIDATES, len(some))):
            place = int.from_bytes(self._app.seats.crypto.random(8), "big") % len(some)
            try:
                records += await self._market.guest.opened(some.pop(place), account)
            except TallystickError:
                continue
            answered += 1
            if answered == NODES:
                break
        return records

    async def _show(self, records: list[OpenedRecord], known: set[bytes]) -> None:
        """The live ones of this account, with their state from the chain; those are kept for the next time."""
        rpc, account = self._wallet.rpc, self._app.state.wallet.account
        assert rpc is not None
        records = [*records, *await self._second(account)]
        mine = [one for one in records if one.config.payer == account]
        recovery = await recover(self._app.seats.crypto, rpc, deployment(self._app), account, mine, logs=False)
        live = [one for one in self._others(recovery) if one.state.deposit > one.state.claimed][:MOST]
        self._configs |= {one.channel_id: one.config for one in live}
        now = await chain_time(rpc) if live else 0
        shown = [await self._found(one, now) for one in live]
        held = {one.channel_id: one for one in self._app.state.found}
        ids = {one.channel_id for one in shown}
        over = [one for one in held.values() if one.phase is FoundPhase.BACK and one.channel_id not in ids]
        shown = [held[one.channel_id] if _busy(held.get(one.channel_id)) else one for one in shown]
        await self._records.keep_found(
            [one for one in records if one.config.payer != account] + [one.record for one in live]
        )
        self._app.dispatch(FoundDeposits((*shown, *over)))
        new = [one for one in live if one.config.salt not in known]
        if new and self._app.state.notice is None:
            left = sum(one.state.deposit - one.state.claimed for one in new)
            values = (("amount", money(left, self._app.state.coin)),)
            self._app.dispatch(Noticed(Notice("deposit_found", values, quiet=True)))

    def _others(self, recovery: Recovery) -> list[Recovered]:
        current = self._app.state.deposit
        return [one for one in recovery.live if not (current.live and one.channel_id == current.channel_id)]

    async def _second(self, account: bytes) -> list[OpenedRecord]:
        """Deposits whose opening came after all while another was in use: this browser has their keys."""
        rpc = self._wallet.rpc
        assert rpc is not None
        return [
            OpenedRecord(record.config, amount_bytes(state.deposit), record.expiry, 0, bytes(32))
            for record, state in await self._deposit.aside.opened(rpc)
            if record.config.payer == account
        ]

    async def _found(self, one: Recovered, now: int) -> Found:
        state = one.state
        phase = FoundPhase.FOUND
        if state.expiry <= now:
            phase = FoundPhase.READY
        elif state.expiry <= now + one.config.delay:
            phase = FoundPhase.REQUESTED  # asking would not make it sooner
        opened = await self._opened_at(one)
        return Found(one.channel_id, state.deposit - state.claimed, state.expiry, one.config.delay, opened, phase)

    async def _opened_at(self, one: Recovered) -> int:
        """Unix seconds; 0 where the chain's node does not tell."""
        held = next((found for found in self._app.state.found if found.channel_id == one.channel_id), None)
        if held is not None or not one.record.block:
            return held.opened if held else 0
        assert self._wallet.rpc is not None
        try:
            block = await self._wallet.rpc.request("eth_getBlockByNumber", [hex(one.record.block), False])
            return to_int(block["timestamp"])
        except (RpcError, KeyError, TypeError, ValueError):
            return 0

    # -- taking back

    async def take_back(self, channel: str) -> None:
        """Asks for the channel's end; from its expiry on it can be withdrawn."""
        found, config = self._of(channel)
        if found is None or config is None or found.phase is not FoundPhase.FOUND:
            return
        before = found.expiry

        async def requested() -> bool:
            word = await self._contract().state(self._rpc(), found.channel_id)
            return word.ended or word.expiry < before

        data = self._contract().request_close(config)
        await self._transact(ASK_BACK, replace(found, phase=FoundPhase.ASKING), data, requested)
        await self.refresh()

    async def withdraw(self, channel: str) -> None:
        """Takes what is left."""
        found, config = self._of(channel)
        if found is None or config is None or found.phase is not FoundPhase.READY:
            return

        async def is_ended() -> bool:
            return (await self._contract().state(self._rpc(), found.channel_id)).ended

        data = self._contract().withdraw(config)
        ended = await self._transact(WITHDRAWAL, replace(found, phase=FoundPhase.WITHDRAWING), data, is_ended)
        if ended is None:
            return
        word = await self._contract().state(self._rpc(), found.channel_id)
        refund = int(log_of(self._contract(), ended.logs, "Closed").get("refund", word.deposit - word.claimed))
        back = replace(found, phase=FoundPhase.BACK, left=refund, transaction=ended.hash)
        self._app.dispatch(FoundMoved(back))
        kept = await self._records.found()
        await self._records.keep_found([one for one in kept if one.config != config.body()])
        await self._wallet.read_balance()

    async def _transact(
        self, kind: str, found: Found, data: bytes, worked: Callable[[], Awaitable[bool]]
    ) -> Ended | None:
        """One transaction; whatever goes wrong with it leaves the deposit as it was."""
        before = next(one for one in self._app.state.found if one.channel_id == found.channel_id)
        self._app.dispatch(FoundMoved(replace(found, transit=Transit.ASKED)))
        try:
            call = {"to": to_hex(self._contract().address), "data": to_hex(data), "value": "0x0"}

            def told(transit: Transit) -> None:
                self._app.dispatch(FoundMoved(replace(found, transit=transit)))

            def following(follower: Follower) -> None:
                self._followers[found.channel_id] = follower

            back = str(found.left) if kind == WITHDRAWAL else "0"
            channel = "0x" + found.channel_id.hex()
            return await self._transactions.run(kind, call, worked, told, following, back=back, channel=channel)
        finally:
            self._followers.pop(found.channel_id, None)
            self._app.dispatch(FoundMoved(before))

    def _leave(self, channel: str) -> None:
        follower = self._followers.get(_id(channel))
        if follower is not None:
            follower.leave()

    def _of(self, channel: str) -> tuple[Found | None, Config | None]:
        channel_id = _id(channel)
        found = next((one for one in self._app.state.found if one.channel_id == channel_id), None)
        return found, self._configs.get(channel_id)

    def _contract(self) -> Channels:
        return Channels(self._app.seats.crypto, deployment(self._app).channels)

    def _rpc(self) -> WalletRpc:
        assert self._wallet.rpc is not None
        return self._wallet.rpc


def _id(channel: str) -> bytes:
    try:
        return bytes.fromhex(channel)
    except ValueError:
        return b""


def _busy(found: Found | None) -> bool:
    return found is not None and found.phase in BUSY
