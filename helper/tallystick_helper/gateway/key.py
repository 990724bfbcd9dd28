"""The keys that open the admin listener's `/v1` and `/metrics`: made on first use, each in a file of mode 0600."""

from __future__ import annotations

import hmac
import os
import re
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from tallystick_shared.errors import Code, LocalError

PREFIX = "tsk-"
_SHAPE = re.compile(r"tsk-[A-Za-z0-9_-]{43}")
_POSIX = os.name == "posix"


class ApiKey:
    """256 random bits as text, below the data directory. No log, error or traceback shows it: only `text` does."""

    def __init__(self, data_dir: Path, name: str = "api") -> None:
        """`name` is `api` for `/v1`, `metrics` for `/metrics`: who reads figures cannot spend."""
        self.path = data_dir / "keys" / f"{name}.token"

    def text(self) -> str:
        """The key; made where there is none yet. Two processes that ask at once get the same. Raises LocalError
        BAD_KEY_FILE.
        """
        try:
            if not self.path.exists():
                self._make()
            if _POSIX and stat.S_IMODE(self.path.stat().st_mode) & 0o077:
                raise LocalError(Code.BAD_KEY_FILE, path=str(self.path), reason="others may read it: chmod 600")
            found = self.path.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise LocalError(Code.BAD_KEY_FILE, path=str(self.path), reason=type(error).__name__) from None
        if not _SHAPE.fullmatch(found):
            raise LocalError(Code.BAD_KEY_FILE, path=str(self.path), reason="it does not hold a key: delete it")
        return found

    def replace(self) -> str:
        """A new key in place of the old one, which opens nothing any more once the node has read it."""
        self.path.unlink(missing_ok=True)
        return self.text()

    def _make(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.{os.urandom(4).hex()}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(PREFIX + secrets.token_urlsafe(32) + "\n")
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(temporary, self.path)
        finally:
            temporary.unlink()

    def opens(self, authorization: str | None) -> bool:
        """Does an `Authorization` header carry it? Compared in constant time. Raises LocalError BAD_KEY_FILE."""
        scheme, _, given = (authorization or "").partition(" ")
        expected = self.text()
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), expected.encode())
