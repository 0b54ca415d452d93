"""What a database's replication is worth to the promise that nothing accepted is lost (R-8.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

MOST_BEHIND_S = 10.0
MOST_BEHIND = 64 * 2**20
"""Octets. A standby plays on what it has before it takes writes: at some 50 MB a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One server of the URL, asked by itself. `why`: what is wrong, when it could not be asked."""

    name: str
    why: str | None = None
    standby: bool = False
    timeline: int = 0
    """Of one that takes writes: one higher, at least, with each promotion."""
    cluster: int = 0
    """The same for all copies of one."""
    started_at: datetime | None = None
    """Two names of one server (an alias, a second pooler) have this in common."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standby:
    """A server that follows the one in use. `synchronous`: a COMMIT may wait for it."""

    name: str
    synchronous: bool
    streaming: bool
    behind: int
    behind_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Replication:
    """The server in use, who follows it, and all that the URL names (in its order, if several)."""

    standby: bool
    waits_for: str
    """synchronous_standby_names."""
    commits: str
    """synchronous_commit."""
    followers: int
    standbys: tuple[Standby, ...]
    """Of the followers, those that our role may see."""
    servers: tuple[Seen, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """What somebody should look at. `grave`: nothing can be sent, or what is sent will be wrong."""

    says: str
    grave: bool = False


def doubts(found: Replication) -> list[Doubt]:
    """What is wrong with it, the gravest first; [] when a failover loses nothing."""
    everything = [*_servers(found), *_commits(found), *_standbys(found)]
    return sorted(everything, key=lambda doubt: not doubt.grave)


def summary(found: Replication) -> str:
    """How it is, in a line."""
    words = [f"{seen.name} {_role(seen)}" for seen in found.servers]
    words.append(
        f"a commit waits for {found.waits_for}"
        if found.waits_for
        else "no commit waits for a standby"
    )
    return ", ".join(words)


def _role(seen: Seen) -> str:
    return "can't be asked" if seen.why else "is a standby" if seen.standby else "takes writes"


def _servers(found: Replication) -> Iterator[Doubt]:
    answer = [seen for seen in found.servers if not seen.why]
    primaries = [seen for seen in answer if not seen.standby]
    strangers = [seen.name for seen in answer if seen.cluster != answer[0].cluster]
    if strangers:
        yield Doubt(
            grave=True,
            says=f"{' and '.join(strangers)} can't take over: no copy of {answer[0].name}, but of"
            " another cluster; correct database.url",
        )
    elif len({seen.started_at or seen.name for seen in primaries}) > 1:
        newest = max(primaries, key=lambda seen: seen.timeline)
        old = ", ".join(seen.name for seen in primaries if seen is not newest)
        yield Doubt(
            grave=True,
            says=f"{' and '.join(seen.name for seen in primaries)} all take writes: what is written"
            f" to {old} is lost, and sent twice; stop {old} and make it a standby of {newest.name}"
            f" (timeline {newest.timeline}, the newest)",
        )
    for seen in found.servers:
        if seen.why:
            yield Doubt(
                says=f"{seen.name} can't be asked from here ({seen.why}): if it takes over, this"
                " node sends nothing"
            )
    if found.standby:
        yield Doubt(
            grave=True,
            says="this server is a standby: nothing can be written, so nothing is sent; name all"
            " servers in database.url, or promote it",
        )


def _commits(found: Replication) -> Iterator[Doubt]:
    if found.commits == "off":
        yield Doubt(
            says="synchronous_commit is off: a crash of the server loses what was accepted in its last"
            " moments; set it to on"
        )
    replicated = found.followers > 0 or len(found.servers) > 1
    if found.standby or not replicated:
        return
    if not found.waits_for:
        yield Doubt(
            says="replication is not synchronous: a failover loses what was committed in the last"
            " moments before it. Messages that have gone out are sent again; replies, opt-outs and API"
            " messages that we have answered for are gone. Set synchronous_standby_names, e.g."
            " 'ANY 1 (db1, db2, db3)', on every server"
        )
    elif found.commits == "local":
        yield Doubt(
            says="synchronous_commit is local, so no commit waits for a standby: a failover loses what"
            " was committed in the last moments before it; set it to on"
        )
    elif found.commits == "remote_write":
        yield Doubt(
            says="synchronous_commit is remote_write: if both machines fail at once, what was"
            " committed in the last moments is lost; set it to on"
        )


def _standbys(found: Replication) -> Iterator[Doubt]:
    if found.standby:
        return
    if len(found.standbys) < found.followers:
        yield Doubt(
            says="our role may not see how the standbys are: GRANT pg_monitor to it, so that this can"
            " be checked"
        )
    elif found.waits_for and not any(one.synchronous and one.streaming for one in found.standbys):
        yield Doubt(
            grave=True,
            says=f"no standby that synchronous_standby_names ({found.waits_for}) waits for is"
            " connected: every commit waits, so nothing is sent; start one, or empty the setting and"
            " do without the promise meanwhile",
        )
    for one in found.standbys:
        if not one.streaming:
            yield Doubt(
                says=f"standby {one.name} is catching up: until it has, it is none to fail over to"
            )
        elif one.behind > MOST_BEHIND or one.behind_s > MOST_BEHIND_S:
            yield Doubt(
                says=f"standby {one.name} lags: it plays {one.behind / 2**20:,.0f} MB,"
                f" {one.behind_s:.0f} s behind; after a failover nothing is sent before it has them"
            )
