"""Which addresses count as one stranger, and which as neighbours."""

from __future__ import annotations

from tallystick_helper.node.addresses import groups_of


def test_groups() -> None:
    assert groups_of("192.0.2.7") == ("192.0.2.7/32", "192.0.2.0/24")
    assert groups_of("2001:db8:1:2:3::4") == ("2001:db8:1:2::/64", "2001:db8:1::/48")
    assert groups_of("::ffff:192.0.2.7") == groups_of("192.0.2.7")
    assert groups_of("") == ("", "/")
