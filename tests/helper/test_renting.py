"""Paused, closed by the hour, denied: new requests are refused, and nothing else is."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tallystick_helper.renting import FILE, Renting
from tallystick_helper.settings import RentingSettings, Settings, load
from tallystick_shared.errors import Code, LocalError, PeerError

SOMEBODY = b"\x05" * 20
TEN = int(datetime(2026, 11, 24, 10, tzinfo=UTC).timestamp())  # a Tuesday


class Clock:
    now = float(TEN)

    def __call__(self) -> float:
        return self.now


def refusal(renting: Renting, payer: bytes = SOMEBODY) -> Code | None:
    try:
        renting.check(payer)
    except PeerError as error:
        return error.code
    return None


def test_a_pause_outlives_a_restart_and_ends_by_itself(tmp_path: Path) -> None:
    clock = Clock()
    renting = Renting(tmp_path, RentingSettings(), clock)
    assert refusal(renting) is None
    renting.pause()
    assert refusal(Renting(tmp_path, RentingSettings(), clock)) is Code.RESTING
    renting.resume()
    assert refusal(Renting(tmp_path, RentingSettings(), clock)) is None
    renting.pause(60)
    clock.now += 59
    assert refusal(renting) is Code.RESTING
    clock.now += 1
    assert refusal(renting) is None


def test_hours_in_their_own_zone(tmp_path: Path) -> None:
    settings = RentingSettings(hours=["tue 11:00-12:00"], timezone="Europe/Berlin")
    clock = Clock()
    renting = Renting(tmp_path, settings, clock)
    assert renting.resting == ""  # it is eleven in Berlin
    clock.now += 3600
    assert renting.resting == "hours"


def test_denied_by_settings_and_by_word(tmp_path: Path) -> None:
    settings = RentingSettings(deny=["0x" + (b"\x06" * 20).hex()])
    renting = Renting(tmp_path, settings)
    renting.deny(SOMEBODY)
    again = Renting(tmp_path, settings)
    assert {refusal(again, bytes([n]) * 20) for n in (5, 6)} == {Code.DENIED}
    assert refusal(again, b"\x07" * 20) is None
    again.allow(SOMEBODY)
    assert refusal(Renting(tmp_path, settings)) is None
    with pytest.raises(LocalError) as caught:
        again.allow(b"\x06" * 20)
    assert caught.value.code is Code.BAD_SETTINGS


@pytest.mark.parametrize(
    "torn", [b"", b"{", b"[]", b"\0" * 40, b"\xff", b'{"paused":false,"until":null,"deny":["0xx"]}']
)
def test_a_damaged_file_is_not_taken_for_an_open_door(tmp_path: Path, torn: bytes) -> None:
    """Nor does it keep the node from starting: it is put aside, and a person decides."""
    (tmp_path / FILE).write_bytes(torn)
    for _ in range(2):
        renting = Renting(tmp_path, RentingSettings())
        assert refusal(renting) is Code.RESTING and renting.until is None
    assert (tmp_path / f"{FILE}.damaged").read_bytes() == torn
    renting.resume()
    assert refusal(Renting(tmp_path, RentingSettings())) is None


def test_only_its_owner_reads_whom_it_denies(tmp_path: Path) -> None:
    Renting(tmp_path, RentingSettings()).deny(SOMEBODY)
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


def test_one_that_cannot_be_had_stays(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(LocalError) as caught:
        Renting(tmp_path, RentingSettings())
    assert caught.value.code is Code.STORE_UNREADABLE


@pytest.mark.parametrize(("name", "value"), [("hours", ["someday"]), ("timezone", "Middle/Earth"), ("deny", ["0x12"])])
def test_wrong_settings_are_named(name: str, value: object) -> None:
    with pytest.raises(LocalError) as caught:
        load(flags={"data_dir": "/nowhere", "renting": {name: value}})
    assert any(name in key for key in caught.value.values)
    assert Settings().renting.hours == []
