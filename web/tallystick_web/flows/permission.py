"""Letting the contract take a deposit in a token: by what was approved before, by a permit (EIP-2612), else by an
approval of exactly the deposit. Whatever the wallet signs is shown by the wallet itself.
"""

from __future__ import annotations

import json
from typing import Any

from tallystick_shared.channel import NATIVE
from tallystick_shared.deposit import Deposit as DepositRecord
from tallystick_shared.errors import Code, LocalError, PeerError
from tallystick_shared.evm.rpc import RpcError, to_bytes, to_hex
from tallystick_shared.evm.token import PERMIT, Permission, Token, permit_values

from ..app import App
from ..faults import code_of_rpc
from ..figures import Coin
from ..purse.actions import CoinRead, PurseMoved
from ..purse.book import APPROVAL
from ..purse.paying import Step, Way
from ..state import Choice, Transit
from .rpc import WalletRpc
from .transactions import Transactions
from .wallet import WalletFlow

PERMIT_LIFE = 3600
LEGACY_V = 27


class PermissionFlow:
    """Tokens: what they are, what the wallet has of them, and how the contract gets them."""

    def __init__(self, app: App, wallet: WalletFlow, transactions: Transactions) -> None:
        self._app, self._wallet, self._transactions = app, wallet, transactions
        app.on("pay-with", self._pay_with)

    # -- reading

    async def _pay_with(self, token: str) -> None:
        """The deposit will be made in this one."""
        await self.use(bytes.fromhex(token))

    async def use(self, token: bytes) -> None:
        """Reads the token and how it would be paid with. Raises RpcError."""
        self._app.dispatch(PurseMoved({"token": token, "balance": None, "way": Way.COIN, "gas": None}))
        if token != NATIVE:
            await self.name(token)
            await self.read_balance()

    async def prefer(self, choice: Choice) -> None:
        """The money that this provider takes: the one in use where it does, else the first it names."""
        held = self._app.state.purse.token
        tokens = choice.tokens or (NATIVE,)
        if held not in tokens:
            held = NATIVE if NATIVE in tokens else tokens[0]
        if held != self._app.state.purse.token or (held != NATIVE and self._app.state.purse.balance is None):
            await self.use(held)

    async def name(self, token: bytes) -> None:
        """What it calls itself; nobody vouches for that. Raises RpcError."""
        if token == NATIVE or token in self._app.state.purse.coins:
            return
        found = Token(self._app.seats.crypto, token)
        coin = Coin(await found.symbol(self._rpc()), await found.decimals(self._rpc()))
        self._app.dispatch(CoinRead(token, coin))

    async def read_balance(self) -> None:
        """What the wallet has of the token in use, and the way to pay with it. Raises RpcError; PeerError WRONG_TOKEN
        where there is no token.
        """
        state = self._app.state
        if state.purse.token == NATIVE or not state.wallet.account or state.site is None:
            return
        token, rpc = Token(self._app.seats.crypto, state.purse.token), self._rpc()
        try:
            balance = await token.balance(rpc, state.wallet.account)
        except PeerError:
            raise PeerError(Code.WRONG_TOKEN) from None
        way = Way.PERMIT if await self._domain(token) is not None else Way.APPROVE
        self._app.dispatch(PurseMoved({"balance": balance, "way": way}))

    async def _domain(self, token: Token) -> Any:
        """None where the token takes no permits."""
        try:
            await token.nonce(self._rpc(), self._app.state.wallet.account)
        except (RpcError, PeerError):
            return None
        site = self._app.state.site
        return await token.domain(self._rpc(), site.chain_id if site else 0)

    # -- allowing

    async def allow(self, record: DepositRecord) -> Permission | None:
        """A permit to open with, or None where none is needed any more. Raises RpcError where the wallet says no;
        LocalError NOT_ENOUGH_MONEY.
        """
        if record.config.token == NATIVE:
            return None
        amount, token = int(record.amount), Token(self._app.seats.crypto, record.config.token)
        if await self._enough(token, record.channels, amount):
            return None
        try:
            permit = await self._permit(token, record)
            if permit is None:
                await self.approve(token, record.channels, amount)
            return permit
        finally:
            self._app.dispatch(PurseMoved({"step": Step.NONE}))

    async def _enough(self, token: Token, spender: bytes, amount: int) -> bool:
        """Was so much approved before? Raises LocalError NOT_ENOUGH_MONEY."""
        account, rpc = self._app.state.wallet.account, self._rpc()
        if await token.balance(rpc, account) < amount:
            raise LocalError(Code.NOT_ENOUGH_MONEY)
        return await token.allowance(rpc, account, spender) >= amount

    async def _permit(self, token: Token, record: DepositRecord) -> Permission | None:
        """None where the token or the wallet cannot."""
        domain = await self._domain(token)
        if domain is None:
            return None
        account, rpc = self._app.state.wallet.account, self._rpc()
        nonce = await token.nonce(rpc, account)
        deadline = int(self._app.seats.world.wall()) + PERMIT_LIFE
        values = permit_values(account, record.channels, int(record.amount), nonce, deadline)
        asked = [self._wallet.spelled, json.dumps(domain.typed_data(PERMIT, values))]
        self._app.dispatch(PurseMoved({"step": Step.PERMIT}))
        try:
            signature = to_bytes(str(await rpc.request("eth_signTypedData_v4", asked)))
        except RpcError as error:
            if code_of_rpc(error) is Code.WALLET_UNSUPPORTED:
                return None
            raise
        if len(signature) == 65 and signature[64] < LEGACY_V:  # some hardware wallets say 0 and 1
            signature = signature[:64] + bytes([signature[64] + LEGACY_V])
        return Permission(deadline, signature)

    async def approve(self, token: Token, spender: bytes, amount: int) -> None:
        """In one transaction; in two where the token wants its allowance at zero first. Raises LocalError, RpcError."""
        account, rpc = self._app.state.wallet.account, self._rpc()
        held = await token.allowance(rpc, account, spender)
        if held >= amount:
            return
        if held and await self._must_clear(token, spender, amount):
            self._app.dispatch(PurseMoved({"step": Step.CLEAR}))
            await self._allowance(token, spender, 0)
        self._app.dispatch(PurseMoved({"step": Step.APPROVE}))
        await self._allowance(token, spender, amount)

    async def _allowance(self, token: Token, spender: bytes, amount: int) -> None:
        account, rpc = self._app.state.wallet.account, self._rpc()

        async def stands() -> bool:
            held = await token.allowance(rpc, account, spender)
            return held >= amount if amount else held == 0

        call = {"to": to_hex(token.address), "data": to_hex(token.approve(spender, amount)), "value": "0x0"}
        facts = {"amount": "0", "provider": to_hex(spender)}
        ended = await self._transactions.run(APPROVAL, call, stands, _nothing, None, **facts)
        if ended is None:
            raise LocalError(Code.REFUSED)

    async def _must_clear(self, token: Token, spender: bytes, amount: int) -> bool:
        """Does the token refuse to change an allowance that is not zero? Tether's does on Ethereum."""
        data = to_hex(token.approve(spender, amount))
        call = {"from": to_hex(self._app.state.wallet.account), "to": to_hex(token.address), "data": data}
        try:
            await self._rpc().request("eth_estimateGas", [call])
        except RpcError:
            return True
        return False

    def _rpc(self) -> WalletRpc:
        if self._wallet.rpc is None:
            raise LocalError(Code.NO_WALLET)
        return self._wallet.rpc


def _nothing(_: Transit) -> None:
    """The step is shown already."""
