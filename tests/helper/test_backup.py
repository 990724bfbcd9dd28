"""A backup of a node that runs, put back elsewhere: its vouchers are still worth their money."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tallystick_helper import backup
from tallystick_helper.chat import Answer
from tallystick_helper.ledger import Ledger
from tallystick_helper.running import FILE as NODE_FILE
from tallystick_helper.settings import Settings
from tallystick_helper.up import Up
from tallystick_shared.channel import Config
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.rpc import to_hex
from tallystick_shared.voucher import Signed

from .shell import Shell
from .world import Serving, World, serving, until

PASSPHRASE = "a long enough passphrase"


async def pay(provider: Serving) -> int:
    """One paid answer; what was paid for it, in smallest units."""
    talking = await provider.conversation(await provider.deposit())
    await talking.connect()
    async for piece in talking.ask([("user", "one two three")], "loopback", 8):
        if isinstance(piece, Answer):
            paid = piece.amount
    await talking.settle()
    await talking.leave()
    return paid


async def test_vouchers_survive_to_a_claim(world: World) -> None:
    async with serving(world, money={"interval": 0.1, "dust": True, "confirmations": 1}) as provider:
        folder, payee = provider.settings.data_dir, provider.node.identity.payee
        amount = await pay(provider)
        shell, key, file = Shell(world), world.folder / "passphrase", world.folder / "node.backup"
        key.write_text(PASSPHRASE + "\n")
        shell.flags = ["--data-dir", str(folder), "--passphrase-file", str(key)]
        made = await shell.json("backup", str(file))  # while it runs
        assert made["ledgers"] and "keys/operator.key" in made["files"] and "announced.json" in made["files"]
        assert not [path for path in folder.iterdir() if path.name.startswith(".ledger")]
        assert provider.settings.data_dir.name not in str(file.read_bytes()[:4096])
    assert file.stat().st_mode & 0o077 == 0
    shutil.rmtree(folder)
    before = await world.balance(payee)
    contents = backup.unseal(file.read_bytes(), PASSPHRASE)
    done = backup.restore(contents, world.folder / "other")
    assert done.ledgers == made["ledgers"]
    again = Up(world.settings("other", money={"threshold": 1}))
    await again.start()
    await until(lambda: again.node is not None)
    assert again.node is not None
    await again.node.till.look()
    await again.stop()
    assert await world.balance(payee) == before + amount
    assert {path.stat().st_mode & 0o077 for path in (world.folder / "other" / "keys").iterdir()} == {0}


def sealed(**files: bytes) -> bytes:
    return backup.seal(backup.Contents(1, 1, files), PASSPHRASE)


def test_only_its_own_bytes_are_read() -> None:
    data = sealed(a=b"secret " * 100)
    assert backup.unseal(data, PASSPHRASE).files == {"a": b"secret " * 100}
    assert b"secret" not in data
    for wrong in (b"", data[:40], data[:-1], data[:-1] + bytes([data[-1] ^ 1]), b"X" + data[1:]):
        with pytest.raises(LocalError) as caught:
            backup.unseal(wrong, PASSPHRASE)
        assert caught.value.code is Code.BAD_BACKUP
    with pytest.raises(LocalError) as caught:
        backup.unseal(data, PASSPHRASE + "!")
    assert "passphrase" in str(caught.value.values["reason"])
    with pytest.raises(LocalError) as caught:
        backup.seal(backup.Contents(1, 1, {}), "short")
    assert caught.value.code is Code.BAD_SETTINGS


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/../../b", ""])
def test_no_name_leads_out_of_the_folder(name: str) -> None:
    with pytest.raises(LocalError) as caught:
        backup.unseal(backup.seal(backup.Contents(1, 1, {name: b"x"}), PASSPHRASE), PASSPHRASE)
    assert caught.value.code is Code.BAD_BACKUP


CHANNEL = b"\x01" * 32
CONFIG = Config(b"\x01" * 20, b"\x02" * 20, bytes(32), bytes(20), 900, bytes(32))


async def ledger_with(folder: Path, amount: int, *channels: bytes) -> bytes:
    ledger = Ledger(folder / "ledger-1-aa.sqlite")
    for channel in channels or (CHANNEL,):
        await ledger.store_channel(channel, CONFIG, bytes(32), (), b"\x03" * 20, b"\x04" * 20)
        await ledger.store_voucher(channel, Signed(amount, b"\x05" * 65), amount)
    data = await ledger.snapshot()
    ledger.close()
    return data


async def test_a_newer_ledger_is_never_replaced(tmp_path: Path) -> None:
    older, newer = await ledger_with(tmp_path / "a", 5), await ledger_with(tmp_path / "a", 6)
    for kept, put, fine in ((newer, older, False), (older, newer, True), (newer, newer, True)):
        folder = tmp_path / "there"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "ledger-1-aa.sqlite").write_bytes(kept)
        contents = backup.Contents(1, 1, {"ledger-1-aa.sqlite": put})
        if fine:
            assert backup.restore(contents, folder).ledgers == ["ledger-1-aa.sqlite"]
            held = Ledger(folder / "ledger-1-aa.sqlite")
            row = await held.channel(CHANNEL)
            held.close()
            assert row is not None and row.voucher.amount == 6
        else:
            with pytest.raises(LocalError) as caught:
                backup.restore(contents, folder)
            assert caught.value.code is Code.WOULD_LOSE and caught.value.values["channels"] == 1
            assert (folder / "ledger-1-aa.sqlite").read_bytes() == kept


async def test_a_damaged_one_is_put_aside_and_a_key_is_kept(tmp_path: Path) -> None:
    data = await ledger_with(tmp_path / "a", 5)
    folder = tmp_path / "there"
    (folder / "keys").mkdir(parents=True)
    (folder / "ledger-1-aa.sqlite").write_bytes(data[:1000] + b"\xff" * 3000)
    (folder / "config.toml").write_text("# mine")
    contents = backup.Contents(1, 1, {"ledger-1-aa.sqlite": data, "config.toml": b"# old", "keys/node.key": b"a"})
    done = backup.restore(contents, folder)
    assert done.damaged == ["ledger-1-aa.sqlite"] and (folder / "ledger-1-aa.sqlite.damaged").exists()
    assert done.files == ["ledger-1-aa.sqlite", "keys/node.key"]
    assert (folder / "config.toml").read_text() == "# mine"
    with pytest.raises(LocalError) as caught:
        backup.restore(backup.Contents(1, 1, {"keys/node.key": b"b"}), folder)
    assert caught.value.code is Code.WOULD_LOSE


async def test_a_running_node_is_not_restored_over(provider: Serving) -> None:
    folder = provider.settings.data_dir
    contents = await backup.collect(folder, 1)
    assert to_hex(provider.provider) in contents.files["announced.json"].decode()
    with pytest.raises(LocalError) as caught:
        backup.restore(contents, folder)
    assert caught.value.code is Code.NODE_RUNS


LEDGER = "ledger-1-aa.sqlite"


async def killed(folder: Path, amount: int) -> bytes:
    """What a node leaves that is killed before SQLite has emptied the WAL. Returns the WAL."""
    alive = folder.with_name("alive")
    await ledger_with(alive, 1)
    ledger = Ledger(alive / LEDGER)
    await ledger.store_voucher(CHANNEL, Signed(amount, b"\x05" * 65), amount)
    shutil.copytree(alive, folder)
    ledger.close()
    return (folder / f"{LEDGER}-wal").read_bytes()


async def held(folder: Path) -> int:
    """The amount of the voucher that lies there."""
    ledger = Ledger(folder / LEDGER)
    row = await ledger.channel(CHANNEL)
    ledger.close()
    assert row is not None
    return row.voucher.amount


def refused(contents: backup.Contents, folder: Path) -> LocalError:
    with pytest.raises(LocalError) as caught:
        backup.restore(contents, folder)
    return caught.value


async def test_a_ledger_that_somebody_has_open_is_not_damaged(tmp_path: Path) -> None:
    contents = backup.Contents(1, 1, {LEDGER: await ledger_with(tmp_path / "a", 5)})
    await ledger_with(tmp_path / "there", 6)
    ledger = Ledger(tmp_path / "there" / LEDGER)
    await ledger.store_voucher(CHANNEL, Signed(1000, b"\x05" * 65), 1000)
    assert refused(contents, tmp_path / "there").code is Code.NODE_RUNS
    ledger.close()
    assert await held(tmp_path / "there") == 1000


async def test_one_that_cannot_be_opened_stays(tmp_path: Path) -> None:
    contents = backup.Contents(1, 1, {LEDGER: await ledger_with(tmp_path / "a", 5), "keys/node.key": b"a"})
    (tmp_path / "there" / LEDGER).mkdir(parents=True)
    assert refused(contents, tmp_path / "there").code is Code.STORE_UNREADABLE
    assert (tmp_path / "there" / LEDGER).is_dir() and not (tmp_path / "there" / "keys").exists()


async def test_what_only_the_wal_knows_counts(tmp_path: Path) -> None:
    folder = tmp_path / "there"
    wal = await killed(folder, 6)
    older, newer = await ledger_with(tmp_path / "a", 5), await ledger_with(tmp_path / "b", 7)
    assert refused(backup.Contents(1, 1, {LEDGER: older}), folder).code is Code.WOULD_LOSE
    assert (folder / f"{LEDGER}-wal").read_bytes() == wal
    assert backup.restore(backup.Contents(1, 1, {LEDGER: newer}), folder).damaged == []
    assert not (folder / f"{LEDGER}-wal").exists() and await held(folder) == 7


@pytest.mark.parametrize("gone", [False, True])
async def test_a_damaged_ledger_keeps_its_wal(tmp_path: Path, gone: bool) -> None:
    """Its newest vouchers are in there. A second one does not replace the first."""
    contents = backup.Contents(1, 1, {LEDGER: await ledger_with(tmp_path / "a", 5)})
    folder = tmp_path / "there"
    for number, end in enumerate(("damaged", "damaged-2")):
        wal = await killed(tmp_path / f"killed-{number}", 6 + number)
        shutil.copytree(tmp_path / f"killed-{number}", folder, dirs_exist_ok=True)
        shutil.rmtree(tmp_path / "alive")
        (folder / LEDGER).write_bytes(b"\xff" * 8192)
        if gone:
            (folder / LEDGER).unlink()
        assert backup.restore(contents, folder).damaged == [LEDGER]
        aside = folder / f"{LEDGER}.{end}"
        assert aside.with_name(aside.name + "-wal").read_bytes() == wal
        assert await held(folder) == 5
        if gone:
            break


async def test_a_transaction_under_way_is_not_forgotten(tmp_path: Path) -> None:
    older = await ledger_with(tmp_path / "there", 5)
    ledger = Ledger(tmp_path / "there" / LEDGER)
    await ledger.sent(b"\x09" * 32, "claim", [CHANNEL], b"raw")
    newer = await ledger.snapshot()
    ledger.close()
    caught = refused(backup.Contents(1, 1, {LEDGER: older}), tmp_path / "there")
    assert caught.code is Code.WOULD_LOSE and caught.values["transactions"] == 1
    assert backup.restore(backup.Contents(1, 1, {LEDGER: newer}), tmp_path / "there").damaged == []


@pytest.mark.parametrize("admin", [False, True])
async def test_a_node_keeps_its_data_until_it_has_ended(
    tmp_path: Path, admin: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "index.html").write_text("a page")
    page = {"port": 0, "files": tmp_path / "page"}
    settings = Settings.model_validate({"data_dir": tmp_path, "page": page, "admin": {"on": admin, "port": 0}})
    contents = backup.Contents(1, 1, {"page/index.html": b"an older page"})
    up, ends = Up(settings), []
    await up.start()
    assert up.page is not None
    stop = up.page.stop

    async def stops() -> None:
        ends.append((refused(contents, tmp_path).code, (tmp_path / NODE_FILE).exists()))
        await stop()

    monkeypatch.setattr(up.page, "stop", stops)
    second = Up(settings)
    with pytest.raises(LocalError) as caught:
        await second.start()
    await second.stop()
    assert caught.value.code is Code.NODE_RUNS
    await up.stop()
    assert ends == [(Code.NODE_RUNS, admin)]
    assert backup.restore(contents, tmp_path).files == [] and not (tmp_path / NODE_FILE).exists()
