"""The cluster of `deploy/ray`, for real: two replicas of the embedded engine behind Ray Serve, a node before it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from tallystick_helper.engines import Engine
from tallystick_helper.engines.conformance import EngineConformance, ask
from tallystick_helper.engines.upstream import UpstreamEngine, UpstreamOptions
from tallystick_helper.engines.upstream.options import KEY_ENV
from tallystick_shared.errors import Code

from .paid import Outcome, Payer, slots_free
from .world import new_world, serving, until

pytestmark = [pytest.mark.full, pytest.mark.model, pytest.mark.timeout(900), pytest.mark.asyncio(loop_scope="module")]

UP = Path(__file__).resolve().parents[2] / "deploy" / "ray" / "up"
FOX = "The quick brown fox jumps over the lazy dog. "
KEY = "the-cluster's-own-key"
STREAMS = 6


@dataclass
class Cluster:
    """A cluster that runs."""

    url: str
    process: psutil.Process

    def replicas(self) -> list[psutil.Process]:
        """The processes that hold a model."""
        found = []
        for process in self.process.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if "ServeReplica" in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def options(self, **more: object) -> UpstreamOptions:
        return UpstreamOptions(url=self.url, slots=6, queue=2, **more)  # type: ignore[arg-type]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[Cluster]:
    """Started by the one command that the documents name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY_ENV, KEY)
        arguments = ["--port", str(free_port()), "--context", "2048", "--threads", "1", "--slots", "4"]
        process = await asyncio.create_subprocess_exec(
            str(UP), *arguments, stdout=asyncio.subprocess.PIPE, start_new_session=True
        )
        assert process.stdout is not None
        try:
            line = await asyncio.wait_for(process.stdout.readline(), 600)
            cluster = Cluster(json.loads(line)["url"], psutil.Process(process.pid))
            assert len(cluster.replicas()) == 2
            yield cluster
        finally:
            if process.returncode is None:
                process.terminate()
            await asyncio.wait_for(process.wait(), 60)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(cluster: Cluster) -> AsyncIterator[Engine]:
    engine = await UpstreamEngine.open(cluster.options())
    yield engine
    await engine.close()


class TestRayServe(EngineConformance):
    short = ask("Write a long poem about the sea.")
    long = ask(FOX * 150)
    overflow = ask(FOX * 300)

    @pytest.fixture(autouse=True)
    def at(self, cluster: Cluster) -> None:
        self.cluster = cluster

    async def open(self) -> Engine:
        return await UpstreamEngine.open(self.cluster.options())

    @pytest.fixture
    def engine(self, engine: Engine) -> Engine:
        """One for all: there is one cluster."""
        return engine


async def test_it_listens_on_the_loopback(cluster: Cluster) -> None:
    """All of it, but for one port of each replica, which asks for a token of this run."""
    elsewhere = []
    for process in [cluster.process, *cluster.process.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            for one in process.net_connections("inet"):
                if one.status == psutil.CONN_LISTEN and not one.laddr.ip.removeprefix("::ffff:").startswith("127."):
                    elsewhere.append(" ".join(process.cmdline()))
    assert len(elsewhere) <= 2
    assert all("ServeReplica" in name for name in elsewhere)


async def test_a_replica_is_killed_while_paid_streams_run(cluster: Cluster, tmp_path: Path) -> None:
    """No stream ends without a clear error, nothing beyond what was delivered is billed, and the next ones work."""
    options = {"url": cluster.url, "slots": STREAMS, "queue": 8, "extra": {"ignore_eos": True}}
    async with new_world(tmp_path) as world, serving(world, engine={"kind": "upstream", "options": options}) as node:
        payers = [await Payer.at(node) for _ in range(STREAMS)]
        outcomes = [Outcome() for _ in payers]
        streams = [
            asyncio.create_task(payer.ask(f"Write poem {at} about the sea.", 400, outcome=outcome))
            for at, (payer, outcome) in enumerate(zip(payers, outcomes, strict=True))
        ]
        await asyncio.gather(*(outcome.began.wait() for outcome in outcomes))
        victim, _ = cluster.replicas()
        victim.kill()
        await asyncio.gather(*streams)
        failed = [outcome for outcome in outcomes if outcome.error is not None]
        assert 1 <= len(failed) <= 4  # those on the other replica, and only those, go on to their end
        for outcome in failed:
            assert outcome.error is not None and outcome.error.code is Code.ENGINE_FAILED
            assert outcome.retryable and 0 < outcome.units < 400
        for outcome in outcomes:
            assert outcome in failed or (outcome.finish, outcome.units) == ("length", 400)
        for payer in payers:
            await payer.check_money()
        again = await asyncio.gather(*(payer.ask("And now the wind.", 12) for payer in payers))
        assert [outcome.finish for outcome in again] == ["length"] * STREAMS
        for payer in payers:
            await payer.check_money()
            await payer.conversation.leave()
        await slots_free(node)
    await until(lambda: len(cluster.replicas()) == 2, 120)
