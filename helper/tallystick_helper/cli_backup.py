"""`tallystick backup` and `restore`: keys and ledger, one command each."""

from __future__ import annotations

import getpass
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tallystick_shared.errors import Code, LocalError

from .flags import Here, command
from .shown import show_date

if TYPE_CHECKING:
    from .settings import Settings

app = typer.Typer()
PassphraseFile = Annotated[
    Path | None, typer.Option("--passphrase-file", help="A file with the passphrase; asked for where not given.")
]
File = Annotated[Path, typer.Argument(help="The backup's file.", metavar="FILE")]


def _passphrase(file: Path | None, *, twice: bool) -> str:
    """Raises LocalError BAD_SETTINGS."""
    if file is not None:
        try:
            return file.read_text().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise LocalError(Code.BAD_SETTINGS, file=str(file), reason=type(error).__name__) from None
    if not sys.stdin.isatty():
        raise LocalError(Code.BAD_SETTINGS, setting="passphrase", reason="nobody can be asked: --passphrase-file")
    first = getpass.getpass("Passphrase: ")
    if twice and getpass.getpass("Once more:  ") != first:
        raise LocalError(Code.BAD_SETTINGS, setting="passphrase", reason="the two are not the same")
    return first


@command(app)
def backup(file: File, at: Here, passphrase_file: PassphraseFile = None) -> None:
    """Write keys, ledgers, settings and deposits into one encrypted file, also while the node runs.

    JSON: file, bytes, files (their names), ledgers.
    """
    settings = at.settings()

    async def work(settings: Settings) -> dict[str, Any]:
        from . import backup as backups
        from .ledger_file import write_private

        passphrase = _passphrase(passphrase_file, twice=True)
        contents = await backups.collect(settings.data_dir, int(time.time()))
        if not contents.files:
            raise LocalError(Code.STORE_UNREADABLE, path=str(settings.data_dir), reason="there is nothing in it")
        data = backups.seal(contents, passphrase)
        temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
        try:
            write_private(temporary, data)
            temporary.replace(file)
        except OSError as error:
            raise LocalError(Code.STORE_UNREADABLE, path=str(file), reason=error.strerror) from None
        ledgers = [name for name in contents.files if name.endswith(".sqlite")]
        return {"file": str(file), "bytes": len(data), "files": list(contents.files), "ledgers": ledgers}

    done = at.run(work(settings))
    text = f"{done['file']}: {len(done['files'])} files, {len(done['ledgers'])} of them ledgers."
    at.say(done, f"{text}\nKeep it off this machine, and the passphrase elsewhere: both together are the keys.")


@command(app)
def restore(file: File, at: Here, passphrase_file: PassphraseFile = None) -> None:
    """Put a backup back, while no node runs. It never replaces a sound ledger that is newer, nor a key by another.
    A damaged ledger is moved aside with its WAL, as NAME.damaged.

    JSON: made (Unix seconds), files, ledgers, damaged (moved aside), data_dir.
    """
    settings = at.settings()

    async def work(settings: Settings) -> dict[str, Any]:
        from . import backup as backups

        try:
            data = file.read_bytes()
        except OSError as error:
            raise LocalError(Code.BAD_BACKUP, path=str(file), reason=error.strerror) from None
        done = backups.restore(backups.unseal(data, _passphrase(passphrase_file, twice=False)), settings.data_dir)
        return {**vars(done), "data_dir": str(settings.data_dir)}

    done = at.run(work(settings))
    text = f"{len(done['files'])} files of {show_date(done['made'])} are back in {done['data_dir']}."
    for name in done["damaged"]:
        text += f"\n{name} was damaged and is kept beside it as .damaged: what came after the backup is in there."
    at.say(done, f"{text}\nNever run two nodes with the same keys: end the old one before you start this one.")
