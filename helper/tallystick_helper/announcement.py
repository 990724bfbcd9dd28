"""What this node announced on chain, kept beside its keys: `tallystick provide` writes it, a running node reads it.

The first chain's is `announced.json`; a further chain's bears the name of its section in the settings.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from tallystick_shared.chains import Deployment
from tallystick_shared.crypto import Crypto
from tallystick_shared.errors import Code, LocalError, PeerError
from tallystick_shared.profile import Profile, read_profile, registry_domain


def file_name(place: str = "") -> str:
    """The file for a chain, by its name in the settings."""
    return f"announced-{place}.json" if place else "announced.json"


def draft_name(place: str = "") -> str:
    """The file in which the next announcement waits for its owner (`drafts`)."""
    return f"draft-{place}.json" if place else "draft.json"


@dataclass(frozen=True)
class Announcement:
    """The provider's address (20 bytes), where it is registered, and the profile's bytes."""

    provider: bytes
    where: Deployment
    blob: bytes

    def profile(self, crypto: Crypto) -> Profile:
        """Checked like a stranger's. Raises PeerError BAD_PROFILE."""
        return read_profile(crypto, registry_domain(self.where.chain_id, self.where.registry), self.provider, self.blob)

    def save(self, data_dir: Path, place: str = "") -> None:
        """Replaces the file at once or not at all. A draft that waited is over then: sent late, it would put another
        owner in this one's place.
        """
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        values = {
            "provider": "0x" + self.provider.hex(),
            "chain_id": self.where.chain_id,
            "registry": "0x" + self.where.registry.hex(),
            "channels": "0x" + self.where.channels.hex(),
            "block": self.where.block,
            "profile": self.blob.hex(),
        }
        temporary = data_dir / f".{file_name(place)}.{os.getpid()}"
        temporary.write_text(json.dumps(values, indent=1) + "\n")
        (data_dir / draft_name(place)).unlink(missing_ok=True)
        temporary.replace(data_dir / file_name(place))

    @classmethod
    def load(cls, data_dir: Path, place: str = "") -> Announcement | None:
        """None where nothing was announced. Raises LocalError STORE_UNREADABLE."""
        path = data_dir / file_name(place)
        try:
            values = json.loads(path.read_text())
            registry, channels = bytes.fromhex(values["registry"][2:]), bytes.fromhex(values["channels"][2:])
            where = Deployment(int(values["chain_id"]), registry, channels, int(values["block"]))
            return cls(bytes.fromhex(values["provider"][2:]), where, bytes.fromhex(values["profile"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, PeerError) as error:
            raise LocalError(Code.STORE_UNREADABLE, path=str(path), reason=type(error).__name__) from None
