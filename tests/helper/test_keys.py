"""Keys: made once, kept from others' eyes, never shown."""

from __future__ import annotations

import json
import pickle
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from tallystick_helper.keys import KeyStore, Secret, read_key_file
from tallystick_shared.errors import Code, TallystickError

KEY = bytes(range(1, 33))
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def test_keys_are_made_once(tmp_path: Path) -> None:
    keys = [KeyStore(tmp_path) for _ in range(2)]
    assert keys[0].operator().reveal() == keys[1].operator().reveal()
    assert keys[0].session("a").reveal() == keys[1].session("a").reveal()
    different = {keys[0].operator(), keys[0].node(), keys[0].session("a"), keys[0].session("b")}
    assert len({key.reveal() for key in different}) == 4


def test_only_the_owner_can_read_them(tmp_path: Path) -> None:
    KeyStore(tmp_path).node()
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").iterdir()] == [0o600]


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    KeyStore(tmp_path).node()
    (tmp_path / "keys" / "node.key").chmod(0o640)
    assert_refused(lambda: KeyStore(tmp_path).node(), "chmod 600")


def test_a_damaged_key_is_refused_and_not_replaced(tmp_path: Path) -> None:
    KeyStore(tmp_path).node()
    path = tmp_path / "keys" / "node.key"
    path.write_text("1234")
    assert_refused(lambda: KeyStore(tmp_path).node(), "64 hex digits")
    assert path.read_text() == "1234"


def test_all_that_ask_at_once_get_the_same_key(tmp_path: Path) -> None:
    start = threading.Barrier(8)

    def ask() -> bytes:
        start.wait()
        return KeyStore(tmp_path).operator().reveal()

    with ThreadPoolExecutor(8) as threads:
        answers = [threads.submit(ask) for _ in range(8)]
    assert len({answer.result() for answer in answers}) == 1
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["operator.key"]


@pytest.mark.parametrize("name", ["", "../node", "A", "a b", "x" * 65])
def test_names_of_sessions(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="session's name"):
        KeyStore(tmp_path).session(name)


def test_a_secret_shows_nothing() -> None:
    secret = Secret(KEY)
    for shown in (repr(secret), str(secret), f"{secret}", f"{[secret]}"):
        assert KEY.hex() not in shown
        assert repr(KEY) not in shown
    with pytest.raises(TypeError):
        pickle.dumps(secret)


@pytest.mark.parametrize("text", [KEY.hex(), "0x" + KEY.hex(), KEY.hex().upper() + "\n", f"  {KEY.hex()}\r\n"])
def test_a_persons_key_in_hex(tmp_path: Path, text: str) -> None:
    assert read_key_file(written(tmp_path, text)).reveal() == KEY


@pytest.mark.parametrize("text", ["", "0x12", "z" * 64, KEY.hex() * 2, "00" * 32, f"{ORDER:064x}", "\x00\xff" * 40])
def test_what_is_no_key(tmp_path: Path, text: str) -> None:
    assert_refused(lambda: read_key_file(written(tmp_path, text)))


def test_no_file(tmp_path: Path) -> None:
    assert_refused(lambda: read_key_file(tmp_path / "none"))
    assert_refused(lambda: read_key_file(tmp_path))


@pytest.mark.parametrize(("kdf", "iterations"), [("scrypt", 1024), ("pbkdf2", 1000)])
def test_keystores_that_wallets_write(tmp_path: Path, kdf: Any, iterations: int) -> None:
    path = written(tmp_path, json.dumps(Account.encrypt(KEY, "correct horse", kdf=kdf, iterations=iterations)))
    assert read_key_file(path, lambda: "correct horse").reveal() == KEY
    assert_refused(lambda: read_key_file(path, lambda: "wrong"), "passphrase is wrong")
    assert_refused(lambda: read_key_file(path), "needs a passphrase")


VECTOR = {
    "crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "6087dab2f9fdbbfaddc31a909735c1e6"},
        "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
        "kdf": "pbkdf2",
        "kdfparams": {
            "c": 262144,
            "dklen": 32,
            "prf": "hmac-sha256",
            "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd",
        },
        "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2",
    },
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    "version": 3,
}
"""The PBKDF2 example of the Web3 Secret Storage Definition; its passphrase is `testpassword`."""


def test_the_published_vector(tmp_path: Path) -> None:
    path = written(tmp_path, json.dumps(VECTOR | {"Crypto": VECTOR["crypto"], "crypto": None}))
    key = read_key_file(path, lambda: "testpassword")
    assert key.reveal().hex() == "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d"


def _changed(**change: object) -> dict[str, object]:
    return VECTOR | {"crypto": VECTOR["crypto"] | change}  # type: ignore[operator]


@pytest.mark.parametrize(
    "store",
    [
        {},
        VECTOR | {"version": 1},
        _changed(cipher="none"),
        _changed(ciphertext="zz"),
        _changed(mac=""),
        _changed(kdfparams={"c": 10**12, "dklen": 32, "prf": "hmac-sha256", "salt": ""}),
        _changed(kdf="scrypt", kdfparams={"n": 2**40, "r": 8, "p": 1, "dklen": 32, "salt": ""}),
        _changed(kdf="scrypt", kdfparams={"n": 3, "r": 8, "p": 1, "dklen": 32, "salt": ""}),
        _changed(kdf="scrypt", kdfparams={"n": 1024, "r": 0, "p": -1, "dklen": 32, "salt": ""}),
    ],
)
def test_keystores_that_are_none(tmp_path: Path, store: dict[str, object]) -> None:
    assert_refused(lambda: read_key_file(written(tmp_path, json.dumps(store)), lambda: "testpassword"))


def test_half_a_keystore(tmp_path: Path) -> None:
    assert_refused(lambda: read_key_file(written(tmp_path, json.dumps(VECTOR)[:100]), lambda: "x"))


def written(folder: Path, text: str) -> Path:
    path = folder / "key"
    path.write_bytes(text.encode("latin-1"))
    return path


def assert_refused(call: Any, reason: str = "") -> None:
    with pytest.raises(TallystickError) as caught:
        call()
    assert caught.value.code is Code.BAD_KEY_FILE
    assert reason in str(caught.value)
    assert KEY.hex() not in str(caught.value).lower()
