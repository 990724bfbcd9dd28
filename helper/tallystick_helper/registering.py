"""Putting a node's profile on chain, in steps that need no key: whoever owns it signs with a wallet of their own.

    draft    what would be announced, and as which of the registry's two calls
    seal     with the owner's EIP-712 signature: the one transaction, for the owner's wallet to send
    settle   once the chain has it: the announcement, kept where the node reads it

`provide` goes the same steps with a key file. A draft may be lost: one that was sent and forgotten is found on chain by
the next.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from tallystick_shared.chains import Deployment, has_code
from tallystick_shared.channel import NATIVE
from tallystick_shared.crypto import Crypto
from tallystick_shared.errors import Code, LocalError, PeerError
from tallystick_shared.evm.registry import Registry
from tallystick_shared.evm.rpc import Rpc, to_bytes, to_hex
from tallystick_shared.market import Market
from tallystick_shared.messages import amount_int
from tallystick_shared.profile import PROFILE, VERSION, Offer, Profile, profile_hash, registry_domain, sum_bytes
from tallystick_shared.records import SUITE
from tallystick_shared.voucher import is_signed_by

from .announcement import Announcement
from .chain.cost import market
from .engines import Capabilities
from .keys import KeyStore
from .settings import ModelSettings, Settings

PATIENCE = 30.0
"""Seconds for which a mined announcement is looked for."""
CLAIM_GAS = 52_000
"""Of one voucher in the coin, sent by the operator for a payee that is another account (contracts/gas.json)."""


@dataclass(frozen=True)
class Draft:
    """What `owner` (20 bytes) would announce. `call` is `register`, `announce`, or empty where the chain has it already
    and `profile` is that one; `value` is the stake in wei that goes along.
    """

    owner: bytes
    profile: Profile
    call: str
    value: int


@dataclass(frozen=True)
class Call:
    """A transaction that only `sender` can send: `to` and `sender` 20 bytes, `value` in wei."""

    chain_id: int
    sender: bytes
    to: bytes
    data: bytes
    value: int

    def values(self) -> dict[str, Any]:
        """As `eth_sendTransaction` takes it."""
        return {
            "from": to_hex(self.sender),
            "to": to_hex(self.to),
            "data": to_hex(self.data),
            "value": hex(self.value),
        }


def offer_of(settings: Settings, able: Capabilities) -> Offer:
    """A model at its price: its own where the settings have one, else everybody's."""
    offer = settings.offer
    own = offer.models.get(able.model) or ModelSettings()
    price_in = offer.price_in if own.price_in is None else own.price_in
    price_out = offer.price_out if own.price_out is None else own.price_out
    return Offer(
        able.model,
        able.kind,
        sum_bytes(price_in),
        sum_bytes(price_out),
        able.unit,
        able.bytes_per_unit,
        able.template_units,
        able.context,
        able.manifest,
    )


def make_profile(
    settings: Settings,
    models: Sequence[Capabilities],
    crypto: Crypto,
    keys: KeyStore,
    provider: bytes,
    endpoint: str,
    epoch: int,
    first_voucher: int = 0,
) -> Profile:
    """The profile that the settings and the engine's models make, unsigned, with that first-voucher minimum. Raises
    LocalError BAD_SETTINGS where a value does not fit.
    """
    offer = settings.offer
    profile = Profile(
        VERSION,
        (endpoint,),
        crypto.x25519_public(keys.node().reveal()),
        crypto.secp256k1_address(keys.operator().reveal()),
        to_bytes(settings.payee) if settings.payee else provider,
        tuple(to_bytes(token) for token in offer.tokens),
        sum_bytes(offer.minimum_cap),
        offer.minimum_delay,
        sum_bytes(first_voucher),
        sum_bytes(offer.credit_window()),
        SUITE,
        epoch,
        tuple(offer_of(settings, able) for able in models),
    )
    try:
        # A structure checks its fields when it is decoded, not when it is made.
        return msgspec.convert(msgspec.to_builtins(profile, builtin_types=(bytes,)), Profile)
    except msgspec.ValidationError as error:
        raise LocalError(Code.BAD_SETTINGS, reason=str(error)) from None


def default_endpoint(settings: Settings) -> str:
    """Where others reach this node; without `listen.endpoint` only this machine does."""
    return settings.listen.endpoint or f"ws://127.0.0.1:{settings.listen.port}"


