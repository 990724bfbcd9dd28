"""Reading what the page's server says of its chain."""

from __future__ import annotations

import json

import pytest

from tallystick_web.figures import Coin
from tallystick_web.site import read_site

GOOD = {"chain_id": 31337, "chain_name": "Testnet", "registry": "0x" + "01" * 20, "channels": "0x" + "02" * 20}


def read(**changes: object) -> object:
    return read_site(json.dumps(GOOD | changes))


def test_a_site() -> None:
    site = read_site(json.dumps({**GOOD, "rpc": ["http://a"], "block": 3, "demo": {"key": "0x01"}}))
    assert site is not None
    assert (site.chain_id, site.chain_name, site.rpc, site.block, site.demo) == (
        31337,
        "Testnet",
        ("http://a",),
        3,
        True,
    )
    assert (site.registry, site.channels, site.coin) == (b"\x01" * 20, b"\x02" * 20, Coin("ETH", 18))


def test_what_may_be_left_out() -> None:
    site = read_site(json.dumps({key: value for key, value in GOOD.items() if key != "chain_name"}))
    assert site is not None
    assert (site.chain_name, site.rpc, site.demo, site.explorer) == ("Chain 31337", (), False, "")


def test_another_coin() -> None:
    site = read_site(json.dumps({**GOOD, "currency": {"symbol": "xDAI", "decimals": 18}, "rpc": "http://a"}))
    assert site is not None
    assert (site.coin, site.rpc) == (Coin("xDAI", 18), ("http://a",))


def test_whom_to_ask_is_a_help_that_may_be_unreadable() -> None:
    site = read(known={"0x" + "03" * 20: "0x0102"})
    assert site.known == ((b"\x03" * 20, b"\x01\x02"),)  # type: ignore[attr-defined]
    for known in ([], {"0x03": "0x"}, {"0x" + "03" * 20: 5}, "x"):
        assert read(known=known).known == ()  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", "not json", '{"chain_id": "x"}'])
def test_what_cannot_be_read_is_no_site(text: str) -> None:
    assert read_site(text) is None


@pytest.mark.parametrize("change", [{"registry": "0x01"}, {"channels": "zz"}, {"chain_id": None}, {"registry": 5}])
def test_a_wrong_value_is_no_site(change: dict[str, object]) -> None:
    assert read(**change) is None


def test_the_console_is_a_bare_address_on_this_machine() -> None:
    assert read_console("http://127.0.0.1:8443/") == "http://127.0.0.1:8443/"
    assert read_console("http://[::1]:1/") == "http://[::1]:1/"
    for other in (
        None,
        1,
        "javascript:alert(1)",
        "http://example.org:1/",
        "http://127.0.0.1:1/#pair=x",
        "//127.0.0.1:1/",
    ):
        assert read_console(other) == "", other


def read_console(given: object) -> str:
    site = read_site(json.dumps(GOOD | {"console": given}))
    assert site is not None
    return site.console
