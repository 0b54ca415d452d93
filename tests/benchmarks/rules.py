"""The turn with everything switched on: what consent, hours, rates and routes cost a campaign.

Two campaigns of the same size, each in an installation of its own, who begins alternates. One is
plain; the other asks 100,000 opt-outs and a blacklist, keeps to sending hours (open all day), has a
rate of its own and one of the carrier (both above what is reached), and finds its way through ten
routes. Others can be switched on as well: two weighted carriers in place of one, the hours by each
recipient's own clock, a daily quota, a frequency cap.

Measured as `turn` does, from the first submit to the last receipt. The figure that counts is the
ratio of a pair.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection

from tests.benchmarks import turn
from tests.benchmarks.figures import Figure
from tests.rig import Rig

AT_LEAST = 0.9

SPEED_S = 100_000
"""More a second than is reached: the limit is there, and is never the reason."""

OPTED_OUT = 100_000

# The rig's numbers are +62812, seven digits that count, and one more.
ROUTES = "\n".join(
    f"[[routes]]\n{prefix}carriers = [CARRIERS]"
    for prefix in (*(f'prefix = "+6281200{n}"\n' for n in range(9)), "")
)
ONE = '{ name = "smsc" }'
TWO = '{ name = "smsc", weight = 3 }, { name = "twin", weight = 1 }'

USUAL = ("consent", "hours", "rate", "carrier-rate", "routes")
RULES = (*USUAL, "carriers", "recipient-time", "quota", "cap")


def options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--messages", type=int, default=100_000, metavar="N")
    parser.add_argument("--window", type=int, default=500, metavar="W")
    parser.add_argument("--runs", type=int, default=5, metavar="N")
    words = ", ".join(RULES)
    parser.add_argument("--rules", nargs="+", choices=RULES, default=USUAL, metavar="R", help=words)


def run(given: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    """Pairs, one after the other."""
    plain, ruled = [], []
    for n in range(given.runs):
        pair = {rules: _measure(given, rules) for rules in (n % 2 == 0, n % 2 == 1)}
        plain.append(pair[False])
        ruled.append(pair[True])
        say(
            f"rules, pair {n + 1} of {given.runs}: {plain[-1].messages_s:,.0f}/s plain, "
            f"{ruled[-1].messages_s:,.0f}/s with all rules"
        )
    both = list(zip(ruled, plain, strict=True))
    return [
        Figure(name="plain", unit="/s", values=[one.messages_s for one in plain]),
        Figure(name="with all rules", unit="/s", values=[one.messages_s for one in ruled]),
        Figure(
            name="with ÷ plain: messages/s",
            unit="×",
            values=[one.messages_s / other.messages_s for one, other in both],
            at_least=AT_LEAST,
        ),
        Figure(
            name="with ÷ plain: engine CPU a message",
            unit="×",
            values=[one.engine_us / other.engine_us for one, other in both],
        ),
        Figure(
            name="with ÷ plain: PostgreSQL CPU a message",
            unit="×",
            values=[one.postgres_us / other.postgres_us for one, other in both],
        ),
    ]


def _measure(given: argparse.Namespace, rules: bool) -> turn.Run:
    on = given.rules if rules else ()
    # Two carriers have as many places together as the one.
    with Rig.open(window=given.window // 2 if "carriers" in on else given.window) as rig:
        rig.start_smsc(record=False, receipt_after_ms=turn.RECEIPT_AFTER_MS)
        list_name = rig.list_of(given.messages)
        _configure(rig, on)
        words = _switch_on(rig, on)
        rig.start_engine()
        return turn.measure(rig, list_name, given.messages, *words)


def _configure(rig: Rig, on: Collection[str]) -> None:
    """Adds to siaran.toml what stands there."""
    text = rig.configuration.read_text()
    if "carrier-rate" in on:
        text = text.replace("[carriers.smsc]", f"[carriers.smsc]\nrate = {SPEED_S}")
    if "carriers" in on:
        # By the system_id an SMSC knows whose receipts they are.
        carrier = text[text.index("[carriers.smsc]") :]
        text += carrier.replace("carriers.smsc", "carriers.twin").replace('"siaran"', '"twin"')
        rig.binds = 2
    if "routes" in on:
        text += ROUTES.replace("CARRIERS", TWO if "carriers" in on else ONE)
    rig.configuration.write_text(text + "\n")


def _switch_on(rig: Rig, on: Collection[str]) -> list[str]:
    """Makes the rules of the application; the words of a campaign to which they apply."""
    words: list[str] = []
    if "consent" in on:
        rig.sql(
            """
            INSERT INTO consent (application_id, mobile, event, origin, by)
            SELECT id, '+62813' || lpad(n::text, 8, '0'), 'out', 'import', 'bench'
              FROM application, generate_series(1, %s) AS n
            """,
            OPTED_OUT,
        )
        rig.sql(
            """
            INSERT INTO blacklist (application_id, mobile, origin, by)
            SELECT id, '+62814' || lpad(n::text, 8, '0'), 'import', 'bench'
              FROM application, generate_series(1, %s) AS n
            """,
            OPTED_OUT,
        )
        rig.sql("ANALYZE consent, blacklist", user="postgres")
    if "hours" in on or "recipient-time" in on:
        rig.siaran("hours", "set", "--from", "0", "--to", "24", "--days", "daily")
        words.append("--respect-hours")
    if "rate" in on:
        words += ["--rate", f"{SPEED_S}/s"]
    if "recipient-time" in on:
        words.append("--recipient-time")
    if "quota" in on:
        rig.siaran("setting", "set", "quota.daily", "9000000")
    if "cap" in on:
        rig.siaran("setting", "set", "frequency.cap", "3")
    return words
