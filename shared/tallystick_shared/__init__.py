"""Tallystick's protocol: everything that both the page and the native node need, once.

Nothing here opens a socket, reads a clock, sleeps or draws random numbers by itself. Bytes, times and randomness
are handed in;
events and bytes come out. So the same code runs on CPython and inside Pyodide, and every path can be replayed in a
test.
"""

__version__ = "0.1.0"
