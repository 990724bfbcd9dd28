"""The page's Python packages: those of others, fetched by hash, and our own two, packed here.

The lock (`requirements/page.lock`) names each file's version and hash. pip fetches through the index that the person
has set up.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path

from web.build.inputs import LOCK, SHARED, VENDOR, WEB, BuildError, sha256

# One wheel for the web, or a pure one: what Pyodide 314 takes.
PIP = [
    *(sys.executable, "-m", "pip", "download", "-q", "--only-binary=:all:", "--no-deps", "--python-version=3.14"),
    *("--implementation=cp", "--abi=cp314", "--abi=abi3", "--abi=none", "--platform=pyemscripten_2026_0_wasm32"),
]
_LINE = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>\S+) --hash=sha256:(?P<sha256>[0-9a-f]{64})$", re.M)
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Pin:
    """A line of the lock: name, exact version, SHA-256 of the one wheel that fits."""

    name: str
    version: str
    sha256: str

    @property
    def stem(self) -> str:
        """How the wheel's file name begins (PEP 427, PEP 503)."""
        return f"{re.sub(r'[-_.]+', '_', self.name).lower()}-{self.version}-"


def read_lock(lock: Path = LOCK) -> list[Pin]:
    """The pins of a lock, in its order."""
    pins = [Pin(**match.groupdict()) for match in _LINE.finditer(lock.read_text(encoding="utf-8"))]
    if not pins:
        raise BuildError(f"{lock.name} names no wheel.")
    return pins


def _present(pin: Pin, folder: Path) -> Path | None:
    for path in folder.glob("*.whl"):
        if path.name.lower().startswith(pin.stem) and sha256(path) == pin.sha256:
            return path
    return None


def fetch(lock: Path = LOCK, folder: Path = VENDOR / "wheels") -> list[Path]:
    """The wheels of a lock as files in `folder`, fetched where missing. Each has the hash that the lock gives."""
    folder.mkdir(parents=True, exist_ok=True)
    pins = read_lock(lock)
    if not all(_present(pin, folder) for pin in pins):
        command = [*PIP, "--require-hashes", "-d", str(folder), "-r", str(lock)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BuildError(f"The page's packages could not be fetched:\n{done.stderr.strip()}")
    found = [_present(pin, folder) for pin in pins]
    if missing := [pin.name for pin, path in zip(pins, found, strict=True) if path is None]:
        raise BuildError(f"After fetching, these are still missing or differ from {lock.name}: {', '.join(missing)}.")
    return [path for path in found if path]


def make_lock(wanted: Path, lock: Path) -> None:
    """Write `lock` anew from `wanted` (lines `name==version`, the whole closure): fetch, and note the hashes."""
    folder = VENDOR / "locking"
    lines = [line.split("#")[0].strip() for line in wanted.read_text(encoding="utf-8").splitlines()]
    pins = []
    for name, version in (line.split("==") for line in lines if line):
        command = [*PIP, "-d", str(folder), f"{name}=={version}"]
        subprocess.run(command, check=True)
        stem = Pin(name, version, "").stem
        path = next(path for path in folder.glob("*.whl") if path.name.lower().startswith(stem))
        pins.append(f"{name}=={version} --hash=sha256:{sha256(path)}\n")
    head = (
        f"# Made by `python -m web.build --lock` from {wanted.name}: for each name the one wheel that Pyodide takes.\n"
    )
    lock.write_text(head + "".join(pins), encoding="utf-8")


def _record(name: str, data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}\n"


def pack(distribution: str, version: str, requires: list[str], files: dict[str, bytes], folder: Path) -> Path:
    """Write the pure wheel of `files` (path in the wheel: content). The same files give the same bytes."""
    info = f"{distribution.replace('-', '_')}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    wheel = "Wheel-Version: 1.0\nGenerator: tallystick web.build\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    contents = dict(sorted(files.items())) | {f"{info}/METADATA": metadata.encode(), f"{info}/WHEEL": wheel.encode()}
    record = "".join(_record(name, data) for name, data in contents.items()) + f"{info}/RECORD,,\n"
    contents[f"{info}/RECORD"] = record.encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    path = folder / f"{distribution.replace('-', '_')}-{version}-py3-none-any.whl"
    path.write_bytes(buffer.getvalue())
    return path


def _tree(package: Path, prefix: str) -> dict[str, bytes]:
    found = (path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {f"{prefix}/{path.relative_to(package).as_posix()}": path.read_bytes() for path in found}


def own(folder: Path) -> list[Path]:
    """Pack `tallystick_shared` and `tallystick_web` (with the words) into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    project = tomllib.loads((SHARED / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version: str = project["version"]
    shared = _tree(SHARED / "tallystick_shared", "tallystick_shared")
    web = _tree(WEB / "tallystick_web", "tallystick_web") | _tree(WEB / "words", "tallystick_web/words")
    return [
        pack("tallystick-shared", version, project["dependencies"], shared, folder),
        pack("tallystick-web", version, [f"tallystick-shared=={version}"], web, folder),
    ]
