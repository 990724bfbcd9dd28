"""`python -m tallystick_helper` is the command `tallystick`."""

from .cli import main

main()
