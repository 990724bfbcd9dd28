"""Which addresses count as one stranger, which as neighbours, and which lead out of this network."""

from __future__ import annotations

import pytest

from tallystick_helper.node import addresses
from tallystick_helper.node.addresses import _is_own, groups_of, leads_out


def test_groups() -> None:
    assert groups_of("192.0.2.7") == ("192.0.2.7/32", "192.0.2.0/24")
    assert groups_of("2001:db8:1:2:3::4") == ("2001:db8:1:2::/64", "2001:db8:1::/48")
    assert groups_of("::ffff:192.0.2.7") == groups_of("192.0.2.7")
    assert groups_of("") == ("", "/")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("1.1.1.1", True),
        ("2606:4700:4700::1111", True),
        ("::ffff:1.1.1.1", True),
        ("64:ff9b::101:101", True),
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("::7f00:1", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("2001:0:7f00:1::", False),
        ("fe80::1%lo", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("nowhere", False),
    ],
)
def test_what_leads_out_of_this_network(address: str, expected: bool) -> None:
    assert leads_out(address) is expected


def test_what_is_this_machines_own_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _is_own("127.0.0.1") and not _is_own("1.1.1.1") and not _is_own("2606:4700:4700::1111")
    monkeypatch.setattr(addresses, "_is_own", lambda address: address == "1.1.1.1")
    assert not leads_out("1.1.1.1") and not leads_out("::ffff:1.1.1.1") and leads_out("1.0.0.1")
