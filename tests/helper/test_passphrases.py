"""The operator's key in an encrypted file: by a passphrase that is handed in, or one that the OS keyring keeps."""

from __future__ import annotations

import json
from pathlib import Path

import keyring
import keyring.backend
import pytest

from tallystick_helper import backup, passphrases
from tallystick_helper.keys import KeyStore
from tallystick_helper.keystore import KeystoreError, decrypt_keystore, encrypt_keystore
from tallystick_shared.errors import Code, LocalError


class Kept(keyring.backend.KeyringBackend):
    """A keyring in memory."""

    priority = 1  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password


@pytest.fixture
def handed_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "passphrase"
    file.write_text("correct horse\n")
    file.chmod(0o600)
    monkeypatch.setenv(passphrases.FILE, str(file))
    return file


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "keys").iterdir())


def test_a_keystore_is_what_wallets_read() -> None:
    eth_account = pytest.importorskip("eth_account")
    text = encrypt_keystore(b"\x11" * 32, "open")
    assert decrypt_keystore(text, "open") == b"\x11" * 32
    assert bytes(eth_account.Account.decrypt(json.loads(text), "open")) == b"\x11" * 32
    with pytest.raises(KeystoreError):
        decrypt_keystore(text, "shut")


def test_with_a_passphrase_it_is_never_in_the_clear(tmp_path: Path, handed_in: Path) -> None:
    made = KeyStore(tmp_path).operator().reveal()
    assert names(tmp_path) == ["operator.json"]
    assert made.hex() not in (tmp_path / "keys" / "operator.json").read_text()
    assert KeyStore(tmp_path).operator().reveal() == made
    handed_in.write_text("wrong")
    with pytest.raises(LocalError) as caught:
        KeyStore(tmp_path).operator()
    assert caught.value.code is Code.BAD_KEY_FILE and "passphrase" in str(caught.value.values["reason"])


def test_a_file_that_others_may_read_opens_nothing(tmp_path: Path, handed_in: Path) -> None:
    for mode in (0o640, 0o604):
        handed_in.chmod(mode)
        with pytest.raises(LocalError) as caught:
            KeyStore(tmp_path).operator()
        assert caught.value.code is Code.BAD_KEY_FILE and caught.value.values["path"] == str(handed_in)
    assert not (tmp_path / "keys").exists()


def test_without_one_it_says_what_to_do(tmp_path: Path, handed_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    KeyStore(tmp_path).operator()
    monkeypatch.delenv(passphrases.FILE)
    with pytest.raises(LocalError) as caught:
        KeyStore(tmp_path).operator()
    assert caught.value.values["reason"] == passphrases.NONE


def test_a_systemd_credential_does_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / passphrases.CREDENTIAL).write_text("from systemd")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    made = KeyStore(tmp_path / "node").operator().reveal()
    text = (tmp_path / "node" / "keys" / "operator.json").read_text()
    assert decrypt_keystore(text, "from systemd") == made


def test_a_keyring_keeps_what_nobody_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, kept = keyring.get_keyring(), Kept()
    monkeypatch.setenv("TALLYSTICK_KEYRING", "on")
    keyring.set_keyring(kept)
    try:
        made = KeyStore(tmp_path).operator().reveal()
        assert names(tmp_path) == ["operator.json"] and len(kept.entries) == 1
        assert KeyStore(tmp_path).operator().reveal() == made
    finally:
        keyring.set_keyring(before)


def test_one_in_the_clear_is_protected_later(tmp_path: Path, handed_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(passphrases.FILE)
    made = KeyStore(tmp_path).operator().reveal()
    assert names(tmp_path) == ["operator.key"]
    with pytest.raises(LocalError):
        KeyStore(tmp_path).protect()
    monkeypatch.setenv(passphrases.FILE, str(handed_in))
    KeyStore(tmp_path).protect()
    KeyStore(tmp_path).protect()
    assert names(tmp_path) == ["operator.json"] and KeyStore(tmp_path).operator().reveal() == made


async def test_a_backup_holds_the_key_itself(tmp_path: Path, handed_in: Path) -> None:
    folder = tmp_path / "node"
    made = KeyStore(folder).operator().reveal()
    contents = await backup.collect(folder, 1)
    assert contents.files == {"keys/operator.key": made.hex().encode() + b"\n"}
    assert backup.restore(contents, folder).files == []  # it is there, encrypted
    backup.restore(contents, tmp_path / "other")
    assert KeyStore(tmp_path / "other").operator().reveal() == made
    KeyStore(tmp_path / "third").operator()
    with pytest.raises(LocalError) as caught:
        backup.restore(contents, tmp_path / "third")
    assert caught.value.code is Code.WOULD_LOSE
