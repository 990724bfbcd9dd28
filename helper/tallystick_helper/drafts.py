"""The announcement that waits for its owner's signature, then for the chain: `draft.json`, beside what is announced.

Whoever makes a draft writes it; the node that runs looks for a signed one on chain, so that a page or a terminal may be
closed as soon as the wallet has sent it. Whatever is announced ends what waited.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from tallystick_shared.errors import Code, LocalError, PeerError
from tallystick_shared.messages import decode, encode
from tallystick_shared.profile import Profile

from .announcement import draft_name
from .files import read_table, write_table
from .registering import Draft
from .settings import Settings

LOOKED_FOR = 24 * 3600
"""Seconds for which a signed draft is looked for on chain; the next draft finds it later all the same."""


def _path(settings: Settings) -> Path:
    return settings.data_dir / draft_name(settings.place)


@dataclass(frozen=True)
class Waiting:
    """A draft; `blob` is the signed profile once there is one. `until` is Unix seconds."""

    draft: Draft
    blob: bytes = b""
    until: int = 0


def wait_for(settings: Settings, draft: Draft, blob: bytes = b"") -> None:
    """Replaces what waited. Raises LocalError STORE_UNREADABLE."""
    values = {
        "owner": draft.owner.hex(),
        "call": draft.call,
        "value": str(draft.value),
        "profile": encode(draft.profile).hex(),
        "signed": blob.hex(),
        "until": int(time.time()) + LOOKED_FOR,
    }
    write_table(_path(settings), values)


def waiting(settings: Settings) -> Waiting | None:
    """What waits on that chain. Raises LocalError STORE_UNREADABLE."""
    values = read_table(_path(settings))
    if not values:
        return None
    try:
        profile = decode(Profile, bytes.fromhex(values["profile"]))
        draft = Draft(bytes.fromhex(values["owner"]), profile, str(values["call"]), int(values["value"]))
        return Waiting(draft, bytes.fromhex(values["signed"]), int(values["until"]))
    except (KeyError, TypeError, ValueError, PeerError) as error:
        raise LocalError(Code.STORE_UNREADABLE, path=str(_path(settings)), reason=type(error).__name__) from None
