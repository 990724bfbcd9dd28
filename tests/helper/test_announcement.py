"""What was announced, kept and read back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallystick_helper.announcement import Announcement, file_name
from tallystick_helper.crypto import NativeCrypto
from tallystick_shared.chains import Deployment
from tallystick_shared.errors import Code, LocalError, PeerError

ANNOUNCED = Announcement(b"\1" * 20, Deployment(5, b"\2" * 20, b"\3" * 20, 7), b"blob")


def test_it_comes_back(tmp_path: Path) -> None:
    assert Announcement.load(tmp_path / "new") is None
    ANNOUNCED.save(tmp_path / "new")
    assert Announcement.load(tmp_path / "new") == ANNOUNCED
    assert [path.name for path in (tmp_path / "new").iterdir()] == [file_name()]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"provider": 1}'])
def test_a_broken_file_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / file_name()).write_text(text)
    with pytest.raises(LocalError) as caught:
        Announcement.load(tmp_path)
    assert caught.value.code is Code.STORE_UNREADABLE


def test_its_profile_is_checked_like_a_strangers() -> None:
    with pytest.raises(PeerError) as caught:
        ANNOUNCED.profile(NativeCrypto())
    assert caught.value.code is Code.BAD_PROFILE
