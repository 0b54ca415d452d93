"""`siaran trace`: the PDUs of a running engine, live."""

from __future__ import annotations

import json
import socket
import sys
from typing import Annotated, Any

import typer

from admin_cli.desk import Desk, command, single
from admin_cli.render import printable
from engine import app as engine
from engine.operations import Refused

app = single("Watch the PDUs of a bind, decoded.")


@command(
    app,
    "trace",
    "siaran trace",
    "siaran trace tui-1 --show-text",
    "siaran trace --json | grep submit_sm_resp",
)
def trace(
    desk: Desk,
    bind: Annotated[
        str | None, typer.Argument(metavar="[BIND]", help="as `carrier ls` names it; else all")
    ] = None,
    show_text: Annotated[
        bool, typer.Option("--show-text", help="what messages say, too; else their size")
    ] = False,
) -> None:
    """Watch what the engine of this machine says to SMSCs and hears from them, until Ctrl-C.

    It is told to nobody but the engine's own user. An engine that is busy is not slowed down: what
    is too much to read is dropped, and how much that was is said.
    """
    node = desk.settings().node.name
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(str(engine.trace_socket(node)))
        except (FileNotFoundError, ConnectionRefusedError):
            raise Refused(
                f'no engine of node "{node}" is running here; `siaran carrier ls` shows where there are some'
            ) from None
        except PermissionError:
            raise Refused(f'the engine of node "{node}" is another user\'s') from None
        request = {"bind": bind, "show_text": show_text}
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile("r", encoding="utf-8") as lines:
            answer = json.loads(lines.readline() or "{}")
            if "error" in answer:
                there = ", ".join(answer["binds"]) or "none"
                raise Refused(f"{answer['error']}; there is {there}")
            watched = bind or ", ".join(answer.get("binds", ()))
            desk.note(f"watching {watched}; Ctrl-C ends it")
            for line in lines:
                print(line.rstrip() if desk.json else _readable(json.loads(line)), flush=True)
    print("siaran: the engine has ended", file=sys.stderr)


def _readable(said: dict[str, Any]) -> str:
    if "dropped" in said:
        return f"… {said['dropped']:,} PDUs dropped: they came faster than they can be shown"
    arrow = "->" if said["direction"] == "out" else "<-"
    return printable(f"{said['at'][11:23]} {said['bind']} {arrow} {said['pdu']}")
