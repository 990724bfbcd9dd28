"""The node that runs on a data directory: where it says so, and how a command speaks to it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tallystick_shared.errors import Code, LocalError

from .gateway.key import ApiKey

if TYPE_CHECKING:
    from .engines import Capabilities

FILE = "node.json"
KEY = "control"
"""The name of the key that opens `/node`."""
SECOND = "tallystick up --data-dir FOLDER --page 0 --listen 0 --admin 0"
"""What starts one more node on the same machine: with data and ports of its own."""


@contextmanager
def beside(data_dir: Path) -> Iterator[None]:
    """A start that fails by another node's data or ports also names that node, and the way to a second one."""
    try:
        yield
    except LocalError as error:
        if error.code is not Code.NODE_RUNS and "port" not in error.values:
            raise
        node = RunningNode.find(data_dir)
        told = {"running": f"process {node.pid}, at {node.origin}"} if node and node.pid != os.getpid() else {}
        raise LocalError(error.code, **error.values, **told, second=SECOND) from None


def note(data_dir: Path, origin: str) -> None:
    """A node begins: `origin` is that of its admin listener."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = data_dir / f".{FILE}.{os.getpid()}"
    temporary.write_text(json.dumps({"pid": os.getpid(), "origin": origin}) + "\n")
    temporary.replace(data_dir / FILE)


def forget(data_dir: Path) -> None:
    """It ends; a note of somebody else stays."""
    with suppress(OSError, ValueError, KeyError):
        if json.loads((data_dir / FILE).read_text())["pid"] == os.getpid():
            (data_dir / FILE).unlink()


@dataclass(frozen=True)
class RunningNode:
    """`origin` is that of its admin listener."""

    data_dir: Path
    origin: str
    pid: int = 0

    @classmethod
    def find(cls, data_dir: Path) -> RunningNode | None:
        """The one that runs on this data directory; None where none does."""
        try:
            noted = json.loads((data_dir / FILE).read_text())
            pid, origin = int(noted["pid"]), str(noted["origin"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        import psutil

        return cls(data_dir, origin, pid) if psutil.pid_exists(pid) else None

    @classmethod
    def need(cls, data_dir: Path) -> RunningNode:
        """Raises LocalError NO_NODE."""
        found = cls.find(data_dir)
        if found is None:
            raise LocalError(Code.NO_NODE, data_dir=str(data_dir))
        return found

    async def ask(self, path: str = "", **wish: Any) -> dict[str, Any]:
        """`path` below `/node`; a wish makes it a command. Raises LocalError as the node does, NO_NODE where it does
        not answer.
        """
        import httpx2

        headers = {"Authorization": f"Bearer {ApiKey(self.data_dir, KEY).text()}", "Origin": self.origin}
        timeout = httpx2.Timeout(10.0, read=None)
        try:
            async with httpx2.AsyncClient(trust_env=False, timeout=timeout, headers=headers) as client:
                where = f"{self.origin}/node{path}"
                answer = await (client.post(where, json=wish["body"]) if "body" in wish else client.get(where))
                found = answer.json()
        except (httpx2.HTTPError, ValueError) as error:
            raise LocalError(Code.NO_NODE, origin=self.origin, reason=type(error).__name__) from None
        if answer.status_code != 200:
            raise _fault(found)
        return dict(found)

    async def command(self, path: str, **body: Any) -> dict[str, Any]:
        """POST `/node/path` with what is not None of that body. Raises LocalError."""
        return await self.ask(path, body={name: value for name, value in body.items() if value is not None})

    async def models(self) -> tuple[Capabilities, ...]:
        """What its engine offers. Raises LocalError."""
        import msgspec

        from .engines import Capabilities

        return msgspec.convert((await self.ask("/models"))["models"], tuple[Capabilities, ...])


def _fault(told: dict[str, Any]) -> LocalError:
    values = {name: value for name, value in told.items() if name not in ("error", "code", "says", "next")}
    try:
        return LocalError(Code[str(told["error"])], **values)
    except KeyError:
        return LocalError(Code.NO_NODE, reason="its control key is another one")
