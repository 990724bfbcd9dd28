"""Puts the page together: files under content-hashed names, index.html with its head, headers, the list of hashes."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from web.build.inputs import BOOT, PYODIDE_FILES, WEB, BuildError, digest, npm, npm_version, sha256

MARK = "<!-- boot -->"
_REFERENCE = re.compile(
    r'<(?P<tag>\w+)(?P<before>[^>]*?\s)(?P<attribute>href|src)="(?P<path>[\w./-]+)"(?P<after>[^>]*)>'
)
# Of PyScript's chunks those that a page like ours never loads: the insides of editors and terminals, MicroPython.
_UNUSED = ("codemirror", "mpy", "service-worker", "xterm", "zip", "toml")


def hashed(source: Path, folder: Path, name: str | None = None) -> str:
    """Copy a file into `folder` under a name that holds its hash; the name."""
    stem, suffix = Path(name or source.name).stem, Path(name or source.name).suffix
    target = f"{stem}-{sha256(source)[:10]}{suffix}"
    shutil.copyfile(source, folder / target)
    return target


def hashed_text(text: str, folder: Path, name: str) -> str:
    """Like `hashed`, from text."""
    stem, suffix = Path(name).stem, Path(name).suffix
    target = f"{stem}-{hashlib.sha256(text.encode()).hexdigest()[:10]}{suffix}"
    (folder / target).write_text(text, encoding="utf-8")
    return target


def hashed_folder(files: Iterable[Path], folder: Path, name: str) -> str:
    """Copy files that refer to each other by name into one folder, whose name holds the hash of all; that name."""
    files = sorted(files)
    target = f"{name}-{digest(files, under=files[0].parent)[:10]}"
    (folder / target).mkdir()
    for file in files:
        shutil.copyfile(file, folder / target / file.name)
    return target


def copy_runtimes(folder: Path) -> tuple[str, str]:
    """Pyodide and PyScript out of node_modules; the names of their folders."""
    pyodide = hashed_folder((npm("pyodide") / name for name in PYODIDE_FILES), folder, "pyodide")
    chunks = (path for path in (npm("@pyscript/core") / "dist").glob("*.js") if not path.name.startswith(_UNUSED))
    return pyodide, hashed_folder(chunks, folder, "pyscript")


def integrity(path: Path) -> str:
    """Subresource integrity of a file: what `fetch` checks it against."""
    return "sha256-" + base64.b64encode(hashlib.sha256(path.read_bytes()).digest()).decode()


def copy_wheels(wheels: list[Path], folder: Path) -> tuple[dict[str, str], list[dict[str, str]]]:
    """The wheels under their own names (micropip reads those) in a folder named by hash. micropip's, and the others."""
    target = folder / f"wheels-{hashlib.sha256(''.join(map(sha256, wheels)).encode()).hexdigest()[:10]}"
    target.mkdir()
    entries = []
    for wheel in wheels:
        shutil.copyfile(wheel, target / wheel.name)
        entries.append({"url": f"./{target.name}/{wheel.name}", "integrity": integrity(wheel)})
    micropip = next(entry for entry in entries if "/micropip-" in entry["url"])
    return micropip, [entry for entry in entries if entry is not micropip]


def filled(source: Path, folder: Path, places: Mapping[str, str]) -> str:
    """A script with its places (`__NAME__`) filled in, under a hashed name in `folder`; that name."""
    text = source.read_text(encoding="utf-8")
    for name, value in places.items():
        if name not in text:
            raise BuildError(f"{source.name} has no {name} any more.")
        text = text.replace(name, value)
    return hashed_text(text, folder, source.name)


def sizes(folder: Path, patterns: Iterable[str]) -> list[tuple[str, int]]:
    """Address and bytes of the files that a start waits for, to tell how far it is."""
    found = (path for pattern in patterns for path in sorted(folder.glob(pattern)))
    return [(f"./{path.relative_to(folder).as_posix()}", path.stat().st_size) for path in found]


def allowed_code(recorded: Path = BOOT / "tt.json") -> str:
    """The one text that the Trusted Types policy lets become code: PyScript's, as recorded.

    Raises BuildError when PyScript changed, so that a new text is looked at before it is let through.
    """
    record = json.loads(recorded.read_text(encoding="utf-8"))
    [core] = (npm("@pyscript/core") / "dist").glob("core-*.js")
    if record["sha256"] != sha256(core):
        raise BuildError(
            f"web/boot/tt.json was recorded with PyScript {record['pyscript']}, not {npm_version('@pyscript/core')}: "
            "what it turns into code may differ. Record it with `python -m web.build --record`, look at it, commit it."
        )
    code: str = record["code"]
    return code


def policy_script(folder: Path) -> str:
    """tt.js with the one text; its hashed name."""
    text = (BOOT / "tt.js").read_text(encoding="utf-8")
    return hashed_text(text.replace("__CODE__", json.dumps(allowed_code())), folder, "tt.js")


def headers() -> dict[str, Any]:
    """What the server sends with the page: web/boot/policy.json."""
    data: dict[str, Any] = json.loads((BOOT / "policy.json").read_text(encoding="utf-8"))
    return data


def head(scripts: Mapping[str, str], kind: str = "document") -> str:
    """The first lines of <head>: the policy before all other scripts; the interpreter before PyScript wants it. `kind`
    is the document's name in policy.json.
    """
    # A policy in the document itself cannot say who may frame it: the header does.
    said = headers()[kind]["Content-Security-Policy"].replace(" frame-ancestors 'none';", "")
    csp = html.escape(said, quote=False)
    config = json.dumps({"interpreter": f"./a/{scripts['interpreter']}"})
    return "\n".join(
        (
            f'<meta http-equiv="Content-Security-Policy" content="{csp}">',
            f'<script src="a/{scripts["policy"]}"></script>',
            f'<script type="module" async src="a/{scripts["interpreter"]}"></script>',
            f'<script type="module" src="a/{scripts["start"]}"></script>',
            f"<script type=\"py\" config='{config}'>pass</script>",
        )
    )


def references(text: str) -> dict[str, str]:
    """The local files that index.html names, and how each is bundled: "esm", "iife", "css", or "" (copied)."""
    found = {}
    for match in _REFERENCE.finditer(text):
        path, tag = match["path"], match["tag"]
        if not (WEB / path).is_file() or path.endswith(".webmanifest"):
            continue  # the latter lies beside the document: its addresses start from there
        attributes = match["before"] + match["after"]
        if tag == "script":
            found[path] = "esm" if 'type="module"' in attributes else "iife"
        else:
            found[path] = "css" if "stylesheet" in attributes else ""
    return found


def document(text: str, places: Mapping[str, str], head_lines: str) -> str:
    """index.html with its references at their hashed places and the head filled in."""
    if MARK not in text:
        raise BuildError(f"A document has no {MARK} in its head: the build does not know where the page starts from.")

    def moved(match: re.Match[str]) -> str:
        place = places.get(match["path"])
        return match[0].replace(f'"{match["path"]}"', f'"a/{place}"') if place else match[0]

    return _REFERENCE.sub(moved, text).replace(MARK, head_lines)


def manifest(dist: Path, build: str) -> dict[str, Any]:
    """What manifest.json holds: the build's id and the SHA-256 of every file, by its path."""
    files = (path for path in sorted(dist.rglob("*")) if path.is_file())
    return {"build": build, "files": {path.relative_to(dist).as_posix(): sha256(path) for path in files}}
