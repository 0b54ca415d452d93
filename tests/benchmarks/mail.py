"""Mail: how many a second leave the outbox, and reach a mail server beside it.

Reports of imports to as many recipients as there are connections and more wait in the outbox; the
engine is started, and sends them to a mail server (aiosmtpd) in this process. Each is a transaction
of its own (fsync on): what was taken is written down before the connection's next one is begun. Most
of the time is that server's, in Python as it is; another one is faster.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from tests.benchmarks.figures import Figure
from tests.engine.mailserver import MailServer, serving
from tests.rig import PATIENCE_S, Rig


def options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--mails", type=int, default=3_000, metavar="N")
    parser.add_argument("--recipients", type=int, default=50, metavar="N")
    parser.add_argument("--runs", type=int, default=3, metavar="N")


def run(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    """All runs, each in a database of its own."""
    found = []
    for n in range(given.runs):
        say(f"mail, run {n + 1} of {given.runs}")
        found.append(mailed(given.mails, given.recipients))
        say(f"  {found[-1]:,.0f}/s")
    return [Figure(name="mails", unit="/s", values=found)]


def mailed(mails: int, recipients: int) -> float:
    """Mails a second, from a tenth of them to the last one."""
    with serving(MailServer()) as server, Rig.open() as rig:
        rig.use_smsc(1)
        with rig.configuration.open("a") as file:
            file.write(f'[smtp]\nport = {server.port}\nfrom = "siaran@example.net"\n')
        rig.siaran("list", "create", "march")
        rig.sql(
            """
            INSERT INTO outbox (kind, application_id, recipient, payload)
            SELECT 'report', (SELECT min(id) FROM application), n %% %s || '@example.net',
                   '{"by": "anna", "report": {"list": "march", "done": true, "rows": 1, "imported": 1}}'
              FROM generate_series(1, %s) AS n
            """,
            recipients,
            mails,
        )
        rig.start_engine(bound=False)
        first = mails // 10
        rig.wait(lambda: len(server.mails) >= first, "the first mails")
        began, seen = time.perf_counter(), len(server.mails)
        rig.wait(lambda: len(server.mails) >= mails, "all mails", PATIENCE_S + mails / 20)
        took = time.perf_counter() - began
        rig.wait(lambda: rig.sql("SELECT count(*) FROM outbox") == [(0,)], "an empty outbox")
    assert len(server.mails) == mails, f"{len(server.mails)} came of {mails}"
    return (mails - seen) / took
