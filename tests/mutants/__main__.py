"""`python -m tests.mutants [--only FILE] [--mutant NAME] [--jobs N] [--json FILE]`: tries the mutants, tells who
survived."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from pathlib import Path

from tests.mutants.rules import Mutant, mutants
from tests.mutants.subjects import SUBJECTS
from tests.mutants.trial import SHARED, Outcome, prepare, tried


def of(file: str) -> list[Mutant]:
    """A subject's mutants."""
    return mutants(file, (SHARED / file).read_text(encoding="utf-8"))


def told(outcomes: list[Outcome]) -> dict[str, dict[str, int]]:
    """{file: {"killed", "of"}}, with the sum under ""."""
    all_, killed = Counter[str](), Counter[str]()
    for each in outcomes:
        for name in (each.mutant.file, ""):
            all_[name] += 1
            killed[name] += each.killed
    return {name: {"killed": killed[name], "of": all_[name]} for name in sorted(all_)}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("--only", action="append", choices=list(SUBJECTS), help="some files")
    parser.add_argument("--mutant", action="append", metavar="NAME", help="only these, as survivors are named")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="also write the counts and the survivors to a file")
    options = parser.parse_args()
    files = options.only or list(SUBJECTS)
    prepare()
    tests = dict(SUBJECTS)
    for file in files if options.mutant is None else ():
        [as_it_is] = tried([None], {"": tests[file]}, 1)
        if as_it_is.killed:
            print(f"{file}: its tests fail without a mutant")
            return 2
    all_ = [each for file in files for each in of(file)]
    if options.mutant:
        all_ = list({each.name: each for each in all_}.values())  # a line may have two of one name
    outcomes = tried([each for each in all_ if each.name in (options.mutant or [each.name])], tests, options.jobs)
    survivors = sorted(each.mutant.name for each in outcomes if not each.killed)
    counts = told(outcomes)
    for file, held in counts.items():
        print(f"{file or 'in all'}: {held['killed']} of {held['of']} killed, {100 * held['killed'] / held['of']:.1f} %")
    if options.json:
        options.json.write_text(
            json.dumps({"counts": counts, "survivors": survivors}, indent=1) + "\n", encoding="utf-8"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
