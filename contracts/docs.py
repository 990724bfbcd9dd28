"""Write the documents that are made from the contracts.

    python -m contracts.docs            write docs/reference/contracts.md and docs/topics/life-of-a-channel.md
    python -m contracts.docs --check    write nothing; exit 1 where one of them is stale

The life of a channel is run on a fresh anvil each time; keys, salts and times are fixed, so its receipts are too.
"""

from __future__ import annotations

import argparse
import sys

from contracts.machine import ROOT
from contracts.reference import reference
from contracts.story import story

DOCS = ROOT / "docs"
PAGES = {DOCS / "reference" / "contracts.md": reference, DOCS / "topics" / "life-of-a-channel.md": story}
"""What makes each page."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="docs", description="Make the documents that are generated.")
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 where one is stale")
    options = parser.parse_args(arguments)
    stale = 0
    for path, make in PAGES.items():
        text = make()
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        name = path.relative_to(ROOT)
        if options.check:
            stale += 1
            print(f"stale: {name} (run: ./run docs)")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote {name}")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
