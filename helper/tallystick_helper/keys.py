"""Secret keys: the node's own, and those that a person hands in.

The node makes its keys itself the first time they are asked for and keeps each in a file of mode 0600, in a folder of
mode 0700 below its data. The operator's, which can spend, is encrypted where a passphrase is at hand: from
`TALLYSTICK_PASSPHRASE_FILE` or a systemd credential, else a random one that the OS keyring keeps. A key that came from
a person is read and never written anywhere. No key is printed, logged or put into an error: `Secret` hides it.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from coincurve import PrivateKey

from tallystick_shared.errors import Code, LocalError

from . import passphrases
from .keystore import KeystoreError, decrypt_keystore, encrypt_keystore

_FOLDER = "keys"
_SESSION_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_HEX_KEY = re.compile(r"(?:0x)?([0-9a-fA-F]{64})")
_LARGEST_FILE = 64 * 1024
_POSIX = os.name == "posix"

Passphrase = Callable[[], str]


class Secret:
    """32 secret bytes that no `print`, log line, traceback or pickle shows."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        if len(value) != 32:
            raise ValueError("a secret has 32 bytes")
        self._value = value

    def reveal(self) -> bytes:
        """The bytes. Hand them to the crypto seat and keep them nowhere."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("a secret is not pickled")


class KeyStore:
    """The node's own keys, below `data_dir`. Two processes that ask at the same moment get the same key."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / _FOLDER

    def operator(self) -> Secret:
        """The secp256k1 key that signs receipts, claims and closes. Raises LocalError BAD_KEY_FILE."""
        path = self._folder / "operator.json"
        if (self._folder / "operator.key").exists():
            return self._key("operator", _new_secp256k1)
        try:
            if not path.exists() and (passphrase := passphrases.found(path) or passphrases.made(path)):
                self._write(path, encrypt_keystore(_new_secp256k1(), passphrase))
            if path.exists():
                return _unlocked(path)
        except OSError as error:
            raise LocalError(Code.BAD_KEY_FILE, path=str(path), reason=error.strerror) from None
        return self._key("operator", _new_secp256k1)

    def protect(self) -> Path:
        """Encrypts an operator's key that lies in the clear. Returns its new file. Raises LocalError BAD_KEY_FILE where
        no passphrase is at hand.
        """
        plain, path = self._folder / "operator.key", self._folder / "operator.json"
        if not plain.exists() and path.exists():
            return path
        secret, passphrase = self.operator(), passphrases.found(path) or passphrases.made(path)
        if passphrase is None:
            raise LocalError(Code.BAD_KEY_FILE, path=str(plain), reason=passphrases.NONE)
        if not path.exists():
            self._write(path, encrypt_keystore(secret.reveal(), passphrase))
        if _unlocked(path).reveal() != secret.reveal():
            raise LocalError(Code.BAD_KEY_FILE, path=str(path), reason="it holds another key: move one of the two away")
        plain.unlink(missing_ok=True)
        return path

    def node(self) -> Secret:
        """The X25519 key that stands in the profile. Raises LocalError BAD_KEY_FILE."""
        return self._key("node", lambda: os.urandom(32))

    def session(self, name: str) -> Secret:
        """The secp256k1 key that signs one channel's vouchers; `name` is lower-case letters, digits and dashes.

        Raises LocalError BAD_KEY_FILE, and ValueError for another kind of name.
        """
        if not _SESSION_NAME.fullmatch(name):
            raise ValueError("a session's name is lower-case letters, digits and dashes")
        return self._key(f"session-{name}", _new_secp256k1)

    def _key(self, name: str, make: Callable[[], bytes]) -> Secret:
        path = self._folder / f"{name}.key"
        try:
            if not path.exists():
                self._write(path, make().hex())
            if _POSIX and stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise LocalError(Code.BAD_KEY_FILE, path=str(path), reason="others may read it: chmod 600")
            return _parse_hex(path, _read(path))
        except OSError as error:
            raise LocalError(Code.BAD_KEY_FILE, path=str(path), reason=error.strerror) from None

    def _write(self, path: Path, text: str) -> None:
        """All or nothing, and never over a key that is there already."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(text.encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(temporary, path)
        finally:
            temporary.unlink()


@lru_cache(maxsize=8)
def _decrypted(text: str, passphrase: str) -> Secret:
    """Once a process: deriving takes long on purpose."""
    return Secret(decrypt_keystore(text, passphrase))


def _unlocked(path: Path) -> Secret:
    passphrase = passphrases.found(path)
    if passphrase is None:
        raise LocalError(Code.BAD_KEY_FILE, path=str(path), reason=passphrases.NONE)
    try:
        return _on_curve(path, _decrypted(_read(path), passphrase))
    except KeystoreError as error:
        raise LocalError(Code.BAD_KEY_FILE, path=str(path), reason=str(error)) from None


def read_key_file(path: Path, passphrase: Passphrase | None = None) -> Secret:
    """A person's secp256k1 key: 64 hex digits, or an Ethereum keystore (version 3), for which `passphrase` is asked
    once.

    Raises LocalError BAD_KEY_FILE with a reason that quotes nothing of the file.
    """
    try:
        data = _read(path)
    except OSError as error:
        raise LocalError(Code.BAD_KEY_FILE, path=str(path), reason=error.strerror) from None
    if not data.startswith("{"):
        return _on_curve(path, _parse_hex(path, data))
    if passphrase is None:
        raise LocalError(Code.BAD_KEY_FILE, path=str(path), reason="it needs a passphrase")
    try:
        return _on_curve(path, Secret(decrypt_keystore(data, passphrase())))
    except KeystoreError as error:
        raise LocalError(Code.BAD_KEY_FILE, path=str(path), reason=str(error)) from None


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_LARGEST_FILE).decode(errors="replace").strip()


def _parse_hex(path: Path, text: str) -> Secret:
    match = _HEX_KEY.fullmatch(text)
    if match is None:
        raise LocalError(Code.BAD_KEY_FILE, path=str(path), reason="it does not hold one key of 64 hex digits")
    return Secret(bytes.fromhex(match[1]))


def _on_curve(path: Path, secret: Secret) -> Secret:
    try:
        PrivateKey(secret.reveal())
    except ValueError:
        raise LocalError(Code.BAD_KEY_FILE, path=str(path), reason="the number is not a private key") from None
    return secret


def _new_secp256k1() -> bytes:
    return PrivateKey().secret
