"""What can be said of a campaign on the command line: the same words for quick, new, preview, edit."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from admin_cli.files import Errors, OnError, OnErrorOption

if TYPE_CHECKING:
    from engine.operations.drafts import Draft
    from engine.operations.importing import Upload


class Encoding(StrEnum):
    """How the text is carried."""

    AUTO = "auto"
    GSM = "gsm"
    UCS2 = "ucs2"


Message = Annotated[
    str | None,
    typer.Option("--message", metavar="TEXT", help="%%1%% … %%6%% are the member's params"),
]
Template = Annotated[
    str | None,
    typer.Option("--template", metavar="NAME", help="instead: the text of a template as it is now"),
]
Now = Annotated[bool, typer.Option("--now", help="as soon as it is its turn")]
At = Annotated[
    str | None,
    typer.Option("--at", metavar="TIME", help='"2026-12-01 09:10", on a slot of 10 minutes'),
]
Timezone = Annotated[
    str | None,
    typer.Option("--timezone", metavar="TZ", help="of the times (default: the application's)"),
]
Batch = Annotated[
    str | None, typer.Option("--batch", metavar="B", help="a reference of your own, searchable")
]
Sender = Annotated[
    str | None, typer.Option("--sender", metavar="S", help="who it comes from (see sender ls)")
]
Rate = Annotated[
    str | None,
    typer.Option("--rate", metavar="R", help="no faster than 50/s or 300/m, in messages"),
]
NotAfter = Annotated[
    str | None,
    typer.Option("--not-after", metavar="TIME", help="what is unsent then expires"),
]
EncodingOption = Annotated[
    Encoding, typer.Option("--encoding", help="auto: GSM where it carries the text, else UCS-2")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be sent, and how."""

    message: Message = None
    template: Template = None
    now: Now = False
    at: At = None
    timezone: Timezone = None
    batch: Batch = None
    sender: Sender = None
    encoding: EncodingOption = Encoding.AUTO
    transliterate: Annotated[
        bool,
        typer.Option(
            "--transliterate", help="typographic characters as plain ones, to stay in GSM"
        ),
    ] = False
    flash: Annotated[
        bool, typer.Option("--flash", help="it shows at once, and the phone doesn't keep it")
    ] = False
    rate: Rate = None
    not_after: NotAfter = None
    recipient_time: Annotated[
        bool,
        typer.Option("--recipient-time", help="the sending hours by each recipient's own clock"),
    ] = False
    send_to_opted_out: Annotated[
        bool,
        typer.Option("--send-to-opted-out", help="to who has opted out, too (admins, --reason)"),
    ] = False
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="of that, for the log")
    ] = None
    response: Annotated[
        str | None,
        typer.Option("--response", metavar="TEXT", help="what replies to the list are answered"),
    ] = None

    def draft(self, *, respect_hours: bool = False) -> Draft:
        """As the operations take it. Raises BadParameter for what doesn't go together."""
        from engine.operations.drafts import Draft

        if (self.message is None) == (self.template is None):
            raise typer.BadParameter("say what: --message TEXT, or --template NAME")
        if self.now == (self.at is not None):
            raise typer.BadParameter('say when: --now, or --at "2026-12-01 09:10"')
        if self.transliterate and self.encoding is Encoding.UCS2:
            raise typer.BadParameter("--transliterate stays in GSM, --encoding ucs2 leaves it")
        if self.send_to_opted_out and not (self.reason and self.reason.strip()):
            raise typer.BadParameter("--send-to-opted-out needs a --reason; it stands in the log")
        if self.reason and not self.send_to_opted_out:
            raise typer.BadParameter("--reason is that of --send-to-opted-out; give both")
        return Draft(
            message=self.message,
            template=self.template,
            at=self.at,
            timezone=self.timezone,
            batch=self.batch,
            sender=self.sender,
            encoding=self.encoding.value,
            transliterate=self.transliterate,
            flash=self.flash,
            rate=self.rate,
            not_after=self.not_after,
            respect_hours=respect_hours,
            recipient_time=self.recipient_time,
            opted_out_reason=self.reason,
            response=self.response,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How a file is read, and what its list is given."""

    email: Annotated[
        str | None, typer.Option("--email", metavar="E", help="where replies are forwarded to")
    ] = None
    keep_opted_out: Annotated[
        bool, typer.Option("--keep-opted-out", help="as members that nothing is sent to")
    ] = False
    strict: Annotated[bool, typer.Option("--strict", help="doubtful numbers are invalid, too")] = (
        False
    )
    on_error: OnErrorOption = OnError.ABORT
    errors: Errors = None

    def upload(self, file: Path, list_name: str, batch: str | None) -> Upload:
        """As the operations take it."""
        from engine.operations.importing import Upload

        return Upload(
            list=list_name,
            file=file,
            create=True,
            batch=batch,
            email=self.email,
            keep_opted_out=self.keep_opted_out,
            strict=self.strict,
            skip_invalid=self.on_error is OnError.SKIP,
            errors=self.errors,
        )
