"""How long the demo takes to come up when everything is installed and built."""

from __future__ import annotations

import subprocess
import sys
import time

from tests.bench.row import Row, median, missing, spread
from tests.check.stack import demo

RUNS = 5


def demo_second_start() -> list[Row]:
    """Seconds from the command to the line that says all is up, beside an empty Python process that imports the
    same program.
    """
    against = "importing the program"
    try:
        taken, floor = [], []
        for _ in range(RUNS):
            started = time.perf_counter()
            with demo():
                taken.append(time.perf_counter() - started)
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", "import tallystick_helper.demo"], check=True)
            floor.append(time.perf_counter() - started)
    except (OSError, RuntimeError) as error:
        return [missing("demo_second_start", "s", against, "≤ 10 s", str(error))]
    value = median(taken)
    note = f"{against}: {median(floor):.2f} s"
    return [Row("demo_second_start", value, "s", note, value / median(floor), "≤ 10 s", value <= 10, spread(taken))]
