"""`tallystick provide` for an owner whose key is not here: a browser with a wallet, or a signature made elsewhere."""

from __future__ import annotations

from typing import Any

from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.rpc import to_bytes, to_hex

from .commands import chain_of, endpoint_of, offered_models
from .control import address_of
from .crypto import NativeCrypto
from .deployments import locate
from .drafts import wait_for, waiting
from .registering import Draft, Registering
from .running import RunningNode
from .settings import Settings


async def browser_link(settings: Settings) -> dict[str, Any]:
    """An address, good once, that opens the console of the node that runs here where a provider is made. Raises
    LocalError NO_NODE.
    """
    found = await RunningNode.need(settings.data_dir).command("/pair")
    return {**found, "url": f"{found['url']}&go=provide"}


async def _draft(settings: Settings, owner: str) -> tuple[Registering, Draft]:
    async with chain_of(settings) as (rpc, chain):
        where = await locate(settings, chain, rpc, NativeCrypto())
        steps = Registering(settings, NativeCrypto(), rpc, where)
        draft = await steps.draft(address_of(owner), await offered_models(settings), await endpoint_of(settings))
        if not draft.call:
            await steps.settled(draft.owner, draft.profile.encode())
        return steps, draft


async def to_sign(settings: Settings, owner: str) -> dict[str, Any]:
    """What the owner has to sign; None where the chain has it already. It waits here for its signature. Raises
    LocalError.
    """
    steps, draft = await _draft(settings, owner)
    if not draft.call:
        return {"owner": to_hex(draft.owner), "typed_data": None}
    wait_for(settings, draft)
    return {"owner": to_hex(draft.owner), "typed_data": steps.typed_data(draft)}


async def to_send(settings: Settings, owner: str, signature: str) -> dict[str, Any]:
    """The transaction, for the signature over what `to_sign` gave last. The node that runs here looks for it on chain.
    Raises LocalError NOT_SIGNED_BY_OWNER, BAD_SETTINGS.
    """
    kept = waiting(settings)
    if kept is None or kept.draft.owner != address_of(owner):
        raise LocalError(Code.BAD_SETTINGS, owner=owner, reason="nothing waits for its signature: leave it out first")
    async with chain_of(settings) as (rpc, chain):
        where = await locate(settings, chain, rpc, NativeCrypto())
        blob, call = Registering(settings, NativeCrypto(), rpc, where).seal(kept.draft, signature_of(signature))
    wait_for(settings, kept.draft, blob)
    return {"owner": to_hex(kept.draft.owner), "transaction": call.values(), "chain_id": call.chain_id}


def signature_of(text: str) -> bytes:
    """Raises LocalError BAD_SETTINGS."""
    try:
        return to_bytes(text.strip())
    except ValueError:
        raise LocalError(Code.BAD_SETTINGS, signature=text[:20], reason="it is not hexadecimal") from None
