"""`siaran sender`: the numbers and masks that messages come from."""

from __future__ import annotations

from typing import Annotated

import typer

from admin_cli.desk import Desk, command, noun

app = noun("Sender numbers and masks.")

_Address = Annotated[
    str, typer.Argument(metavar="ADDRESS", help="short code, +number, or mask of 11 characters")
]
_Ton = Annotated[
    int | None, typer.Option("--ton", min=0, max=255, metavar="N", help="type of number")
]
_Npi = Annotated[
    int | None, typer.Option("--npi", min=0, max=255, metavar="N", help="numbering plan")
]
_Default = Annotated[bool, typer.Option("--default", help="used when a campaign names none")]
_COLUMNS = ("address", "ton", "npi", "dedicated", "is_default", "created_at")


@command(
    app,
    "add",
    "siaran sender add 3774 --dedicated --default",
    "siaran sender add Siaran --ton 5 --npi 0",
)
def add(
    desk: Desk,
    address: _Address,
    ton: _Ton = None,
    npi: _Npi = None,
    dedicated: Annotated[
        bool, typer.Option("--dedicated", help="of this application alone; takes replies")
    ] = False,
    default: _Default = False,
) -> None:
    """Add a sender; TON and NPI follow from the address unless they are given."""
    from engine.operations import senders

    sender = desk.run(senders.add, address, ton=ton, npi=npi, dedicated=dedicated, default=default)
    desk.done(f"sender {sender.address} added (TON {sender.ton}, NPI {sender.npi})", sender)


@command(
    app,
    "ls",
    "siaran sender ls",
    "siaran sender ls --json",
)
def ls(desk: Desk) -> None:
    """List the senders, the default first."""
    from engine.operations import senders

    desk.rows(desk.run(senders.ls), *_COLUMNS, empty="no senders; add one: siaran sender add")


@command(
    app,
    "edit",
    "siaran sender edit +64211234567 --default",
    "siaran sender edit 3774 --no-dedicated --ton 3",
)
def edit(
    desk: Desk,
    address: _Address,
    ton: _Ton = None,
    npi: _Npi = None,
    dedicated: Annotated[
        bool | None,
        typer.Option("--dedicated/--no-dedicated", help="of this application alone or not"),
    ] = None,
    default: _Default = False,
) -> None:
    """Change what is given of a sender, the rest stays."""
    from engine.operations import senders

    sender = desk.run(senders.edit, address, ton=ton, npi=npi, dedicated=dedicated, default=default)
    desk.done(f"sender {sender.address} changed", sender)


@command(
    app,
    "delete",
    "siaran sender delete Siaran",
    "siaran sender delete +64211234567 --yes",
)
def delete(desk: Desk, address: _Address) -> None:
    """Delete a sender that no open campaign needs, after a confirmation."""
    from engine.operations import senders

    desk.confirm(f"Delete sender {address}?")
    sender = desk.run(senders.delete, address)
    desk.done(f"sender {sender.address} deleted", sender)
