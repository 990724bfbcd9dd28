"""A user's deposit with a provider: planning it, opening it, and the record of it that outlives a reload."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import msgspec
from msgspec import Meta

from .chains import Deployment
from .channel import MAX_DEPTH, NATIVE, Config, channels_domain, leaf
from .crypto import Crypto
from .errors import Code, LocalError, PeerError
from .evm.channels import Channels
from .evm.token import Permission
from .market import Listing
from .messages import U32, U63, Amount, Bytes20, Bytes32, ConfigBody, amount_bytes, amount_int
from .session.greeting import Proof

DEFAULT_LIFE = 7 * 24 * 3600
DEFAULT_DELAY = 24 * 3600
LONGEST_DELAY = 7 * 24 * 3600


class Agreed(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What the provider asked when the deposit was made: its dearest prices per 1,000,000 units, the epoch of its
    profile, and its first-voucher minimum. A dearer or an older profile is not used with this deposit.
    """

    price_in: Amount
    price_out: Amount
    epoch: U63
    first_voucher: Amount = amount_bytes(0)


class Place(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where a payee sits in the tree of a channel with several: its leaf's salt, and the siblings up to the root."""

    salt: Bytes32
    path: Annotated[tuple[Bytes32, ...], Meta(min_length=1, max_length=MAX_DEPTH)]


class Deposit(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Everything needed to use, close or recover a deposit. `key` is the session key (32): keep the encoded form
    encrypted.

    `amount` is decimal text (msgpack integers end at 64 bits).
    """

    chain_id: U63
    registry: Bytes20
    channels: Bytes20
    config: ConfigBody
    key: Bytes32
    provider: Bytes20
    payee: Bytes20
    closer: Bytes20
    amount: str
    expiry: U32
    transaction: str = ""
    agreed: Agreed | None = None
    place: Place | None = None

    @property
    def depth(self) -> int:
        """Of this payee in the channel's tree; 0 where it is the only one."""
        return len(self.place.path) if self.place else 0

    @property
    def cap(self) -> int:
        """The most this payee can be paid, in the token's smallest unit."""
        return int(self.amount) >> self.depth

    def channel_config(self) -> Config:
        return Config.from_body(self.config)

    def proof(self) -> Proof:
        """What proves it to its provider."""
        proof = Proof(self.channels, self.channel_config(), self.key, self.payee, self.closer)
        return replace(proof, leaf_salt=self.place.salt, path=self.place.path) if self.place else proof

    def channel_id(self, crypto: Crypto) -> bytes:
        return self.channel_config().channel_id(crypto, channels_domain(self.chain_id, self.channels))

    def account_id(self, crypto: Crypto) -> bytes:
        """Under which is kept what was signed to this payee (32 bytes): the channel's id, where it has no other."""
        channel_id = self.channel_id(crypto)
        return crypto.keccak256(channel_id + self.payee) if self.place else channel_id


@dataclass(frozen=True)
class Terms:
    """What a person chooses: an amount of the native coin or of a token (20 bytes), how long it may live, the notice
    before it can be taken back, and the longest notice that a provider may ask for instead (seconds).
    """

    amount: int
    life: int = DEFAULT_LIFE
    delay: int = DEFAULT_DELAY
    longest_delay: int = LONGEST_DELAY
    token: bytes = NATIVE


def plan(crypto: Crypto, where: Deployment, listing: Listing, payer: bytes, terms: Terms, now: int) -> Deposit:
    """A deposit for one provider, with a new session key. Raises PeerError or LocalError where the provider would
    not take it.
    """
    profile = listing.usable()
    if terms.amount < profile.least:
        raise LocalError(Code.DEPOSIT_TOO_SMALL, minimum=profile.least)
    if terms.token not in profile.tokens:
        raise PeerError(Code.WRONG_TOKEN)
    delay = max(terms.delay, profile.minimum_delay)
    if delay > max(terms.delay, terms.longest_delay):
        raise PeerError(Code.DELAY_TOO_LONG, delay=delay, longest=terms.longest_delay)
    key = crypto.random(32)
    dearest = profile.dearest
    root = leaf(crypto, profile.payee, profile.operator)
    config = Config(payer, crypto.secp256k1_address(key), root, terms.token, delay, crypto.random(32))
    return Deposit(
        where.chain_id,
        where.registry,
        where.channels,
        config.body(),
        key,
        listing.provider,
        profile.payee,
        profile.operator,
        str(terms.amount),
        now + max(terms.life, delay + 3600),
        agreed=Agreed(
            amount_bytes(dearest.input),
            amount_bytes(dearest.output),
            profile.epoch,
            amount_bytes(amount_int(profile.first_voucher)),
        ),
    )


def opening_call(crypto: Crypto, deposit: Deposit, permit: Permission | None = None) -> dict[str, str]:
    """`to`, `data` and `value` of the one transaction that opens it; the wallet adds sender and fees. One in a token
    needs an approval for the contract, or the payer's `permit` for it.
    """
    channels, config, amount = Channels(crypto, deposit.channels), deposit.channel_config(), int(deposit.amount)
    if permit is not None:
        data = channels.open_permit(config, deposit.expiry, amount, permit)
    else:
        data = channels.open(config, deposit.expiry, amount)
    value = amount if config.token == NATIVE else 0
    return {"to": "0x" + deposit.channels.hex(), "data": "0x" + data.hex(), "value": hex(value)}
