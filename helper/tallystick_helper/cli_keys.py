"""`tallystick protect`: the operator's key into an encrypted file."""

from __future__ import annotations

import typer

from .flags import Here, command

app = typer.Typer()


@command(app)
def protect(at: Here) -> None:
    """Encrypt an operator's key that lies in the clear.

    The passphrase is that of the file that TALLYSTICK_PASSPHRASE_FILE names, or of the systemd credential
    `tallystick-passphrase`; else a random one that the OS keyring keeps.

    JSON: file.
    """
    settings = at.settings()
    from .keys import KeyStore

    path = at.call(KeyStore(settings.data_dir).protect)
    at.say({"file": str(path)}, f"The operator's key is encrypted in {path}.")
