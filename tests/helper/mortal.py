"""A node in a process of its own that can be killed and started again at once: forked from a server that has imported
everything already.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from tallystick_helper.ledger import ChannelRow, Ledger
from tallystick_helper.settings import Settings
from tallystick_helper.up import Up
from tallystick_shared.crypto import Crypto
from tallystick_shared.deposit import Deposit

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.helper.mortal"])


def live(values: dict[str, Any], said: Connection) -> None:
    """The process: serves until it is killed. Says where it listens once it serves."""
    asyncio.run(_live(Settings.model_validate(values), said))


async def _live(settings: Settings, said: Connection) -> None:
    up = Up(settings)
    await up.start()
    await up.serving.wait()
    said.send(up.urls())
    await asyncio.Event().wait()


class Mortal:
    """`settings` must name fixed ports."""

    def __init__(self, settings: Settings, crypto: Crypto) -> None:
        self.settings, self._crypto = settings, crypto
        self._process: BaseProcess | None = None

    async def start(self) -> None:
        """Returns once it serves."""
        heard, said = FORKS.Pipe(duplex=False)
        self._process = FORKS.Process(target=live, args=(self.settings.model_dump(exclude_unset=True), said))
        self._process.start()
        said.close()
        assert await asyncio.to_thread(heard.poll, 120), "it did not start"
        assert heard.recv()["provider"] is not None
        heard.close()

    async def kill(self) -> None:
        """At once, without a word."""
        process, self._process = self._process, None
        if process is not None and process.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            await asyncio.to_thread(process.join)
            process.close()

    async def row(self, deposit: Deposit) -> ChannelRow | None:
        """What its disk knows of a deposit, while it is dead."""
        (path,) = self.settings.data_dir.glob("ledger-*.sqlite")
        ledger = Ledger(path)
        try:
            return await ledger.channel(deposit.channel_id(self._crypto))
        finally:
            ledger.close()
