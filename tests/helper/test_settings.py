"""Settings: which source wins, and what a wrong one says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallystick_helper.settings import NATIVE, OfferSettings, Settings, keep, load
from tallystick_shared.errors import Code, LocalError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text('[chain]\nrpc = ["http://a", "http://b"]\ninterval = 0.5\n[offer]\nprice_in = "12_000_000"\n')
    return path


def test_flags_win_over_environment_over_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLYSTICK_CHAIN__INTERVAL", "0.25")
    monkeypatch.setenv("TALLYSTICK_PAGE__PORT", "7000")
    settings = load(file, {"page": {"port": 7001, "host": None}, "chain": {"id": None}})
    assert settings.chain.rpc == ["http://a", "http://b"]
    assert settings.chain.interval == 0.25
    assert (settings.page.port, settings.page.host) == (7001, "127.0.0.1")
    assert settings.offer.price_in == 12_000_000


def test_the_file_in_the_data_directory_is_read(tmp_path: Path, file: Path) -> None:
    assert load(None, {"data_dir": tmp_path}).chain.interval == 0.5


def test_without_a_file_there_are_defaults(tmp_path: Path) -> None:
    settings = load(None, {"data_dir": tmp_path})
    assert settings.chain.rpc == []
    assert settings.offer.tokens == [NATIVE]


@pytest.mark.parametrize(
    "flags",
    [
        {"page": {"port": 70000}},
        {"chian": {"rpc": ["x"]}},
        {"chain": {"registry": "0x12"}},
        {"offer": {"price_in": -1}},
        {"offer": {"minimum_delay": 60}},
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, flags: dict[str, object]) -> None:
    with pytest.raises(LocalError) as caught:
        load(None, {"data_dir": tmp_path, **flags})
    assert caught.value.code is Code.BAD_SETTINGS
    assert next(iter(flags)) in next(iter(caught.value.values))


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({"listen": {"endpoint": "http://a"}}, "it begins with wss:// or ws://"),
        ({"offer": {"price_in": "a lot"}}, "it must be a whole number of smallest units"),
    ],
)
def test_a_wrong_setting_is_explained(tmp_path: Path, flags: dict[str, object], says: str) -> None:
    with pytest.raises(LocalError) as caught:
        load(None, {"data_dir": tmp_path, **flags})
    assert list(caught.value.values.values()) == [says]


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text("[chain\n")
    with pytest.raises(LocalError) as caught:
        load(path)
    assert caught.value.values["file"] == str(path)
    with pytest.raises(LocalError):
        load(tmp_path / "none.toml")


def test_the_window_is_two_seconds_of_output() -> None:
    assert OfferSettings(price_out=6_000_000, units_per_second=100).credit_window() == 1200
    assert OfferSettings(price_out=0).credit_window() == 1
    assert OfferSettings(window=5).credit_window() == 5


def test_secrets_are_not_in_the_defaults() -> None:
    assert Settings().demo_key is None


def test_a_further_chain_is_a_section_with_what_differs_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        '[chain]\nrpc = ["http://a"]\n[offer]\nprice_in = 7\nprice_out = 8\n'
        "[chains.base]\nid = 8453\n[chains.base.offer]\nprice_out = 9\n[chains.quiet]\nid = 5\n"
    )
    monkeypatch.setenv("TALLYSTICK_CHAINS__BASE__RPC", '["http://b", "http://c"]')
    settings = load(path, {"chains": {"base": {"interval": 0.5}}})
    base = settings.on("base")
    assert (base.chain.rpc, base.chain.id, base.chain.interval) == (["http://b", "http://c"], 8453, 0.5)
    assert (base.offer.price_in, base.offer.price_out) == (7, 9)
    assert settings.offer.price_out == 8
    # Without an RPC address there is nothing to work on; the first chain has no name.
    assert [one.place for one in settings.places()] == ["", "base"]
    assert settings.on("") is settings
    with pytest.raises(LocalError) as caught:
        settings.on("nowhere")
    assert caught.value.code is Code.BAD_SETTINGS


@pytest.mark.parametrize("chains", [{"Base": {"id": 1}}, {"../x": {"id": 1}}, {"": {"id": 1}}, {"base": {"price": 1}}])
def test_a_wrong_further_chain_is_named(tmp_path: Path, chains: dict[str, object]) -> None:
    with pytest.raises(LocalError) as caught:
        load(None, {"data_dir": tmp_path, "chains": chains})
    assert caught.value.code is Code.BAD_SETTINGS


def test_what_provide_was_told_counts_below_the_file(tmp_path: Path) -> None:
    told = {"chain": {"rpc": ["http://127.0.0.1:1"]}, "offer": {"price_in": 5, "price_out": 7}}
    keep(tmp_path, {"data_dir": tmp_path, **told})
    keep(tmp_path, {"offer": {"price_in": None, "price_out": 8}, "listen": {"endpoint": "wss://a/"}})
    settings = load(flags={"data_dir": tmp_path})
    assert (settings.offer.price_in, settings.offer.price_out, settings.listen.endpoint) == (5, 8, "wss://a/")
    (tmp_path / "config.toml").write_text("[offer]\nprice_in = 6\n")
    settings = load(flags={"data_dir": tmp_path, "offer": {"price_out": 9}})
    assert (settings.offer.price_in, settings.offer.price_out, settings.chain.rpc) == (6, 9, ["http://127.0.0.1:1"])
    (tmp_path / "kept.json").write_text("{")
    with pytest.raises(LocalError) as caught:
        load(flags={"data_dir": tmp_path})
    assert caught.value.code is Code.STORE_UNREADABLE
