"""The engine's pulse: how late the event loop comes back, and that it does, for systemd (R-9.1, R-9.2).

systemd is told what it wants to know through the socket that it names in NOTIFY_SOCKET
(`Type=notify`, sd_notify(3)): that the engine is ready, that it is ending, and, as long as the loop
turns, that it lives. A loop that stands still tells nothing, so that systemd starts the engine
again. Started by anything else, none of it is told to anybody.
"""

import contextlib
import os
import socket
from collections.abc import Callable
from typing import Final

import trio

BEAT_S: Final = 0.25
"""How often the loop is looked at."""


def notify(*words: str) -> bool:
    """Tells systemd, as `READY=1`; False where nobody wants to know, or hears it."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return False
    address = "\0" + path[1:] if path[0] == "@" else path
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        # Never wait for it: what is not taken now is told again with the next beat.
        out.setblocking(False)
        out.sendto("\n".join(words).encode(), address)
        return True
    return False


def watchdog_s() -> float | None:
    """How often systemd wants a sign of life of this process: half of what it waits for it."""
    wanted, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not wanted.isdecimal() or int(wanted) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(wanted) / 2_000_000


async def beat(lagged: Callable[[float], None]) -> None:
    """Measures the loop's lag and feeds the watchdog, until cancelled."""
    each_s = watchdog_s()
    fed = -float("inf")
    while True:
        due = trio.current_time() + BEAT_S
        await trio.sleep_until(due)
        now = trio.current_time()
        lagged(max(0.0, now - due))
        if each_s is not None and now - fed >= min(each_s, 10.0) - BEAT_S:
            notify("WATCHDOG=1")
            fed = now