class Registering:
    """The steps on one chain, for any owner."""

    def __init__(self, settings: Settings, crypto: Crypto, rpc: Rpc, where: Deployment) -> None:
        self._settings, self._crypto, self._rpc, self._where = settings, crypto, rpc, where
        self._keys = KeyStore(settings.data_dir)
        self._registry = Registry(crypto, where.registry)
        self._domain = registry_domain(where.chain_id, where.registry)

    async def draft(self, owner: bytes, models: Sequence[Capabilities], endpoint: str) -> Draft:
        """What would be announced now. Raises LocalError BAD_SETTINGS, RPC_UNREACHABLE."""
        current = await self._current(owner)
        epoch = current.epoch + 1 if current else int(time.time())
        first = await self._first_voucher(current)
        wanted = make_profile(self._settings, models, self._crypto, self._keys, owner, endpoint, epoch, first)
        await self._check(wanted)
        if current is not None and _same(current, wanted):
            return Draft(owner, current, "", 0)
        if (await self._registry.entries(self._rpc, [owner]))[0].registered:
            return Draft(owner, wanted, "announce", 0)
        return Draft(owner, wanted, "register", self._settings.offer.stake)

    def typed_data(self, draft: Draft) -> dict[str, Any]:
        """What the owner signs, as JSON for `eth_signTypedData_v4`."""
        return self._domain.typed_data(PROFILE, draft.profile.signing(self._crypto))

    def digest(self, draft: Draft) -> bytes:
        """The same as 32 bytes."""
        return self._domain.digest(self._crypto, PROFILE, draft.profile.signing(self._crypto))

    def seal(self, draft: Draft, signature: bytes) -> tuple[bytes, Call]:
        """The signed profile's bytes and the transaction that announces them. Some wallets count v from 0. Raises
        LocalError NOT_SIGNED_BY_OWNER, BAD_SETTINGS where the profile is too long.
        """
        if len(signature) == 65 and signature[64] < 2:
            signature = signature[:64] + bytes([signature[64] + 27])
        if not is_signed_by(self._crypto, self.digest(draft), signature, draft.owner):
            raise LocalError(Code.NOT_SIGNED_BY_OWNER, owner=to_hex(draft.owner))
        try:
            blob = msgspec.structs.replace(draft.profile, signature=signature).encode()
        except ValueError as error:
            raise LocalError(Code.BAD_SETTINGS, reason=str(error)) from None
        made = self._registry.announce if draft.call == "announce" else self._registry.register
        return blob, Call(self._where.chain_id, draft.owner, self._where.registry, made(blob), draft.value)

    async def settle(self, owner: bytes, blob: bytes) -> Announcement | None:
        """Keeps the announcement where the chain has it; None while it does not. Raises LocalError RPC_UNREACHABLE."""
        entry = (await self._registry.entries(self._rpc, [owner]))[0]
        if entry.profile_hash != profile_hash(self._crypto, blob):
            return None
        announced = Announcement(owner, self._where, blob)
        announced.save(self._settings.data_dir, self._settings.place)
        return announced

    async def settled(self, owner: bytes, blob: bytes) -> Announcement:
        """As `settle`, of a transaction that is mined: another RPC address may not know it yet. Raises LocalError
        TRANSACTION_REPLACED where the registry goes on having another profile.
        """
        chain = self._settings.chain
        until = time.monotonic() + min(chain.patience, PATIENCE)
        while (announced := await self.settle(owner, blob)) is None:
            if time.monotonic() > until:
                raise LocalError(Code.TRANSACTION_REPLACED, reason="the registry has another profile: look there again")
            await asyncio.sleep(min(1.0, chain.interval))
        return announced

    async def _check(self, wanted: Profile) -> None:
        """Money that is paid to nobody or to the contracts is lost, and what is no token cannot be paid in. Raises
        LocalError BAD_SETTINGS.
        """
        lost = {NATIVE: "zero", self._where.channels: "the Channels contract's", self._where.registry: "the registry's"}
        if wanted.payee in lost:
            reason = f"the payee's address is {lost[wanted.payee]}: nobody could ever take what is paid there"
            raise LocalError(Code.BAD_SETTINGS, payee=to_hex(wanted.payee), reason=reason)
        for token in wanted.tokens:
            if token != NATIVE and not await has_code(self._rpc, token):
                reason = "a token of the offer is not on this chain: there is no contract at its address"
                raise LocalError(Code.BAD_SETTINGS, token=to_hex(token), reason=reason)

    async def _first_voucher(self, current: Profile | None) -> int:
        """As the settings say; else what a claim costs at today's price of gas, rounded up to one digit. One that was
        announced stays while it is neither half nor twice of that.
        """
        offer = self._settings.offer
        if offer.first_voucher is not None:
            return offer.first_voucher
        if NATIVE not in (to_bytes(token) for token in offer.tokens):
            return 0
        cost = CLAIM_GAS * (await market(self._rpc)).likely
        held = amount_int(current.first_voucher) if current else 0
        if cost < 2 * held and held < 2 * cost:
            return held
        unit = int(10 ** (len(str(cost)) - 1))
        return -(-cost // unit) * unit

    async def _current(self, owner: bytes) -> Profile | None:
        """The profile on chain, if it is registered and good."""
        try:
            return (
                await Market(self._crypto, self._where.chain_id, self._where.registry).listing(self._rpc, owner)
            ).profile
        except PeerError:
            return None


def _same(current: Profile, wanted: Profile) -> bool:
    """Equal but for epoch and signature."""
    return msgspec.structs.replace(current, epoch=0, signature=b"") == msgspec.structs.replace(
        wanted, epoch=0, signature=b""
    )
