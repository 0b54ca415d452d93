"""An endpoint for callbacks as cheap as can be, in a process of its own: `python -m …listener`.

It answers each POST at once with 200, or a share of them at random with 500, and writes a line for
each to a file: Idempotency-Key, the message or MO, its status, what was answered. With `--silent` it
takes connections and says nothing. Its port is the first line of its stdout.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
from pathlib import Path
from typing import IO

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)
_KEY = re.compile(rb"\r\nidempotency-key: *([^\r]+)", re.I)
_EVENT = re.compile(rb'"(?:MessageId|id)":(\d+)(?:,"Status":"(\w+)")?')

_ANSWERS = {status: b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status for status in (200, 500)}


class _Listener(asyncio.Protocol):
    """One connection."""

    def __init__(self, file: IO[bytes], failing: float, silent: bool) -> None:
        self._file, self._failing, self._silent = file, failing, silent
        self._octets = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._silent:
            return
        self._octets += data
        while (end := self._octets.find(b"\r\n\r\n")) >= 0:
            head = self._octets[:end]
            length = _LENGTH.search(head)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._octets) < whole:
                return
            body, self._octets = self._octets[end + 4 : whole], self._octets[whole:]
            key, event = _KEY.search(head), _EVENT.search(body)
            status = 500 if random.random() < self._failing else 200
            if key and event:
                line = b"%s %s %s %d\n" % (key[1], event[1], event[2] or b"-", status)
                self._file.write(line)
            self._transport.write(_ANSWERS[status])


async def _serve(file: IO[bytes], failing: float, silent: bool) -> None:
    server = await asyncio.get_running_loop().create_server(
        lambda: _Listener(file, failing, silent), "127.0.0.1", 0, backlog=500
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--failing", type=float, default=0.0, metavar="SHARE")
    parser.add_argument("--silent", action="store_true")
    given = parser.parse_args()
    # Unbuffered: who reads the file sees what was answered.
    with Path(given.file).open("ab", buffering=0) as lines:
        asyncio.run(_serve(lines, given.failing, given.silent))
