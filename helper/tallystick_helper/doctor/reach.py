"""Can others reach the node, under the address that it published?"""

from __future__ import annotations

import ipaddress
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tallystick_shared.errors import WORDS, Code, PeerError
from tallystick_shared.reach import ReachAsk

from ..guest import NativeGuest
from ..router import Ports, routers
from .finding import Finding, bad, doubt, fine, skipped

if TYPE_CHECKING:
    from .patient import Patient

ASKED = 3
"""Other nodes that are asked at most."""
MENDS = {
    Code.PROVIDER_GONE: "Start the node with `tallystick up`, and let the router and the firewall pass its port on.",
    Code.HANDSHAKE_FAILED: "Another node answers there: correct the address, or what the router passes on.",
    Code.WRONG_PROVIDER: "A node with another announcement answers there: restart it, or correct the address.",
    Code.TRUNCATED: "Something on the way closes WebSockets: look at the proxy or the firewall.",
    Code.DRAINING: "The node is paused or starts just now: `tallystick resume`, or wait.",
}


def is_local(host: str) -> bool:
    """Does an address lead no further than this machine or its own network? Names other than `localhost` may lead
    anywhere.
    """
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith((".local", ".lan", ".internal"))


async def outside(patient: Patient) -> Finding:
    """Another provider's node dials the registered endpoint."""
    mine, guest = patient.registered, NativeGuest(patient.crypto, patient.contracts)
    view = await guest.market(patient.chain)
    others = [view.listing(provider) for provider in view if provider != mine.provider]
    ask = ReachAsk(mine.provider, mine.usable().node_key)
    faults: list[Code] = []
    for other in [one for one in others if one.profile is not None][:ASKED]:
        try:
            answer = await guest.reach(other, ask)
        except PeerError:
            continue
        if answer.reached:
            return fine(f"0x{other.provider.hex()} reaches it, within {answer.milliseconds} ms.")
        faults.append(answer.fault)
    if not faults:
        return skipped("No other node could be asked to dial it.", "From another network, `tallystick chat` tells.")
    mend = MENDS.get(faults[0], "Let the router and the firewall pass its port on.")
    return bad(f"Others cannot reach it: {WORDS[faults[0]][0]}", mend, asked=len(faults), error=faults[0].name)


async def router(patient: Patient) -> Finding:
    """Where the router is asked for a port: it is open, leads here from the internet, and is the one announced. Nothing
    is asked where nobody wished so.
    """
    wish, node = patient.settings.router, patient.node
    held = (await node.ask())["router"] if node is not None else None
    if held is None and not wish.map_port:
        return fine("The router is not asked for a port; `tallystick up --map-port` would.")
    if held is None:
        names = [one.name for one in await routers(wish.address, Ports(wish.pcp, wish.ssdp))]
        says = f"The router can be asked by {' and '.join(names)}; the node does so once it runs."
        return fine(says, protocols=names)
    if not held["open"]:
        code = Code[held["error"]]
        return bad(f"{WORDS[code][0][:-1]}: {held.get('reason', 'no answer')}.", WORDS[code][1], **held)
    if not held["public"]:
        says = f"The router opened port {held['external_port']}, but its own address {held['external']} is not public."
        return doubt(says, "Another router, or your internet provider, stands between: ask there for the port.", **held)
    known = patient.listing.usable().endpoints if patient.listing and patient.listing.profile else ()
    if known and held["endpoint"] not in known and patient.settings.listen.endpoint is None:
        says = f"The router leads here from {held['endpoint']} now; announced is {known[0]}."
        return doubt(says, "Run `tallystick provide`: it announces the new address.", **held)
    return fine(f"The router leads here from {held['endpoint']}, by {held['protocol']}.", **held)


async def endpoint(patient: Patient) -> Finding:
    """The published address leads to this node: greeting, handshake and one answer."""
    profile, start = patient.registered.usable(), time.monotonic()
    values: dict[str, object] = {"endpoints": list(profile.endpoints)}
    try:
        advert = await NativeGuest(patient.crypto, patient.contracts).advert(patient.registered)
    except PeerError as error:
        mend = MENDS.get(error.code, "Look into the node's log.")
        return bad(f"{profile.endpoints[0]} does not lead to this node: {error.says}", mend, **values, **error.values)
    taken = time.monotonic() - start
    values |= {"seconds": round(taken, 3), "slots": advert.load.slots}
    if is_local(urlsplit(profile.endpoints[0]).hostname or ""):
        mend = "Give an address that others can reach: --endpoint ws://YOUR-ADDRESS:8766, and announce it."
        return doubt(f"{profile.endpoints[0]} answers, but only this network can reach it.", mend, **values)
    return fine(f"{profile.endpoints[0]} leads to this node, within {taken:.2f} s.", **values)
