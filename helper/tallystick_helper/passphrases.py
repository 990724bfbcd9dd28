"""What opens the operator's key: a file that a person or systemd hands in, else an entry of the OS keyring.

`TALLYSTICK_KEYRING=off` leaves the keyring alone.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from tallystick_shared.errors import Code, LocalError

SERVICE = "tallystick"
FILE = "TALLYSTICK_PASSPHRASE_FILE"
CREDENTIAL = "tallystick-passphrase"
NONE = f"no passphrase is at hand: name a file by {FILE}, or unlock the OS keyring"


def found(path: Path) -> str | None:
    """The passphrase of a key's file. Raises OSError where the file that should hold it cannot be read, LocalError
    BAD_KEY_FILE where others can read it too.
    """
    return _handed_in() or _keyring("get_password", path)


def made(path: Path) -> str | None:
    """A new random one in the OS keyring; None where there is no keyring that keeps it."""
    passphrase = secrets.token_urlsafe(32)
    _keyring("set_password", path, passphrase)
    return passphrase if _keyring("get_password", path) == passphrase else None


def _handed_in() -> str | None:
    named, folder = os.environ.get(FILE), os.environ.get("CREDENTIALS_DIRECTORY")
    if named:
        if os.name == "posix" and stat.S_IMODE(Path(named).stat().st_mode) & 0o077:
            raise LocalError(Code.BAD_KEY_FILE, path=named, reason="others may read it: chmod 600")
        return Path(named).read_text().rstrip("\r\n") or None
    # systemd itself keeps others out of its folder; a credential's mode may show an access list's mask.
    if folder and (credential := Path(folder) / CREDENTIAL).exists():
        return credential.read_text().rstrip("\r\n") or None
    return None


def _keyring(action: str, path: Path, *values: str) -> str | None:
    """A keyring that is locked, or not there, keeps nothing: the key's own file tells what to do then."""
    if os.environ.get("TALLYSTICK_KEYRING") == "off":
        return None
    import keyring
    from keyring.errors import KeyringError

    try:
        answer: str | None = getattr(keyring, action)(SERVICE, str(path.resolve()), *values)
    except (KeyringError, RuntimeError, OSError):
        return None
    return answer
