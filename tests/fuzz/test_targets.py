"""targets.py: any bytes, and bytes near to real ones, raise nothing; in the long form atheris looks for more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import is_full
from tests.fuzz import script
from tests.fuzz.hearing import hear_client, hear_guest, hear_provider
from tests.fuzz.script import Kind, Step
from tests.fuzz.seeds import seeds, session, visit
from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).resolve().parent.parent.parent
CHEAP = ("hello", "record", "body", "chat")
RUNS = {name: 1_000_000 if name in CHEAP else 30_000 for name in TARGETS}
"""Executions of each target in the long form."""
EXAMPLES = 1000 if is_full() else 60


@st.composite
def near(draw: st.DrawFn, target: str) -> bytes:
    """A seed with some bytes changed, cut out, doubled or put in; or no seed at all."""
    data = bytearray(draw(st.sampled_from((b"", *seeds(target)))))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        size = draw(st.sampled_from((0, 1, 2, 5, 40)))
        put = draw(st.binary(max_size=8) | st.sampled_from((b"\xff" * 4, bytes(4), bytes(data[at : at + size]) * 2)))
        data[at : at + size] = put
    return bytes(data[: draw(st.sampled_from((len(data), 20_000, len(data) // 2)))])


@pytest.mark.parametrize("target", TARGETS)
def test_seeds(target: str) -> None:
    assert seeds(target)
    for seed in (b"", *seeds(target)):
        TARGETS[target](seed)


@pytest.mark.parametrize("target", TARGETS)
def test_near_bytes(target: str) -> None:
    @settings(max_examples=EXAMPLES * 4 if target in CHEAP else EXAMPLES)
    @given(near(target))
    def any_of_them(data: bytes) -> None:
        TARGETS[target](data)

    any_of_them()


def test_seeds_lead_deep() -> None:
    """A script of a real session is that session: AUTH and vouchers hold, answers and receipts too."""
    provider = hear_provider(seeds("provider")[0])
    assert {"AuthOffered", "InputComplete", "RequestReady", "VoucherReceived", "StreamDone", "CloseAsked"} <= provider
    assert "GuestAsked" in hear_provider(seeds("provider")[1])
    assert {"Ready", "Accepted", "Output", "VoucherDue", "VoucherDurable", "Finished"} <= hear_client(
        seeds("client")[0]
    )
    assert {"AuthOffered", "RequestReady", "StreamDone"} <= hear_provider(seeds("provider")[2])
    assert hear_guest(seeds("guest")[0]) == {"answer", "Closed"}


def test_a_script_is_read_as_it_was_written() -> None:
    for recorder in (session(), visit()):
        records = [heard.record for heard in recorder.heard if heard.plaintext]
        written = [Step(Kind.RECORD, record) for record in records]
        written += [Step(Kind.FRAME, frame=b"frame"), Step(Kind.TIME, value=7), Step(Kind.MOVE, value=2)]
        assert list(script.steps(script.encode(written))) == written


@given(st.binary(max_size=300))
def test_any_bytes_are_a_script(data: bytes) -> None:
    assert sum(1 for _ in script.steps(data)) <= len(data)


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("target", TARGETS)
def test_atheris(target: str, tmp_path: Path) -> None:
    """The stated number of executions, with 512 MB of memory in all; the machine's own kind of fuzzer."""
    pytest.importorskip("atheris", reason="atheris is not on this machine: hypothesis alone drives the targets")
    command = [sys.executable, "-m", "tests.fuzz", target, "--runs", str(RUNS[target]), "--corpus", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-4000:]
    assert f"stat::number_of_executed_units: {RUNS[target]}" in said
