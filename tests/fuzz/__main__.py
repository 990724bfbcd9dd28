"""`python -m tests.fuzz TARGET [--runs N] [--seconds S] [--corpus FOLDER]`: atheris on one target.

Coverage leads it through `tallystick_shared`. It ends with status 0 after so many runs, and otherwise prints what was
raised and leaves the bytes in `crash-…` beside the corpus. More than 512 MB in all, or 64 MB at once, is a fault too.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

RSS_MB, MALLOC_MB = 512, 64


def main() -> None:
    """Reads the command line and fuzzes; does not return."""
    import atheris

    with atheris.instrument_imports(include=["tallystick_shared"]):
        from tests.fuzz.seeds import seeds
        from tests.fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzzes one target with atheris.")
    parser.add_argument("target", choices=list(TARGETS))
    parser.add_argument("--runs", type=int, default=-1, help="so many executions; without it until it is stopped")
    parser.add_argument("--seconds", type=int, default=0, help="no longer than that")
    parser.add_argument("--corpus", type=Path, help="kept from one call to the next; new findings go there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        corpus = options.corpus or Path(folder)
        corpus.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds(options.target)):
            (corpus / f"seed-{number:03}").write_bytes(seed)
        flags = [f"-runs={options.runs}", "-seed=1", f"-rss_limit_mb={RSS_MB}", f"-malloc_limit_mb={MALLOC_MB}"]
        flags += ["-max_len=20000", "-keep_seed=1", "-print_final_stats=1", f"-artifact_prefix={corpus}/"]
        if options.seconds:
            flags.append(f"-max_total_time={options.seconds}")
        atheris.Setup([sys.argv[0], *flags, str(corpus)], TARGETS[options.target])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
