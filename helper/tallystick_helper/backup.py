"""Backup and restore: keys, ledgers, settings and deposits of a data directory as one encrypted file.

The file is a magic word, the parameters of scrypt, a salt and a nonce, and then XChaCha20-Poly1305 over the rest: a
MessagePack of names and contents, deflated. Ledgers are taken as they are at one moment, by the running node where
there is one, because only it may open them.

A restore never loses anything: it holds the data's lock, so that no node runs meanwhile; it refuses where the ledger
that lies there knows more than the backup's, and where a key would be replaced by another. What SQLite calls damaged is
moved aside with its WAL; a ledger that cannot be read for any other reason stays, and so does all else.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import msgspec
import nacl.bindings
from nacl.exceptions import CryptoError

from tallystick_shared.errors import Code, LocalError

from .data_lock import DataLock
from .held_ledger import check_ledger, opened, put_aside, settle
from .keys import KeyStore
from .ledger_file import write_private
from .running import FILE as NODE_FILE
from .running import RunningNode

MAGIC = b"TALLYBK1"
HEAD = struct.Struct(">8sBBB16s24s")
COST, BLOCK, LANES = 16, 8, 1
"""Of scrypt: 2^16 × 8 × 128 B, 64 MiB."""
LEAST_PASSPHRASE = 10
MOST_BYTES = 4 << 30
LEFT_OUT = frozenset({NODE_FILE, "model-sums.json"})
FOLDERS = frozenset({"models", "facts"})
"""What can be had again, or is another process's."""


class Contents(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`made` is in Unix seconds; `files` by their names below the data directory."""

    version: int
    made: int
    files: dict[str, bytes]


@dataclass(frozen=True)
class Restored:
    """What was put back; `ledgers` are those among `files`, `damaged` those of them that were put aside."""

    made: int
    files: list[str]
    ledgers: list[str]
    damaged: list[str]


async def collect(data_dir: Path, now: int) -> Contents:
    """Everything that a restore needs. Raises LocalError STORE_UNREADABLE, NO_NODE."""
    try:
        taken = await _taken(data_dir)
        return Contents(1, now, {**_opened(data_dir, _plain(data_dir)), **_closed(data_dir, taken), **taken})
    except OSError as error:
        raise LocalError(Code.STORE_UNREADABLE, path=str(error.filename), reason=error.strerror) from None


def _plain(data_dir: Path) -> dict[str, bytes]:
    every = [path for path in sorted(data_dir.rglob("*")) if path.is_file() and not path.is_symlink()]
    names = {path.relative_to(data_dir): path for path in every}
    return {name.as_posix(): path.read_bytes() for name, path in names.items() if _belongs(name)}


def _belongs(name: Path) -> bool:
    hidden = any(part.startswith(".") for part in name.parts)
    kept = name.suffix not in (".sqlite", ".sqlite-wal", ".sqlite-shm", ".tmp") and name.name not in LEFT_OUT
    return kept and not hidden and name.parts[0] not in FOLDERS


def _opened(data_dir: Path, files: dict[str, bytes]) -> dict[str, bytes]:
    """With the operator's key itself: what opens its own file may be in a keyring that is gone with this machine."""
    if files.pop("keys/operator.json", None) is not None:
        files["keys/operator.key"] = KeyStore(data_dir).operator().reveal().hex().encode() + b"\n"
    return files


async def _taken(data_dir: Path) -> dict[str, bytes]:
    """The ledgers that the running node has open, as it took them at one moment."""
    node = RunningNode.find(data_dir)
    copies = (await node.command("/snapshot"))["ledgers"] if node is not None else {}
    return {name: _taken_away(data_dir / copy) for name, copy in copies.items()}


def _taken_away(copy: Path) -> bytes:
    try:
        return copy.read_bytes()
    finally:
        copy.unlink(missing_ok=True)


def _closed(data_dir: Path, taken: dict[str, bytes]) -> dict[str, bytes]:
    """The ledgers that nobody has open."""
    every = sorted(data_dir.glob("ledger-*.sqlite"))
    return {path.name: _serialized(path) for path in every if path.name not in taken}


def _serialized(path: Path) -> bytes:
    with opened(path) as db:
        return db.serialize()


def seal(contents: Contents, passphrase: str) -> bytes:
    """The file's bytes. Raises LocalError BAD_SETTINGS where the passphrase is too short."""
    if len(passphrase) < LEAST_PASSPHRASE:
        reason = f"a passphrase of at least {LEAST_PASSPHRASE} characters is needed: it protects the keys"
        raise LocalError(Code.BAD_SETTINGS, setting="passphrase", reason=reason)
    salt, nonce = os.urandom(16), os.urandom(24)
    head = HEAD.pack(MAGIC, COST, BLOCK, LANES, salt, nonce)
    plain = zlib.compress(msgspec.msgpack.encode(contents))
    key = _key(passphrase, salt, COST, BLOCK, LANES)
    return head + nacl.bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(plain, head, nonce, key)


def unseal(data: bytes, passphrase: str) -> Contents:
    """Raises LocalError BAD_BACKUP."""
    try:
        magic, cost, block, lanes, salt, nonce = HEAD.unpack_from(data)
        if magic != MAGIC or not (10 <= cost <= 20 and 1 <= block <= 16 and lanes == 1):
            raise ValueError("it is no backup of this kind")
        key = _key(passphrase, salt, cost, block, lanes)
        head, sealed = data[: HEAD.size], data[HEAD.size :]
        plain = nacl.bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, head, nonce, key)
        inflater = zlib.decompressobj()
        raw = inflater.decompress(plain, MOST_BYTES)
        contents = msgspec.msgpack.decode(raw, type=Contents)
    except CryptoError:
        raise LocalError(Code.BAD_BACKUP, reason="the passphrase is wrong, or the file was changed") from None
    except (struct.error, ValueError, zlib.error, msgspec.MsgspecError) as error:
        raise LocalError(Code.BAD_BACKUP, reason=str(error)[:200]) from None
    if contents.version != 1 or not all(_safe(name) for name in contents.files):
        raise LocalError(Code.BAD_BACKUP, reason="its version or its names")
    return contents


