"""Names in package-lock.json the optional packages that npm left out of it.

The binaries of anvil and forge are optional packages, one for each platform. A registry mirror may hold only some of
them; npm then writes an incomplete lock, and `npm ci` refuses it on every platform. The versions are known all the
same, for the package that wants them states them exactly. Such an entry has no hash until the lock is made where all
can be had.
"""

import json
from pathlib import Path

LOCK = Path(__file__).resolve().parent.parent / "package-lock.json"
WANTING = ("@foundry-rs/anvil", "@foundry-rs/forge")
CPUS = {"amd64": "x64", "arm64": "arm64"}


def entry(name: str, version: str) -> dict[str, object]:
    """The lock's entry for a package named ``…-system-processor``."""
    _, system, processor = name.rsplit("-", 2)
    return {"version": version, "cpu": [CPUS[processor]], "dev": True, "optional": True, "os": [system]}


def main() -> None:
    """Read, complete and write the lock; entries stand in npm's order, by path."""
    lock = json.loads(LOCK.read_text("utf-8"))
    packages = lock["packages"]
    for wanting in WANTING:
        for name, version in packages[f"node_modules/{wanting}"]["optionalDependencies"].items():
            packages.setdefault(f"node_modules/{name}", entry(name, version))
    lock["packages"] = dict(sorted(packages.items()))
    LOCK.write_text(json.dumps(lock, indent=2, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
