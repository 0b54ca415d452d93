"""A running engine's ear for people: what it is asked, what is paused, what its binds are doing.

Once a second, or when it is woken, one transaction writes what the binds are doing (when that has
changed) and reads what is asked of the node. A command is carried out in a task of its own, so that
one that waits for a carrier keeps no other waiting, and is answered in its row (design: *control*).
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import trio

from engine import log
from engine.domain.errors import Refused, Unreachable
from engine.store import control, peers
from engine.store.control import BindRow, Command
from engine.store.db import CommitUnknown, Database, Tx

LOOK_S = 1.0

Verb = Callable[[str], Awaitable[str]]
"""Carries out a command with its argument; answers with a sentence, or raises Refused."""


@dataclass(slots=True)
class Control:
    """The task that listens to people."""

    db: Database
    node_id: int
    binds: Callable[[], list[BindRow]]
    pause: Callable[[Mapping[int, str]], None]
    """Told the carriers that are paused, and why, at each look."""
    rest: Callable[[bool], None]
    """Told whether the node is drained, at each look."""
    verbs: Mapping[str, Verb]
    _written: list[BindRow] = field(default_factory=list)
    _begun: set[int] = field(default_factory=set)
    _wake: trio.Event = field(default_factory=trio.Event)

    def look(self) -> None:
        """Somebody may have asked something."""
        self._wake.set()

    async def run(self) -> None:
        """Listens until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                for command in await self._look():
                    if command.id not in self._begun:
                        self._begun.add(command.id)
                        nursery.start_soon(self._carry_out, command)
                with trio.move_on_after(LOOK_S):
                    await self._wake.wait()
                self._wake = trio.Event()

    async def _look(self) -> list[Command]:
        rows = self.binds()

        def look(tx: Tx) -> tuple[dict[int, str], bool, list[Command]]:
            if rows != self._written:
                control.write_binds(tx, self.node_id, rows)
            draining = peers.draining(tx, self.node_id)
            return control.paused(tx), draining, control.asked(tx, self.node_id)

        try:
            paused, draining, commands = await self.db.transact(look)
        except (Unreachable, CommitUnknown):
            return []  # the gateway says in the log that the database is away
        self._written = rows
        self.pause(paused)
        self.rest(draining)
        return commands

    async def _carry_out(self, command: Command) -> None:
        log.info("command", verb=command.verb, argument=command.argument, by=command.by)
        verb = self.verbs.get(command.verb)
        try:
            if verb is None:
                raise Refused(
                    f"this engine does not know {command.verb!r}; it is of another version"
                )
            text, failed = await verb(command.argument), False
        except Refused as error:
            text, failed = str(error), True
            log.warning("command.refused", verb=command.verb, reason=text)
        while True:
            try:
                await self.db.transact(
                    lambda tx: control.answer(tx, command.id, text, failed=failed)
                )
                break
            except (Unreachable, CommitUnknown):
                await trio.sleep(LOOK_S)
        self._begun.discard(command.id)