def _key(passphrase: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    memory = 128 * block * ((1 << cost) + lanes + 2)
    wanted = passphrase.encode()
    return hashlib.scrypt(wanted, salt=salt, n=1 << cost, r=block, p=lanes, maxmem=memory, dklen=32)


def _safe(name: str) -> bool:
    parts = Path(name).parts
    return bool(parts) and not Path(name).is_absolute() and ".." not in parts and "\0" not in name


def restore(contents: Contents, data_dir: Path) -> Restored:
    """Puts back what is missing, and each ledger where the backup's knows at least as much as the one there; one that
    is damaged is moved aside with its WAL. Other files that are there stay. Raises LocalError NODE_RUNS, WOULD_LOSE,
    BAD_BACKUP, STORE_UNREADABLE; but for the last, nothing was changed then.
    """
    with DataLock(data_dir):
        ledgers = [name for name in contents.files if name.startswith("ledger-") and name.endswith(".sqlite")]
        damaged = [name for name in contents.files if _check(data_dir / name, contents.files[name], name in ledgers)]
        files = [name for name in contents.files if name in ledgers or not _is_there(data_dir, name)]
        try:
            for name in ledgers:
                (put_aside if name in damaged else settle)(data_dir / name)
            for name in files:
                _put(data_dir / name, contents.files[name], private=data_dir)
        except OSError as error:
            raise LocalError(Code.STORE_UNREADABLE, path=str(error.filename), reason=error.strerror) from None
    return Restored(contents.made, files, ledgers, damaged)


def _is_there(data_dir: Path, name: str) -> bool:
    encrypted = data_dir / "keys" / "operator.json"
    return (data_dir / name).exists() or (name == "keys/operator.key" and encrypted.exists())


def _check(path: Path, data: bytes, ledger: bool) -> bool:
    """Is what is there a damaged ledger? Raises LocalError WOULD_LOSE, NODE_RUNS, STORE_UNREADABLE."""
    if ledger:
        return check_ledger(path, data)
    if path.name == "operator.key" and path.with_suffix(".json").exists():
        if KeyStore(path.parents[1]).operator().reveal().hex() != data.decode(errors="replace").strip():
            raise LocalError(Code.WOULD_LOSE, path=str(path), reason="it is another key")
    elif path.exists() and path.suffix == ".key" and path.read_bytes() != data:
        raise LocalError(Code.WOULD_LOSE, path=str(path), reason="it is another key")
    return False


def _put(path: Path, data: bytes, private: Path) -> None:
    """At once or not at all."""
    private.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    write_private(temporary, data)
    temporary.replace(path)
