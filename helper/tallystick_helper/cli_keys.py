"""`tallystick protect`: the operator's key into an encrypted file."""

from __future__ import annotations

import typer

from tallystick_shared.errors import LocalError

from .keys import KeyStore
from .terminal import AsJson, ConfigFile, DataDir, fail, load_settings, say

app = typer.Typer()


@app.command()
def protect(config: ConfigFile = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Encrypt an operator's key that lies in the clear.

    The passphrase is that of the file that TALLYSTICK_PASSPHRASE_FILE names, or of the systemd credential
    `tallystick-passphrase`; else a random one that the OS keyring keeps.

    JSON: file.
    """
    settings = load_settings(config, {"data_dir": data_dir}, as_json)
    try:
        path = KeyStore(settings.data_dir).protect()
    except LocalError as error:
        fail(error, as_json)
        raise
    say(as_json, {"file": str(path)}, f"The operator's key is encrypted in {path}.")
