# ruff: noqa: E402, F704, PLE1142 (PyScript awaits at the top)
import random

random.seed()  # The snapshot holds one state for everybody.

from tallystick_web import browser_boot

await browser_boot.start()
