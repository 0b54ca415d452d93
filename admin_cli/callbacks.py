"""`siaran callback`: where an application is told of replies and receipts over HTTP."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from admin_cli.desk import Desk, command, noun

if TYPE_CHECKING:
    from engine.operations import callbacks

app = noun("Callbacks: replies and receipts, posted to an address of yours.")


class Kind(StrEnum):
    """What is told."""

    REPLY = "reply"
    RECEIPT = "receipt"


class Events(StrEnum):
    """Which statuses."""

    FINAL = "final"
    ALL = "all"


KindArgument = Annotated[Kind, typer.Argument(metavar="reply|receipt", help="of what it is told")]
_Rows = Annotated[int, typer.Option("--rows", min=0, metavar="N", help="at most N; 0: all")]


@command(
    app,
    "set",
    "siaran callback set receipt https://api.example.com/receipts --hmac-secret-file hmac.secret",
    "siaran callback set reply https://api.example.com/replies --header X-Api-Key=4711",
    "siaran callback set receipt https://api.example.com/r --oauth-url https://auth.example.com/token"
    " --client-id siaran --client-secret-file oauth.secret --scope sms",
)
def set_(
    desk: Desk,
    kind: KindArgument,
    url: Annotated[str, typer.Argument(metavar="URL", help="https://…, where it is posted")],
    headers: Annotated[
        list[str] | None,
        typer.Option("--header", metavar="K=V", help="sent with each post; K=@FILE reads it"),
    ] = None,
    events: Annotated[
        Events, typer.Option("--events", help="final statuses of a message, or each")
    ] = Events.FINAL,
    oauth_url: Annotated[
        str | None,
        typer.Option("--oauth-url", metavar="URL", help="where OAuth 2 gives out tokens"),
    ] = None,
    client_id: Annotated[str | None, typer.Option("--client-id", metavar="ID")] = None,
    client_secret_file: Annotated[
        str | None, typer.Option("--client-secret-file", metavar="FILE", help="- reads stdin")
    ] = None,
    scope: Annotated[str | None, typer.Option("--scope", metavar="SCOPE")] = None,
    hmac_secret_file: Annotated[
        str | None,
        typer.Option(
            "--hmac-secret-file", metavar="FILE", help="signs each body with HMAC-SHA-256"
        ),
    ] = None,
    ca_file: Annotated[
        Path | None,
        typer.Option("--ca-file", metavar="FILE", help="a private CA in PEM, instead of the usual"),
    ] = None,
) -> None:
    """Set where replies, or the receipts of messages, are posted as JSON, from now on.

    It replaces all that was set for that kind: what you don't say is taken away. What is still due
    goes to the new address, and a suspension ends. Secrets come from files (a header's, too: K=@FILE),
    are kept in the database and never shown. `siaran callback test` tries the address.
    """
    from engine.operations import callbacks

    if client_secret_file == "-" and hmac_secret_file == "-":
        raise typer.BadParameter("only one secret can come from stdin")
    asked = callbacks.Asked(
        url=url,
        headers=tuple(map(_header, headers or ())),
        events=callbacks.Events(events),
        oauth_url=oauth_url,
        client_id=client_id,
        client_secret=_read(client_secret_file),
        scope=scope,
        hmac_secret=_read(hmac_secret_file),
        ca_pem=_read(None if ca_file is None else str(ca_file), most=1 << 20),
    )
    allow_private = desk.settings().callbacks.allow_private
    shown, notices = desk.run(
        callbacks.set_, callbacks.Kind(kind), asked, allow_private=allow_private
    )
    for notice in notices:
        desk.note(notice)
    what = "replies are"
    if kind is Kind.RECEIPT:
        what = "each status of a message is" if events is Events.ALL else "final statuses are"
    due = f"; {shown.waiting:,} are due" if shown.waiting else ""
    test = f"; `siaran callback test {kind.value}` tries it"
    desk.done(f"{what} posted to {shown.url}{due}{test}", shown)


def _header(pair: str) -> str:
    """`K=@FILE` with what stands in the file: an argument could be read by all of the machine."""
    name, equals, value = pair.partition("=")
    if not value.startswith("@"):
        return pair
    return f"{name}{equals}{(_read(value[1:]) or '').rstrip()}"


def _read(file: str | None, most: int = 1 << 16) -> str | None:
    """What stands in a file; no more of it than it may have."""
    from engine.operations import Refused

    if file is None:
        return None
    try:
        if file == "-":
            octets = sys.stdin.buffer.read(most + 1)
        else:
            with Path(file).open("rb") as opened:
                octets = opened.read(most + 1)
        if len(octets) > most:
            raise Refused(f"{file}: larger than {most:,} octets; this can't be it")
        return octets.decode("utf-8")
    except OSError as error:
        raise Refused(f"{file}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Refused(f"{file}: not UTF-8 text; give a file of one line of text") from None


@command(app, "show", "siaran callback show", "siaran callback show --json")
def show(desk: Desk) -> None:
    """Show what is set, and how much is due; secrets and the values of headers are never shown."""
    from engine.operations import callbacks

    found = desk.run(callbacks.show)
    if desk.json or not found:
        desk.rows(found, "kind", empty="no callbacks are set; see `siaran callback set --help`")
        return
    for number, one in enumerate(found):
        if number:
            print()
        desk.card(_card(one), title=f"{one.kind.value}: {one.url}")


def _card(one: callbacks.Shown) -> dict[str, object]:
    """What a person wants to know of an endpoint, in that order; None is left out."""
    oauth = None
    if one.oauth_url is not None:
        scope = f", scope {one.oauth_scope}" if one.oauth_scope else ""
        oauth = f"{one.oauth_url}, client {one.oauth_client_id}{scope}"
    told = "each status" if one.events.value == Events.ALL else "final statuses"
    return {
        "told": "each reply" if one.kind.value == Kind.REPLY else told,
        "headers": ", ".join(f"{name}: ********" for name in one.headers) or None,
        "oauth": oauth,
        "secrets": ", ".join(one.secrets) or None,
        "CA": "its own" if one.private_ca else None,
        "set_at": one.set_at,
        "suspended_at": one.suspended_at,
        "because": one.suspended_why,
        "due": one.waiting,
        "oldest_at": one.oldest_at,
        "tried in vain": one.tried or None,
        "dead": one.dead or None,
    }


@command(
    app, "test", "siaran callback test receipt", "siaran callback test reply --config siaran.toml"
)
def test(desk: Desk, kind: KindArgument) -> None:
    """Post a sample event as the engine would, and show what came of it.

    It has MessageId (or id) 0, no campaign, the number +10005550100, and an Idempotency-Key that begins
    with `test.`: take it and forget it. A 2xx ends a suspension. Exit code: 1 it is refused, 3 it
    can't be told now.
    """
    from admin_cli import callback_test

    callback_test.test(desk, kind.value)


@command(app, "dead", "siaran callback dead", "siaran callback dead --kind receipt --json")
def dead(
    desk: Desk,
    kind: Annotated[
        Kind | None, typer.Option("--kind", metavar="reply|receipt", help="only these")
    ] = None,
    rows: _Rows = 100,
) -> None:
    """List the events that could not be told, the newest first, with the reason.

    Each was refused by the endpoint, or has failed for five days. ABOUT is the message or the reply.
    They are kept for 30 days, and no longer than `retention.text`.
    """
    from engine.operations import callbacks

    of = None if kind is None else callbacks.Kind(kind)
    found = desk.run(callbacks.dead, kind=of, limit=rows or None)
    columns = ("id", "kind", "about_id", "status", "created_at", "attempts", "died_at", "reason")
    desk.rows(found, *columns, empty="no events are dead")
    desk.more(len(found), rows)


@command(app, "replay", "siaran callback replay 1204 1207", "siaran callback replay --all --yes")
def replay(
    desk: Desk,
    ids: Annotated[
        list[int] | None, typer.Argument(metavar="ID…", min=1, help="as `callback dead` shows them")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="all dead events of the application")
    ] = False,
) -> None:
    """Tell dead events after all, once what was wrong is mended.

    Each goes to the address that is set now, has five days again, and is posted under the same
    Idempotency-Key. It may come after a later status of its message: StatusDate says which is newer.
    """
    from engine.operations import callbacks

    if everything and not ids:
        desk.confirm("Tell all dead events again?")
    actor = desk.actor()
    back: list[int] = []
    with desk.database() as database:
        while True:
            some, more = database.run(
                callbacks.replay, actor, tuple(ids or ()), everything=everything
            )
            back += [one.id for one in some]
            if not more:
                break
    count = f"{len(back):,} event{'' if len(back) == 1 else 's'}"
    desk.done(f"{count} will be told again; see `siaran callback show`", {"replayed": back})


@command(app, "off", "siaran callback off receipt", "siaran callback off reply --yes")
def off(desk: Desk, kind: KindArgument) -> None:
    """Tell nothing of a kind any more, after a confirmation; what is still due is deleted.

    To pause the posts and keep what is due, let the endpoint answer 503: it is asked again for days.
    """
    from engine.operations import callbacks

    actor = desk.actor()
    with desk.database() as database:
        due = database.run(callbacks.due, actor, callbacks.Kind(kind))
        lost = f"; {due:,} that are due will be deleted, never told" if due else ""
        what = "replies" if kind is Kind.REPLY else "receipts"
        desk.confirm(f"Post no {what} any more{lost}?")
        shown = database.run(callbacks.off, actor, callbacks.Kind(kind))
        while database.run(callbacks.clear):
            pass
    deleted = f"; {shown.waiting:,} that were due are deleted" if shown.waiting else ""
    desk.done(f"{what} are posted nowhere any more{deleted}", shown)
