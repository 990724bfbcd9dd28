"""Which contracts a node uses on a chain, and the file in which `tallystick deploy` keeps what it did."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import structlog

from tallystick_shared.chains import Deployment, Record, deployment, entry_of, has_code, standing
from tallystick_shared.crypto import Crypto
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.rpc import Rpc

from .chain.deploy import first_block
from .files import read_table, write_table
from .settings import Settings

FILE = "deployments.json"
log = structlog.get_logger(__name__)


def remember(data_dir: Path, record: Record) -> Path:
    """Keeps a deployment by its chain's id; the file is replaced at once or not at all. Returns its path. Raises
    LocalError STORE_UNREADABLE where an earlier one is damaged.
    """
    table = read_table(data_dir / FILE)
    table[str(record.where.chain_id)] = record.values()
    write_table(data_dir / FILE, table)
    return data_dir / FILE


def remembered(data_dir: Path, chain_id: int) -> Deployment | None:
    """What was deployed on a chain from here. Raises LocalError STORE_UNREADABLE where the file is damaged."""
    try:
        return entry_of(read_table(data_dir / FILE), chain_id)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise LocalError(Code.STORE_UNREADABLE, path=str(data_dir / FILE), reason="entry") from None


async def locate(settings: Settings, chain_id: int, rpc: Rpc, crypto: Crypto, *, with_block: bool = True) -> Deployment:
    """The contracts to use: those that the settings name, else those that were deployed from here, else the known
    ones, else whatever stands at the deterministic addresses. `with_block`: for the last, look for the block too, by
    some twenty reads. Raises LocalError NO_CONTRACTS, RPC_UNREACHABLE, or BAD_SETTINGS where one alone is named.
    """
    if bool(settings.chain.registry) != bool(settings.chain.channels):
        raise LocalError(Code.BAD_SETTINGS, setting="registry, channels", reason="give both addresses, or neither")
    if settings.chain.registry and settings.chain.channels:
        return settings.chain.deployment(chain_id)
    own = remembered(settings.data_dir, chain_id)
    # A local chain is begun anew under the same id: then what was deployed is gone.
    if own is not None and await has_code(rpc, own.channels):
        return own
    try:
        return deployment(chain_id)
    except LocalError:
        found = await standing(rpc, crypto, chain_id)
    block = settings.chain.block
    if not block and with_block:
        block = min([await first_block(rpc, address) for address in (found.registry, found.channels)])
    log.debug("contracts_found", chain=chain_id, channels="0x" + found.channels.hex(), block=block)
    return replace(found, block=block)
