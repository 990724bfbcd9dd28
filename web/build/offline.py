"""What makes the page installable and lets it open without a network: the web app manifest and the service worker."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from web.build.inputs import WEB, BuildError
from web.build.page import hashed

APP = "app.webmanifest"
WORKER = "sw.js"
PLACE = "__KEPT__"
# For the server, or for others: no part of what a browser opens.
_NOT_KEPT = {"headers.json", "manifest.json", "console.html", WORKER}
# Kept once they were asked for: what only a start without the snapshot needs.
_LATER = ("/python_stdlib.zip", "/wheels-")


def app_manifest(dist: Path, folder: Path) -> None:
    """The web app manifest (W3C) beside index.html, its icons under hashed names in `folder`."""
    manifest = json.loads((WEB / APP).read_text(encoding="utf-8"))
    for icon in manifest["icons"]:
        icon["src"] = f"a/{hashed(WEB / icon['src'], folder)}"
    (dist / APP).write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def kept(dist: Path) -> dict[str, Any]:
    """What the worker of the page in `dist` is told: `files` and `later`, {path: base64 SHA-256}, and a name for all of
    it. The document is there under "./": hosts differ in what they answer for its file's name.
    """
    files: dict[str, str] = {}
    later: dict[str, str] = {}
    for path in sorted(dist.rglob("*")):
        name = path.relative_to(dist).as_posix()
        if not path.is_file() or name in _NOT_KEPT or name.startswith("demo/") or path.suffix in (".br", ".gz"):
            continue
        digest = base64.b64encode(hashlib.sha256(path.read_bytes()).digest()).decode()
        place = later if any(part in f"/{name}" for part in _LATER) else files
        place["./" if name == "index.html" else name] = digest
    whole = json.dumps([files, later], sort_keys=True)
    return {"build": hashlib.sha256(whole.encode()).hexdigest()[:16], "files": files, "later": later}


def worker(script: Path, dist: Path) -> None:
    """sw.js: `script`, bundled, with everything that lies in `dist` now. Raises BuildError."""
    text = script.read_text(encoding="utf-8")
    if text.count(PLACE) != 1:
        raise BuildError(f"boot/sw.mjs has no {PLACE} any more.")
    (dist / WORKER).write_text(text.replace(PLACE, json.dumps(kept(dist), sort_keys=True)), encoding="utf-8")
