"""Mails as they are written: headers that nobody can add to, a text in UTF-8 (R-6.8, R-1.6).

Whatever stands in a list's name or a subscriber's message, a header is one line of printable
characters. Facts come before the subscriber's text, so that the text can't be taken for them.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any, Final
from zoneinfo import ZoneInfo

__all__ = ["Import", "Reply", "letter"]

LONGEST: Final = 120
"""Characters of a name in a header."""

_COUNTS: Final = (
    ("rows", "rows read"),
    ("imported", "imported"),
    ("already_there", "already there"),
    ("updated", "of these, with new params"),
    ("duplicates", "duplicates in the file"),
    ("blacklisted", "blacklisted"),
    ("opted_out", "opted out"),
    ("deleted", "deleted from the list earlier"),
    ("invalid", "invalid"),
    ("prefix_mapped", "with a mapped prefix"),
    ("doubtful", "doubtful"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a subscriber wrote. `text` None: it is not kept any more."""

    list: str
    batch: str | None
    campaign_id: int | None
    campaign_text: str | None
    mobile: str | None
    destination: str | None
    received_at: datetime | None
    timezone: str
    text: str | None
    whole: bool
    meaning: str | None
    params: Sequence[str]

    @property
    def subject(self) -> str:
        """The same for all of a campaign, so that mail programs show them together."""
        campaign = "" if self.campaign_id is None else f", campaign {self.campaign_id}"
        return f"Reply to list {shown(self.list)}{campaign}"

    @property
    def body(self) -> str:
        at = self.received_at and self.received_at.astimezone(ZoneInfo(self.timezone))
        facts = (
            ("From", self.mobile),
            ("To", self.destination),
            ("Received", at and f"{at:%Y-%m-%d %H:%M:%S %z} ({self.timezone})"),
            ("List", self.list),
            ("Batch", self.batch),
            ("Campaign", None if self.campaign_id is None else str(self.campaign_id)),
            ("Params", ", ".join(self.params)),
            ("Taken for", self.meaning),
            ("It answers", self.campaign_text),
        )
        lines = [f"{name}: {shown(value, None)}" for name, value in facts if value]
        if not self.whole:
            lines.append("Parts of the message did not arrive.")
        text = "(the text is no longer kept)" if self.text is None else self.text
        return "\n".join([*lines, "", text, ""])


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """The report of an import, as the outbox keeps it; `errors` are (line, value, reason)."""

    by: str
    report: Mapping[str, Any]
    errors: Sequence[Sequence[Any]] = ()

    @property
    def subject(self) -> str:
        name, report = shown(str(self.report.get("list", ""))), self.report
        if not report.get("done"):
            return f"Import into list {name}: nothing was imported"
        return f"Import into list {name}: {report['imported']:,} of {report['rows']:,} rows"

    @property
    def body(self) -> str:
        lines = [f"{self.subject}.", f"It was run by {shown(self.by)}.", ""]
        for key, words in _COUNTS:
            count = self.report.get(key, 0)
            if count or key in ("rows", "imported", "invalid"):
                lines.append(f"{count:>12,}  {words}")
        lines += ["", *(shown(one, None) for one in self.report.get("notices", ()))]
        if self.errors:
            told, invalid = len(self.errors), self.report.get("invalid", 0)
            some = "all" if told >= invalid else f"the first {told:,} of {invalid:,}"
            lines.append(f"The attached errors.csv has {some} invalid rows.")
        return "\n".join([*lines, ""])

    @property
    def attachment(self) -> str | None:
        """The invalid rows, as CSV."""
        if not self.errors:
            return None
        text = io.StringIO()
        rows = csv.writer(text)
        rows.writerow(["line", "value", "reason"])
        rows.writerows(self.errors)
        return text.getvalue()


def letter(
    content: Reply | Import,
    *,
    sender: str,
    recipient: str,
    at: datetime,
    message_id: str,
    thread: str | None = None,
) -> bytes:
    """The mail as it goes over the wire. `message_id` and `thread` without their brackets.

    It is the same octets each time but for the boundary of an attachment.
    """
    message = EmailMessage(policy=SMTP if recipient.isascii() else SMTP.clone(utf8=True))
    message["From"] = Address(addr_spec=sender)
    message["To"] = recipient
    # What looks like an encoded word would be decoded, and may have a line of its own in it.
    message["Subject"] = content.subject.replace("=?", "= ?")
    message["Date"] = at
    message["Message-ID"] = f"<{message_id}>"
    if thread is not None:
        message["References"] = f"<{thread}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday answers it
    message.set_content(content.body, cte="base64" if _dense(content.body) else "quoted-printable")
    if isinstance(content, Import) and (attached := content.attachment) is not None:
        message.add_attachment(
            attached.encode("utf-8-sig"),
            maintype="text",
            subtype="csv",
            filename="errors.csv",
            params={"charset": "utf-8"},
        )
    return bytes(message)


def shown(text: str, longest: int | None = LONGEST) -> str:
    """The text on one line: no control characters, none that turn the direction of what follows."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if longest is None or len(line) <= longest else f"{line[: longest - 1]}…"


def _dense(text: str) -> bool:
    """Whether most of it is outside of ASCII."""
    return sum(not c.isascii() for c in text) * 3 > len(text)
