"""
The line between an examiner and a candidate: numbered messages over a socket.

A message is its number and the length of its content, eight bytes each, and the content. Neither side waits for the
other to read: what is still to be sent goes out while the next message comes in.
"""

from __future__ import annotations

import math
import select
import socket
import struct
import time

EXAMINER = "__examiner__"
"""Name under which the examiner's kernel has what asks the candidate."""

_HEADER = struct.Struct("!QQ")
_CHUNK = 2**18


class NoLineError(Exception):
    """The machine has no room for a line to the candidate: nobody's answer is to blame."""


class Line:
    """
    One side of a line.

    Parameters
    ----------
    connection : socket
        Connected, of a stream; it is closed by whoever opened it.
    largest : int
        Bytes of the largest message that is taken from the other side.
    """

    def __init__(self, connection: socket.socket, largest: int) -> None:
        connection.setblocking(False)
        self._socket = connection
        self._largest = largest
        self._unsent = memoryview(b"")
        self._received = bytearray()

    def send(self, number: int, content: bytes) -> None:
        """Send a message, for as far as the other side has read; the rest goes out in :meth:`receive`."""
        self._unsent = memoryview(bytes(self._unsent) + _HEADER.pack(number, len(content)) + content)
        self._push()

    def receive(self, seconds: float = math.inf) -> tuple[int, bytes]:
        """
        Wait for a message, and give its number and content.

        Raises
        ------
        TimeoutError
            None came in time.
        ConnectionError
            The other side has hung up, or sends what is no message or too large a one.
        """
        deadline = time.monotonic() + seconds
        while (message := self._message()) is None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("no message came in time")
            poll = select.poll()
            poll.register(self._socket, select.POLLIN | (select.POLLOUT if self._unsent else 0))
            poll.poll(None if left == math.inf else left * 1000)
            self._push()
            self._pull()
        return message

    def _push(self) -> None:
        try:
            while self._unsent:
                self._unsent = self._unsent[self._socket.send(self._unsent[:_CHUNK]) :]
        except BlockingIOError:
            return  # until it can be read

    def _pull(self) -> None:
        try:
            chunk = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return
        if not chunk:
            raise ConnectionError("the line was cut")
        self._received += chunk

    def _message(self) -> tuple[int, bytes] | None:
        if len(self._received) < _HEADER.size:
            return None
        number, size = _HEADER.unpack_from(self._received)
        if size > self._largest:
            raise ConnectionError(f"a message of {size:,} bytes is too large")
        end = _HEADER.size + size
        if len(self._received) < end:
            return None
        content = bytes(self._received[_HEADER.size : end])
        del self._received[:end]
        return number, content
