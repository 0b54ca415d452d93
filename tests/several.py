"""Several engines on one database, to several SMSCs: what `tests.rig` is for one of each.

Every process is a real one; what it is asked and what it says goes through the rig, whose home the
engines share unless they have one of their own.

    with Rig.open(url=url) as rig, Several.open(rig) as several:
        smsc = several.smsc("tui", latency_ms=15)
        first, second = several.node("gw1", [smsc]), several.node("gw2", [smsc])
        campaign = rig.campaign(1000)
        rig.wait(lambda: len(several.arrivals()) >= 500, "half of the messages")
        first.process.kill()
"""

from __future__ import annotations

import contextlib
import json
import re
import signal
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.store.home import Home
from tests.rig import PATIENCE_S, Arrival, Process, Record, Rig

FAST: Mapping[str, float] = {"reconnect_min_s": 0.1, "reconnect_max_s": 0.5, "after_unbind_s": 0.1}


@dataclass(slots=True, eq=False)
class Smsc:
    """A simulator, and what it took."""

    name: str
    port: int
    process: Process
    record: Record


@dataclass(slots=True, eq=False)
class Node:
    """An engine of a name of its own."""

    name: str
    home: Path
    configuration: Path
    log: Path
    binds: int
    process: Process
    log_at: int = 0

    def said(self) -> str:
        """What it has written to its log since its last start."""
        with self.log.open("rb") as log:
            log.seek(self.log_at)
            return log.read().decode(errors="replace")

    def logged(self, event: str) -> int:
        """How often it has said that since its last start."""
        return len(re.findall(rf"Z {re.escape(event)}\s", self.said()))

    def metrics(self) -> dict[str, float]:
        """Its /metrics; {} when it is down."""
        addresses = re.findall(r'http\.listening addresses=\["([^"]+)"', self.said())
        try:
            with urllib.request.urlopen(f"{addresses[-1]}/metrics", timeout=10) as answer:
                text = answer.read().decode()
        except OSError:
            return {}
        lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in lines}


@dataclass(slots=True, eq=False)
class Several:
    """SMSCs and engines beside each other. Use `Several.open`."""

    rig: Rig
    smscs: list[Smsc] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)

    @staticmethod
    @contextlib.contextmanager
    def open(rig: Rig) -> Iterator[Several]:
        """All of them are gone after the block."""
        several = Several(rig)
        try:
            yield several
        finally:
            for process in several.processes():
                with contextlib.suppress(ProcessLookupError):
                    process.signal(signal.SIGCONT)
                process.kill()

    def processes(self) -> list[Process]:
        """All that were started, the engines first."""
        return [one.process for one in self.nodes] + [one.process for one in self.smscs]

    def smsc(self, name: str, **options: object) -> Smsc:
        """`siaran smsc` with those options."""
        record = Record(self.rig.home / f"{name}.jsonl")
        words = ["smsc", "--json", "--port", "0", "--record", str(record.file)]
        for option, value in options.items():
            words += [f"--{option.replace('_', '-')}", str(value)]
        log = self.rig.home / f"{name}.log"
        process = Process(tuple(words), log=log, home=self.rig.home, reads=True)
        port = int(json.loads(process.read_line(PATIENCE_S))["port"])
        smsc = Smsc(name, port, process, record)
        self.smscs.append(smsc)
        return smsc

    def counters(self, smsc: Smsc) -> dict[str, int]:
        """What an SMSC has seen and done so far."""
        smsc.process.signal(signal.SIGUSR1)
        return dict(json.loads(smsc.process.read_line(PATIENCE_S)))

    def arrivals(self) -> list[Arrival]:
        """What all SMSCs took, in the order of time."""
        return sorted(one for smsc in self.smscs for one in smsc.record.read())

    def taken(self) -> int:
        """How many that is by now; cheaper."""
        return sum(len(smsc.record.read()) for smsc in self.smscs)

    def configured(
        self,
        name: str,
        smscs: Sequence[Smsc],
        *,
        home: Path | None = None,
        window: int = 10,
        binds: int = 1,
        lease_s: float = 2.0,
        routes: str = "",
        carrier: str = "",
    ) -> Node:
        """A node that is not started yet; a carrier for each of the SMSCs.

        `carrier` are lines for each carrier, `routes` the file's last lines.
        """
        lines = [
            '[http]\nlisten = "127.0.0.1:0"',
            *self._database(home),
            f'[node]\nname = "{name}"\nlease_s = {lease_s}',
        ]
        for smsc in smscs:
            lines += [
                f'[carriers.{smsc.name}]\nhost = "127.0.0.1"\nport = {smsc.port}',
                f'system_id = "siaran"\nwindow = {window}',
                f'binds = [{{ mode = "transceiver", count = {binds} }}]\n{carrier}',
                f"[carriers.{smsc.name}.timers]",
                *(f"{key} = {value}" for key, value in FAST.items()),
            ]
        place = home or self.rig.home
        place.mkdir(exist_ok=True)
        configuration = place / f"{name}.toml"
        configuration.write_text("\n".join([*lines, routes]) + "\n")
        if not self.rig.configuration.exists():
            self.rig.configuration.write_text("\n".join(self._database(None)) + "\n")
        return Node(
            name,
            place,
            configuration,
            place / f"{name}.log",
            binds * len(smscs),
            None,  # type: ignore[arg-type]
        )

    def _database(self, home: Path | None) -> list[str]:
        """Nothing for an embedded one of the node's own home."""
        url = self.rig.url or (Home.at(self.rig.home).url if home else None)
        return [] if url is None else [f'[database]\nurl = "{url}"']

    def start(self, node: Node, *, up: bool = True) -> Node:
        """Starts it, and waits until its binds are up."""
        node.log_at = node.log.stat().st_size if node.log.exists() else 0
        words = ("run", "--config", str(node.configuration))
        node.process = Process(words, log=node.log, home=node.home, reads=False)
        if node not in self.nodes:
            self.nodes.append(node)
        if up:
            wanted = {"http.listening": 1, "bind.up": node.binds}
            self.rig.wait(
                lambda: all(node.logged(event) >= n for event, n in wanted.items()),
                f"the start of {node.name}",
            )
        return node

    def node(self, name: str, smscs: Sequence[Smsc], **words: Any) -> Node:
        """A node that is up."""
        return self.start(self.configured(name, smscs, **words))
