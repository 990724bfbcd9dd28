"""The documents are what the code gives, and what they name is there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as xml

import pytest

from contracts.docs import DOCS
from contracts.machine import ROOT
from tallystick_shared.errors import WIRE_CODES_END, Code
from tallystick_shared.limits import LIMITS
from tallystick_shared.messages import BODIES, decode
from tallystick_shared.records import Type
from tests.conftest import is_full
from tests.documents import errors, limits, session, states, threats, wire
from tests.documents.pages import PAGES
from tests.documents.threat_rows import THREATS
from tests.fuzz.hearing import CRYPTO
from tests.shared.pair import Pair


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_pages_are_fresh(path) -> None:
    assert path.read_text(encoding="utf-8") == PAGES[path](), "run: ./run docs"


def test_the_session_is_the_same_each_time() -> None:
    first = session.as_json()
    session.recorded.cache_clear()
    assert session.as_json() == first


def test_the_session_can_be_replayed_from_what_is_written() -> None:
    """A client with these keys hears the provider's frames and understands them all."""
    held = json.loads((DOCS / "reference" / "session.json").read_text(encoding="utf-8"))
    pair = Pair(session.Fixed(), session_key=bytes.fromhex(held["session_key"]))
    mine = [bytes.fromhex(each["frame"]) for each in held["frames"] if each["from"] == "client"]
    theirs = [bytes.fromhex(each["frame"]) for each in held["frames"] if each["from"] == "provider"]
    pair.client.start()
    assert pair.client.outgoing() == mine[:1]
    # the provider draws its key from the same seat, so it speaks once before its recorded words are heard
    pair.provider.receive(mine[0], 0.0)
    assert pair.provider.outgoing() == theirs[:1]
    pair.client.receive(theirs[0], 0.0)
    assert pair.client.handshake_hash.hex() == held["handshake_hash"]
    opened = [pair.client._receiving.decrypt_with_ad(b"", frame[1:]) for frame in theirs[1:]]
    written = [each for each in held["frames"] if each["from"] == "provider"][1:]
    assert [data.rstrip(b"\0").hex() for data in opened] == [each["plaintext"] for each in written]
    assert [len(data) for data in opened] == [each["size"] for each in written]


def test_pieces_are_the_body() -> None:
    recorder, _ = session.recorded()
    kinds = set()
    for heard in recorder.heard:
        if heard.plaintext and (body := BODIES.get(Type(heard.record.type))) is not None:
            kinds.add(body)
            parts = session.pieces(decode(body, heard.record.body))
            assert b"".join(data for _, data, _ in parts) == heard.record.body
    assert len(kinds) >= 10


def test_every_code_type_and_limit_is_told() -> None:
    told = errors.page()
    assert all(f"| {code.value} | `{code.name}` |" in told for code in Code)
    assert str(WIRE_CODES_END) in told
    assert all(f"### {kind.value} {kind.name}\n" in wire.page() for kind in Type)
    assert all(limit.what in limits.page() for limit in LIMITS)


def test_every_row_of_a_table_is_in_its_picture() -> None:
    for picture in states.PICTURES:
        edges = {(edge.source, edge.target) for edge in picture.edges()}
        for (state, kind), after in picture.table.items():
            row = next(row for row in picture.rows() if row[0] == f"`{state.name}`" and kind.name in row[1].split(", "))
            assert row[2] == ("stays" if after is state else f"`{after.name}`")
            assert after is state or (state.name, after.name) in edges


def test_pictures_are_drawn_whole() -> None:
    for picture in states.PICTURES:
        drawn = xml.fromstring(picture.drawn())
        width, height = float(drawn.get("width", 0)), float(drawn.get("height", 0))
        texts = [each for each in drawn.iter() if each.tag.endswith("text")]
        assert {each.text for each in texts} >= {edge.source for edge in picture.edges()}
        for each in drawn.iter():
            x, y = float(each.get("x", 1)), float(each.get("y", 1))
            assert 0 <= x <= width and 0 <= y <= height
        assert "prefers-color-scheme: dark" in picture.drawn()


def test_links_inside_the_pages_lead_somewhere() -> None:
    """Anchors of the wire format: every type of the overview has its heading."""
    page = wire.page()
    headings = {
        re.sub(r"[^\w\- ]", "", line[4:]).lower().replace(" ", "-") for line in page.splitlines() if line[:4] == "### "
    }
    anchors = re.findall(r"\]\(#([\w-]+)\)", page)
    assert anchors and set(anchors) <= headings


def test_no_threat_is_without_a_test() -> None:
    assert len(THREATS) == 11
    for threat in THREATS:
        assert threat.tests and all(names for _, names in threat.tests), threat.attacker


def test_tests_that_threats_name_are_run(request: pytest.FixtureRequest) -> None:
    """Of the files that this run collected each named test is among its tests, or is one of the long forms."""
    collected: dict[str, set[str]] = {}
    modules = {}
    for item in request.session.items:
        file = item.path.relative_to(ROOT / "tests").as_posix()
        collected.setdefault(file, set()).update(item.nodeid.split("[")[0].split("::")[1:2])
        modules[file] = item.getparent(pytest.Module).obj
    for name in threats.lines():
        file, test = name.split("::")
        if file in collected and test not in collected[file]:
            marks = getattr(getattr(modules[file], test), "pytestmark", [])
            assert not is_full() and any(mark.name == "full" for mark in marks), name


@pytest.mark.full
def test_tests_that_threats_name_are_collected() -> None:
    """The same by pytest itself, whatever this run takes."""
    named = threats.lines()
    files = sorted({f"tests/{name.split('::')[0]}" for name in named})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "--full", "-p", "no:cacheprovider", *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    collected = {re.sub(r"\[.*", "", line) for line in done.stdout.splitlines() if "::" in line}
    collected |= {line.rsplit("::", 1)[0] for line in collected}
    assert {f"tests/{name}" for name in named} <= collected, done.stdout[-2000:]


def test_crypto_is_real() -> None:
    """The one thing that is not drawn anew is the KEM's ciphertext, and what is in it is decapsulated."""
    seat = session.Fixed()
    private, public = seat.kem_keypair()
    ciphertext, secret = seat.kem_encapsulate(public)
    assert CRYPTO.kem_decapsulate(private, ciphertext) == secret
