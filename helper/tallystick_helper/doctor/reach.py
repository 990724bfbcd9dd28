"""Can others reach the node, under the address that it published?"""

from __future__ import annotations

import ipaddress
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tallystick_shared.errors import WORDS, Code, PeerError
from tallystick_shared.reach import ReachAsk

from ..guest import NativeGuest
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
