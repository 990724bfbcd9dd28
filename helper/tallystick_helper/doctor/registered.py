"""The provider's checks on chain: is it registered, with this node's keys, as the settings say, with coins for gas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tallystick_shared.errors import Code, PeerError
from tallystick_shared.evm.registry import Registry
from tallystick_shared.evm.rpc import to_bytes, to_hex
from tallystick_shared.market import Market
from tallystick_shared.messages import amount_int

from ..announcement import Announcement
from ..operator_gas import GOOD_CLAIMS, operator_gas
from ..registering import default_endpoint, make_profile
from ..renting import Renting
from ..shown import show_amount, show_date
from .finding import Finding, bad, doubt, fine

if TYPE_CHECKING:
    from .patient import Patient

AGAIN = "Run `tallystick provide`: it announces what changed, in one transaction."
SHOWN = {
    "endpoints": "the endpoint",
    "payee": "the payee",
    "tokens": "the tokens",
    "minimum_cap": "the smallest deposit",
    "minimum_delay": "the notice",
    "window": "the credit window",
    "offers": "models or prices",
}


async def registered(patient: Patient) -> Finding:
    """The registry has this node, under its owner's address, with the keys that lie here."""
    settings = patient.settings
    announced = patient.announced = Announcement.load(settings.data_dir, settings.place)
    if announced is None and settings.provider is None:
        return bad("This node is not registered.", "Run `tallystick provide` with your wallet: one transaction.")
    provider = announced.provider if announced else to_bytes(settings.provider or "")
    where, values = patient.contracts, {"provider": to_hex(provider)}
    try:
        listing = await Market(patient.crypto, patient.chain_id, where.registry).listing(patient.chain, provider)
    except PeerError as error:
        if error.code is not Code.NOT_REGISTERED:
            raise
        return bad(f"0x{provider.hex()} is not in this chain's registry.", "Run `tallystick provide`.", **values)
    if listing.profile is None:
        return bad(f"What stands in the registry cannot be used: {listing.fault}.", AGAIN, **values)
    profile = listing.profile
    patient.listing = listing
    values |= {"operator": to_hex(profile.operator), "payee": to_hex(profile.payee), "epoch": str(profile.epoch)}
    keys, crypto = patient.keys, patient.crypto
    own = crypto.x25519_public(keys.node().reveal()), crypto.secp256k1_address(keys.operator().reveal())
    if own != (profile.node_key, profile.operator):
        mend = "Restore the backup of the announced keys, or run `tallystick provide` to announce those that lie here."
        return bad("The registry names other keys than those kept here.", mend, **values)
    leaves = await Registry(crypto, where.registry).unlock_at(patient.chain, provider)
    if leaves:
        says = f"It asked to leave the registry; its stake may be taken back from {show_date(leaves)} on."
        return doubt(says, AGAIN, **values)
    return fine(f"0x{provider.hex()} is registered, and its keys are kept here.", **values)


async def renting(patient: Patient) -> Finding:
    """Nobody paused it, also not by a drain before the last stop."""
    settings = patient.settings
    if Renting(settings.data_dir, settings.renting).resting == "paused":
        return bad("This node is paused and serves nobody.", "Run `tallystick resume` to rent out again.")
    return fine("This node is not paused.")


async def announcement(patient: Patient) -> Finding:
    """What stands on chain is what the settings say now; else users see old prices, or the node serves by them."""
    profile = patient.registered.usable()
    settings, provider = patient.settings, patient.registered.provider
    endpoint = default_endpoint(settings) if settings.listen.endpoint else profile.endpoints[0]
    first = amount_int(profile.first_voucher)
    wanted = make_profile(
        settings, patient.able, patient.crypto, patient.keys, provider, endpoint, profile.epoch, first
    )
    differ = [name for name in SHOWN if getattr(profile, name) != getattr(wanted, name)]
    values = {"epoch": str(profile.epoch), "differ": differ}
    if differ:
        named = ", ".join(SHOWN[name] for name in differ)
        return doubt(f"The settings have changed since the announcement: {named}.", AGAIN, **values)
    if patient.announced is None or patient.announced.profile(patient.crypto) != profile:
        return doubt("This node serves by an older announcement than the one on chain.", AGAIN, **values)
    return fine(f"The registry says what the settings say (epoch {profile.epoch}).", **values)


async def gas(patient: Patient) -> Finding:
    """The operator can pay for claims: needed before the first one, not for registering."""
    found = await operator_gas(patient.settings, patient.crypto, patient.chain)
    symbol, held = patient.settings.chain.symbol, show_amount(found.held, patient.settings.chain.symbol)
    send = f"Send {show_amount(found.missing or found.wanted, symbol)} to the operator's address"
    mend = f"{send} 0x{found.operator.hex()} from any wallet, or run `tallystick fund`."
    if found.held < found.claim:
        says = f"The operator holds {held}: not enough for one claim, so what you earn cannot be claimed yet."
        return bad(says, mend, **found.values())
    says = f"The operator holds {held}, enough for {found.claims} claims at today's price."
    good = found.claims >= GOOD_CLAIMS
    return fine(says, **found.values()) if good else doubt(says, mend, **found.values())
