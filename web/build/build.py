"""Builds the page into web/dist: `python -m web.build`, or this file.

Nothing is done when nothing changed. The same inputs give the same bytes, the memory snapshot included;
web/dist/manifest.json has the SHA-256 of every file.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run by its path
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from web.build import modules, offline, page, wheels
from web.build.inputs import BOOT, DIST, LOCK, SITE, VENDOR, WEB, BuildError, key, node, npm

HERE = Path(__file__).resolve().parent
DOCUMENTS = {"index": "document", "console": "console"}
"""The page and the provider's console, and what each is called in policy.json."""


def run_node(script: str, job: dict[str, Any], work: Path) -> str:
    """Run one of the build's node scripts on a job; what it printed."""
    described = work / f"{script}.json"
    described.write_text(json.dumps(job), encoding="utf-8")
    command = [node(), "--no-warnings", str(HERE / script), str(described)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = "\n".join(
            line for line in done.stderr.splitlines() if len(line) < 500
        )  # not the minified line it failed in
        raise BuildError(f"{script} failed:\n{done.stdout[-2000:]}\n{said}")
    return done.stdout


def bundle(documents: str, out: Path, dist: Path, work: Path) -> dict[str, str]:
    """Bundle the scripts and styles of the documents' text into `out`. Where each source went, by its path in web/."""
    found = page.references(documents)
    plain = [{"entry": f"boot/{name}.mjs", "to": str(work / f"{name}.js")} for name in ("interpreter", "start", "sw")]
    if (WEB / "demo" / "wallet.js").is_file():
        plain.append({"entry": "demo/wallet.js", "to": str(dist / "demo" / "wallet.js")})
    job = {
        "web": str(WEB),
        "out": str(out),
        "hashed": {path: kind for path, kind in found.items() if kind} | {"boot/modules.mjs": "esm"},
        "plain": plain,
    }
    places: dict[str, str] = json.loads(run_node("bundle.mjs", job, work))
    copied = {path: page.hashed(WEB / path, out) for path, kind in found.items() if not kind}
    return places | copied


def native_module(work: Path) -> tuple[Path, str]:
    """msgspec's compiled part as a file, and the path at which Python looks for it."""
    [wheel] = (path for path in wheels.fetch() if path.name.startswith("msgspec-"))
    target = work / "msgspec.wasm"
    with zipfile.ZipFile(wheel) as archive:
        [member] = (name for name in archive.namelist() if name.endswith(".so"))
        target.write_bytes(archive.read(member))
    return target, f"{SITE}/{member}"


def snapshot(files: list[Path], work: Path) -> dict[str, Any]:
    """Make the memory snapshot: work/heap.bin, and what goes with it (header, runs of pages, size, modules)."""
    native, native_path = native_module(work)
    job = {
        "pyodide": str(npm("pyodide")),
        "native": str(native),
        "native_path": native_path,
        "site": SITE,
        "wheels": [str(path) for path in files if not path.name.startswith("micropip-")],
        "prepare": str(BOOT / "prepare.py"),
        "imports": str(BOOT / "imports.py"),
        "ours": modules.ours(),
        "late": modules.late(),
        "heap": str(work / "heap.bin"),
        "meta": str(work / "snapshot.json"),
    }
    run_node("snapshot.mjs", job, work)
    meta: dict[str, Any] = json.loads((work / "snapshot.json").read_text(encoding="utf-8"))
    return meta | {"native": native, "native_path": native_path}


def assemble(build_id: str, dist: Path, work: Path) -> None:
    """Everything that the page is, into `dist`."""
    hashed_files = dist / "a"
    hashed_files.mkdir(parents=True)
    documents = {name: (WEB / f"{name}.html").read_text(encoding="utf-8") for name in DOCUMENTS}
    files = wheels.fetch() + wheels.own(work)
    places = bundle("".join(documents.values()), hashed_files, dist, work)
    pyodide, pyscript = page.copy_runtimes(hashed_files)
    micropip, others = page.copy_wheels(files, hashed_files)
    snap = snapshot(files, work)
    assets = {
        "build": build_id,
        "pyodide": f"./{pyodide}/",
        "heap": {
            "url": f"./{page.hashed(work / 'heap.bin', hashed_files)}",
            "bytes": snap["bytes"],
            "runs": snap["runs"],
            "size": (work / "heap.bin").stat().st_size,
        },
        "header": snap["header"],
        "table": snap["table"],
        "native": {"url": f"./{page.hashed(snap['native'], hashed_files)}", "path": snap["native_path"]},
        "empty": f"./{page.hashed_text('', hashed_files, 'empty.bin')}",
        "site": SITE,
        "micropip": micropip,
        "wheels": others,
        "prepare": (BOOT / "prepare.py").read_text(encoding="utf-8"),
        "sizes": page.sizes(hashed_files, [f"{pyodide}/pyodide.asm.*", "heap-*", "msgspec-*.wasm", "modules-*"]),
    }
    scripts = {
        "policy": page.policy_script(hashed_files),
        "interpreter": page.filled(
            work / "interpreter.js",
            hashed_files,
            {
                "__PYODIDE__": f"./{pyodide}",
                "__MODULES__": f"./{places['boot/modules.mjs']}",
                "__ASSETS__": to_js(assets),
            },
        ),
        "start": page.filled(
            work / "start.js",
            hashed_files,
            {"__PYSCRIPT__": f"./{pyscript}", "__START__": to_js((BOOT / "start.py").read_text(encoding="utf-8"))},
        ),
    }
    for name, text in documents.items():
        head = page.head(scripts, DOCUMENTS[name])
        (dist / f"{name}.html").write_text(page.document(text, places, head), encoding="utf-8")
    (dist / "headers.json").write_text(json.dumps(page.headers(), indent=1), encoding="utf-8")
    offline.app_manifest(dist, hashed_files)
    offline.worker(work / "sw.js", dist)
    (dist / "manifest.json").write_text(json.dumps(page.manifest(dist, build_id), indent=1), encoding="utf-8")


def to_js(value: Any) -> str:
    """A value as JavaScript, the same text for the same value."""
    return json.dumps(value, sort_keys=True)


def current(dist: Path = DIST) -> str:
    """The id of the build that lies in `dist`, "" where there is none or a file of it is gone."""
    try:
        found = json.loads((dist / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    whole = all((dist / name).is_file() for name in found["files"])
    return str(found["build"]) if whole else ""


def build(*, force: bool = False) -> bool:
    """Build web/dist if its inputs changed (or `force`). True if something was built."""
    if not force and current() == key():
        return False
    VENDOR.mkdir(exist_ok=True)
    with (VENDOR / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Tests and a demo may start at the same time: the second finds the work done.
        build_id = key()
        if not force and current() == build_id:
            return False
        replace(build_id)
    return True


def replace(build_id: str) -> None:
    """Build beside web/dist, then put it in its place."""
    work, fresh = VENDOR / "work", VENDOR / "dist"
    for folder in (work, fresh):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    assemble(build_id, fresh, work)
    old = VENDOR / "old"
    shutil.rmtree(old, ignore_errors=True)
    if DIST.exists():
        DIST.rename(old)  # Swapped whole: a server that is running never sees half a page.
    fresh.rename(DIST)
    shutil.rmtree(old, ignore_errors=True)


def main(arguments: list[str] | None = None) -> int:
    """The command. 0 if the page is built, 1 with a sentence if it cannot be."""
    parser = argparse.ArgumentParser(prog="web.build", description="Builds the page into web/dist.")
    parser.add_argument("--force", action="store_true", help="build even if nothing changed")
    parser.add_argument(
        "--check", action="store_true", help="build nothing; fail if a committed file of the page is stale"
    )
    parser.add_argument("--compress", action="store_true", help="also write a .br beside each file, for static hosts")
    parser.add_argument("--lock", action="store_true", help="write requirements/page*.lock anew from the .in files")
    parser.add_argument(
        "--record", action="store_true", help="record in web/boot/tt.json what PyScript turns into code"
    )
    parser.add_argument("--icons", action="store_true", help="draw web/icons anew from web/mark.svg")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    try:
        if options.lock:
            for wanted in sorted(LOCK.parent.glob("page*.in")):
                wheels.make_lock(wanted, wanted.with_suffix(".lock"))
        if options.record:
            from web.build.record import record

            record()
        if options.icons:
            from web.build.icons import draw

            draw()
        if options.check:
            page.allowed_code()
            return 0
        built = build(force=options.force)
        if options.compress:
            run_node("compress.mjs", {"dist": str(DIST)}, VENDOR)
    except BuildError as fault:
        print(f"The page was not built. {fault}", file=sys.stderr)
        return 1
    print(f"web/dist: {'built' if built else 'up to date'} in {time.monotonic() - started:.1f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
