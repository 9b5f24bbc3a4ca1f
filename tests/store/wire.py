"""A wire between a client and a server that tests can cut and mend: what a network does to a store."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType


class Wire:
    """Forwards TCP from `endpoint` to `target` (http://host:port). `cut` breaks what flows and refuses what comes."""

    def __init__(self, target: str) -> None:
        host, port = target.removeprefix("http://").split(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._left: int | None = None  # bytes until it breaks by itself; None: never
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.whole = True
        self.connections = 0
        self.received = 0  # bytes that the server sent
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        with self._lock:
            self.whole = False
            for end in self._open:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def cut_after(self, count: int) -> None:
        """Break once that many more bytes have passed, either way."""
        self._left = count

    def mend(self) -> None:
        self._left, self.whole = None, True

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if not self.whole:
                client.close()
                continue
            server = socket.create_connection(self._target)
            with self._lock:
                self._open |= {client, server}
            for ends in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._forward, args=ends, daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, back: bool) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if self._left is not None:
                    self._left -= len(data)
                    if self._left < 0:
                        self.cut()
                self.received += len(data) * back
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._open -= {source, sink}
        source.close()
