"""The memory snapshot: the same bytes every time, and no key in it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

from web.build.build import HERE
from web.build.inputs import VENDOR, node


def make(job: dict[str, object], folder: Path) -> tuple[str, str]:
    """Make the snapshot once more, in another folder and environment; the hashes of its two files."""
    folder.mkdir()
    job = job | {"heap": str(folder / "heap.bin"), "meta": str(folder / "snapshot.json")}
    described = folder / "job.json"
    described.write_text(json.dumps(job), encoding="utf-8")
    environment = os.environ | {"LANG": "de_DE.UTF-8", "TZ": "Asia/Tokyo", "EXTRA": str(folder)}
    command = [node(), "--no-warnings", str(HERE / "snapshot.mjs"), str(described)]
    subprocess.run(command, check=True, cwd=folder, env=environment, capture_output=True)
    heap, meta = (hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("heap.bin", "snapshot.json"))
    return heap, meta


def test_two_builds_give_the_same_bytes(page: Path, tmp_path: Path) -> None:
    job = json.loads((VENDOR / "work" / "snapshot.mjs.json").read_text(encoding="utf-8"))
    first = make(job, tmp_path / "one")
    assert first == make(job, tmp_path / "a place with another name")
    [shipped] = (page / "a").glob("heap-*.bin")
    assert hashlib.sha256(shipped.read_bytes()).hexdigest() == first[0]
