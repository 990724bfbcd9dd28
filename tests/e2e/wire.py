"""A TCP proxy between page and provider: it records, flips a bit, or is not there. It knows nothing of what it
carries.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

from tests.e2e.stack import free_port

HEADERS_END = b"\r\n\r\n"


class Wire:
    """Listens on `port`, forwards to `target`. `flip_at` is an offset in what the provider sends after the
    WebSocket is open.
    """

    def __init__(self, target: int) -> None:
        self.port, self.target = free_port(), target
        self.flip_at: int | None = None
        self.seen = bytearray()
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Accepts connections."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop(self) -> None:
        """Refuses new connections and cuts those that are open."""
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.cut()

    def cut(self) -> None:
        """Ends every open connection without a word."""
        with self._lock:
            for held in self._open:
                with contextlib.suppress(OSError):
                    held.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        """One connection, until both directions have ended."""
        with near, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.target)) as far:
            with self._lock:
                self._open |= {near, far}
            up = threading.Thread(target=self._carry, args=(near, far, None), daemon=True)
            up.start()
            self._carry(far, near, self.flip_at)
            up.join()
            with self._lock:
                self._open -= {near, far}

    def _carry(self, source: socket.socket, sink: socket.socket, flip_at: int | None) -> None:
        position = -1  # of the next byte after the answer's headers; -1 while these are not over
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                with self._lock:
                    self.seen += data
                out = bytearray(data)
                body = 0
                if position < 0 and HEADERS_END in data:
                    body = data.index(HEADERS_END) + len(HEADERS_END)
                    position = 0
                if position >= 0:
                    if flip_at is not None and position <= flip_at < position + len(data) - body:
                        out[body + flip_at - position] ^= 1
                    position += len(data) - body
                sink.sendall(out)
        for held in (source, sink):
            with contextlib.suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def wire(target: int) -> Iterator[Wire]:
    """A started proxy."""
    proxy = Wire(target)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
