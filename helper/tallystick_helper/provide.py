"""`tallystick provide`: makes the owner-signed profile and puts it on chain, once; later it changes it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from tallystick_shared.chains import Deployment, has_code
from tallystick_shared.channel import NATIVE
from tallystick_shared.crypto import Crypto
from tallystick_shared.errors import Code, LocalError, PeerError
from tallystick_shared.evm.registry import Registry
from tallystick_shared.evm.rpc import Rpc, to_bytes, to_hex
from tallystick_shared.market import Market
from tallystick_shared.messages import amount_int
from tallystick_shared.profile import VERSION, Offer, Profile, registry_domain, sum_bytes
from tallystick_shared.records import SUITE

from .announcement import Announcement
from .chain.cost import market
from .chain.sender import Receipt, Sender
from .engines import Capabilities
from .keys import KeyStore
from .quote import Agree, Quote
from .settings import ModelSettings, Settings

CLAIM_GAS = 52_000
"""Of one voucher in the coin, sent by the operator for a payee that is another account (contracts/gas.json)."""
Tell = Callable[[str, str], None]


@dataclass(frozen=True)
class Provided:
    """What was done: the announcement in force, and the transactions sent (hash by name; empty where nothing had to
    change).
    """

    announced: Announcement
    transactions: dict[str, str]


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


class Provider:
    """An owner's key at the registry of one chain."""

    def __init__(self, settings: Settings, crypto: Crypto, rpc: Rpc, where: Deployment, owner_key: bytes) -> None:
        self._settings, self._crypto, self._rpc, self._where, self._key = settings, crypto, rpc, where, owner_key
        self._keys = KeyStore(settings.data_dir)
        chain = settings.chain
        self._sender = Sender(rpc, owner_key, where.chain_id, poll=min(1.0, chain.interval), patience=chain.patience)
        self._registry = Registry(crypto, where.registry)
        self.address = self._sender.address

    async def provide(
        self, able: Capabilities | Sequence[Capabilities], endpoint: str, tell: Tell, agree: Agree | None = None
    ) -> Provided:
        """Registers, or announces what changed, and sees that the operator can pay for gas; asks `agree` before each
        transaction. Raises LocalError.
        """
        models = (able,) if isinstance(able, Capabilities) else able
        current = await self._current()
        epoch = current.epoch + 1 if current else int(time.time())
        first = await self._first_voucher(current)
        wanted = make_profile(self._settings, models, self._crypto, self._keys, self.address, endpoint, epoch, first)
        await self._check(wanted)
        transactions: dict[str, str] = {}
        if current is not None and _same(current, wanted):
            blob = current.encode()
        else:
            domain = registry_domain(self._where.chain_id, self._where.registry)
            blob = wanted.signed(self._crypto, domain, self._key).encode()
            transactions.update(await self._send(blob, tell, agree))
        announced = Announcement(self.address, self._where, blob)
        announced.save(self._settings.data_dir, self._settings.place)
        transactions.update(await self._fund(tell, agree))
        return Provided(announced, transactions)

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

    async def _current(self) -> Profile | None:
        """The profile on chain, if it is registered and good."""
        try:
            return (
                await Market(self._crypto, self._where.chain_id, self._where.registry).listing(self._rpc, self.address)
            ).profile
        except PeerError:
            return None

    async def _send(self, blob: bytes, tell: Tell, agree: Agree | None) -> dict[str, str]:
        entry = (await self._registry.entries(self._rpc, [self.address]))[0]
        name = "announce" if entry.registered else "register"
        data = self._registry.announce(blob) if entry.registered else self._registry.register(blob)
        value = 0 if entry.registered else self._settings.offer.stake
        what = "Put this node's profile into the registry" + (", with its stake." if value else " again, changed.")
        if not entry.registered:
            what += " A second one follows: gas for the node's own key."
        receipt = await self._transact(what, self._where.registry, data, value, agree)
        tell(name, receipt.transaction.hex())
        return {name: "0x" + receipt.transaction.hex()}

    async def _transact(self, what: str, to: bytes, data: bytes, value: int, agree: Agree | None) -> Receipt:
        if agree is None:
            return await self._sender.transact(to, data, value)
        cost = await self._sender.cost(to, data, value)
        await agree(Quote(what, (cost,), self._settings.chain.symbol, await self._sender.balance()))
        return await self._sender.transact(to, data, value, cost=cost)

    async def _fund(self, tell: Tell, agree: Agree | None) -> dict[str, str]:
        """The operator pays gas for claims and closes; when it runs low the owner fills it up."""
        operator = self._crypto.secp256k1_address(self._keys.operator().reveal())
        wanted = self._settings.money.gas
        held = int(await self._rpc.request("eth_getBalance", ["0x" + operator.hex(), "latest"]), 16)
        if operator == self.address or held >= wanted // 2:
            return {}
        what = "Give the node's operator key coins for the gas of its claims."
        receipt = await self._transact(what, operator, b"", wanted - held, agree)
        tell("fund", receipt.transaction.hex())
        return {"fund": "0x" + receipt.transaction.hex()}


def _same(current: Profile, wanted: Profile) -> bool:
    """Equal but for epoch and signature."""
    return msgspec.structs.replace(current, epoch=0, signature=b"") == msgspec.structs.replace(
        wanted, epoch=0, signature=b""
    )
