"""Letting the contract take a deposit in a token: by what was approved before, by a permit, else by an approval."""

from __future__ import annotations

import time

from tallystick_shared.channel import NATIVE
from tallystick_shared.crypto import Crypto
from tallystick_shared.deposit import Deposit
from tallystick_shared.errors import Code, LocalError, PeerError
from tallystick_shared.evm.rpc import Rpc, RpcError
from tallystick_shared.evm.token import PERMIT, Permission, Token, permit_values

from .chain.sender import Sender

PERMIT_LIFE = 3600


async def allow(crypto: Crypto, rpc: Rpc, sender: Sender, key: bytes, deposit: Deposit) -> Permission | None:
    """A permit to open the deposit with, or None where none is needed: it is native coin, or enough is approved. A
    token without permits is approved here, for exactly the deposit: one transaction more, or two (`must_clear`).

    Raises LocalError NOT_ENOUGH_MONEY; PeerError WRONG_TOKEN where the address holds no token.
    """
    token, amount = Token(crypto, deposit.config.token), int(deposit.amount)
    if token.address == NATIVE:
        return None
    try:
        held = await token.balance(rpc, sender.address)
        approved = await token.allowance(rpc, sender.address, deposit.channels)
    except (RpcError, PeerError):
        raise PeerError(Code.WRONG_TOKEN, token=token.address.hex()) from None
    if held < amount:
        raise LocalError(Code.NOT_ENOUGH_MONEY, token=token.address.hex(), held=held, wanted=amount)
    if approved >= amount:
        return None
    permit = await _permit(crypto, rpc, token, key, deposit)
    if permit is None:
        if await must_clear(sender, token, deposit.channels, amount, approved):
            await sender.transact(token.address, token.approve(deposit.channels, 0))
        await sender.transact(token.address, token.approve(deposit.channels, amount))
    return permit


async def must_clear(sender: Sender, token: Token, spender: bytes, amount: int, approved: int) -> bool:
    """Does the token refuse to change an allowance that is not zero, `approved`, into `amount`? Tether's does on
    Ethereum; then one of zero comes first.
    """
    if not approved:
        return False
    try:
        await sender.cost(token.address, token.approve(spender, amount))
    except LocalError as error:
        if error.code is not Code.TRANSACTION_FAILED:
            raise
        return True
    return False


async def _permit(crypto: Crypto, rpc: Rpc, token: Token, key: bytes, deposit: Deposit) -> Permission | None:
    """None where the token takes none."""
    owner, deadline = deposit.config.payer, int(time.time()) + PERMIT_LIFE
    try:
        nonce = await token.nonce(rpc, owner)
    except (RpcError, PeerError):
        return None
    domain = await token.domain(rpc, deposit.chain_id)
    if domain is None:
        return None
    values = permit_values(owner, deposit.channels, int(deposit.amount), nonce, deadline)
    return Permission(deadline, crypto.secp256k1_sign(key, domain.digest(crypto, PERMIT, values)))
