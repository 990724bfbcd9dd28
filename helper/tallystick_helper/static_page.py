"""The page as a folder for any https host or IPFS: the same files, one more with the chain, and the sums of all.

The same page and the same settings give the same bytes. `manifest.json` has the SHA-256 of every other file.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tallystick_shared.errors import Code, LocalError

SUMS = "manifest.json"
SITE = "tallystick.json"
ELSEWHERE = ("demo/", "console.html")  # the demo's wallet, and what a node shows to its own person
PACKED = (".br", ".gz")


@dataclass(frozen=True)
class Verdict:
    """What differs from the sums: names of files that are gone, that have other bytes, that are in no list.

    `same` is true where, but for the settings, it is the page that this installation brings.
    """

    build: str
    files: int
    missing: tuple[str, ...]
    changed: tuple[str, ...]
    added: tuple[str, ...]
    same: bool

    @property
    def whole(self) -> bool:
        return not (self.missing or self.changed or self.added)


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fault(folder: Path, reason: str) -> LocalError:
    return LocalError(Code.BAD_SETTINGS, setting=str(folder), reason=reason)


def read_sums(folder: Path) -> tuple[str, dict[str, str]]:
    """The build's id, and {name: SHA-256}. Raises LocalError BAD_SETTINGS where the folder has no list, or one that
    names what lies outside of it.
    """
    try:
        found = json.loads((folder / SUMS).read_text(encoding="utf-8"))
        build, files = str(found["build"]), {str(name): str(sum_) for name, sum_ in found["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise _fault(folder, f"there is no {SUMS} with sums in it") from None
    for name in files:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise _fault(folder, f"{SUMS} names a file outside of the folder")
    return build, files


def _present(folder: Path) -> set[str]:
    """Every file but the list itself, and what version control or a host keeps beside the page (.git, .nojekyll)."""
    found = set()
    for path in folder.rglob("*"):
        name = path.relative_to(folder)
        if path.is_file() and name.as_posix() != SUMS and not name.parts[0].startswith("."):
            found.add(name.as_posix())
    return found


def _wanted(page: Path) -> tuple[str, list[str]]:
    """The build's id, and the names of what a static page takes from the built one."""
    build, files = read_sums(page)
    return build, sorted(name for name in files if not name.startswith(ELSEWHERE) and not name.endswith(PACKED))


def build(page: Path, folder: Path, site: dict[str, Any]) -> dict[str, Any]:
    """Writes the page into `folder`, made where it is not there; of an earlier page in it nothing is left, what else
    begins with a dot stays. Returns build, files (their number) and bytes. Raises LocalError BAD_SETTINGS where
    something else lies there, or it cannot be written.
    """
    source, target = page.resolve(), folder.resolve()
    if target == source or source in target.parents or target in source.parents:
        raise _fault(folder, "the built page itself lies there: name another folder")
    version, names = _wanted(page)
    try:
        _clear(folder)
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(page / name, folder / name)
        (folder / SITE).write_bytes(_json(site))
        files = {name: sha256(folder / name) for name in sorted([*names, SITE])}
        (folder / SUMS).write_bytes(_json({"build": version, "files": files}))  # The last: with it the folder is whole.
    except OSError as error:
        raise _fault(folder, error.strerror or type(error).__name__) from None
    return {"build": version, "files": len(files), "bytes": sum((folder / name).stat().st_size for name in files)}


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True).encode() + b"\n"


def _clear(folder: Path) -> None:
    """An empty folder, or one in which only an earlier page lay. Raises LocalError BAD_SETTINGS."""
    folder.mkdir(parents=True, exist_ok=True)
    present = _present(folder)
    if not present and not (folder / SUMS).exists():
        return
    _, files = read_sums(folder)
    if strange := sorted(present - set(files)):
        raise _fault(folder, f"{strange[0]} is no part of a page: name an empty folder")
    (folder / SUMS).unlink()
    for name in files:
        (folder / name).unlink(missing_ok=True)
    for path in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        if not path.relative_to(folder).parts[0].startswith(".") and not any(path.iterdir()):
            path.rmdir()


def verify(folder: Path, page: Path | None = None) -> Verdict:
    """Compares a folder with its sums, and with the page of this installation. Raises LocalError BAD_SETTINGS."""
    version, files = read_sums(folder)
    present = _present(folder)
    changed = tuple(name for name in sorted(present & set(files)) if sha256(folder / name) != files[name])
    missing, added = sorted(set(files) - present), sorted(present - set(files))
    same = False
    if page is not None:
        _, ours = read_sums(page)
        names = _wanted(page)[1]
        same = {name: files.get(name) for name in names} == {name: ours[name] for name in names}
        same = same and set(files) == {*names, SITE} and not (missing or changed or added)
    return Verdict(version, len(files), tuple(missing), changed, tuple(added), same)
