"""The last check: a question of one's own, paid like everybody's. Without consent nothing is opened."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tallystick_shared.chains import Deployment
from tallystick_shared.deposit import Deposit, Terms
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.channels import Channels
from tallystick_shared.market import Listing

from ..chain.rpc import HttpRpc
from ..chat import LEAST_LIFE, Account, Answer, Conversation
from ..crypto import NativeCrypto
from ..keys import Secret
from ..opening import Opening
from ..quote import Agree
from ..settings import Settings
from ..shown import Money, show_amount
from ..store import UserStore
from .finding import Finding, bad, fine, skipped
from .patient import PaidAnswer

if TYPE_CHECKING:
    from .patient import Patient

UNITS = 16
QUESTION = "Say yes."


class OwnPayer:
    """Pays from a deposit of this data directory, else opens one with `key`, after `agree`. Fills the Payer seat."""

    def __init__(self, settings: Settings, key: Secret | None, amount: int, agree: Agree) -> None:
        """`amount`: what a new deposit holds, in wei."""
        self._settings, self._key, self._amount, self._agree = settings, key, amount, agree
        self._crypto = NativeCrypto()
        self._store = UserStore(settings.data_dir, self._crypto)

    async def ask(self, rpc: HttpRpc, where: Deployment, listing: Listing) -> PaidAnswer:
        """Raises LocalError UNKNOWN_DEPOSIT where there is neither a deposit nor a key, REFUSED, and whatever went
        wrong with the question.
        """
        deposit = await self._kept(rpc, where, listing) or await self._open(rpc, where, listing)
        profile = listing.usable()
        conversation = Conversation(self._crypto, self._store, deposit, profile)
        try:
            await conversation.connect()
            async for piece in conversation.ask([("user", QUESTION)], profile.offers[0].model, UNITS):
                if isinstance(piece, Answer):
                    answer = piece
            await conversation.settle()
            durable = conversation.user.session.account.durable
        finally:
            await conversation.leave()
        if durable < answer.amount:
            raise LocalError(Code.TIMED_OUT, reason="the payment was not acknowledged")
        return PaidAnswer(answer.output_units, answer.amount, answer.first_token or answer.seconds)

    async def _kept(self, rpc: HttpRpc, where: Deployment, listing: Listing) -> Deposit | None:
        profile, channels = listing.usable(), Channels(self._crypto, where.channels)
        wanted = (where.chain_id, where.channels, listing.provider, profile.payee, profile.operator)
        for deposit in self._store.deposits():
            found = (deposit.chain_id, deposit.channels, deposit.provider, deposit.payee, deposit.closer)
            if found == wanted:
                state = await channels.state(rpc, deposit.channel_id(self._crypto))
                if state.known and not state.ended and state.expiry - time.time() > LEAST_LIFE:
                    return deposit
        return None

    async def _open(self, rpc: HttpRpc, where: Deployment, listing: Listing) -> Deposit:
        if self._key is None:
            raise LocalError(Code.UNKNOWN_DEPOSIT, reason="there is none with this node: give --key-file")
        account = Account(self._crypto, rpc, where, self._key.reveal(), self._store)
        symbol = self._settings.chain.symbol
        opening = Opening(account, rpc, Money(symbol), symbol, self._agree)
        return (await opening.open(listing, Terms(self._amount)))[0]


async def paid(patient: Patient) -> Finding:
    """One question, its answer, and a voucher that the node keeps."""
    if patient.payer is None:
        return skipped("Not asked for.", "Add --paid to ask your node one question, paid like everybody's.")
    symbol = patient.settings.chain.symbol
    try:
        answer = await patient.payer.ask(patient.chain, patient.contracts, patient.registered)
    except LocalError as error:
        if error.code in (Code.REFUSED, Code.NOT_CONFIRMED):
            return skipped("You said no; nothing was opened and nothing was asked.", "Answer yes, or give --yes.")
        if error.code is Code.UNKNOWN_DEPOSIT:
            return bad("There is no deposit to pay a test prompt from.", "Give --key-file: it opens one, after asking.")
        raise
    values: dict[str, Any] = {"units": answer.units, "amount": str(answer.amount), "first": round(answer.first, 3)}
    cost = show_amount(answer.amount, symbol)
    return fine(f"{answer.units} units for {cost}, the first after {answer.first:.2f} s.", **values)
