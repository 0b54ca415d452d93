"""What requests may hold: a field that is not here is refused by name, never ignored (R-7.8)."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from engine.domain.message import MessageState
from engine.operations.submitting import MOST, Wanted

NO_NUL: Final = r"^[^\x00]*$"
"""What PostgreSQL can store as text; whatever else won't do the operations say."""

Plain = Annotated[str, Field(pattern=NO_NUL)]
Number = Annotated[
    Plain, Field(min_length=1, max_length=40, description="in international format: `+64211234567`")
]
Id = Annotated[int, Field(ge=1, lt=2**63)]
Text = Annotated[Plain, Field(min_length=1, max_length=10_000)]
Name = Annotated[Plain, Field(min_length=1, max_length=200)]
Word = Annotated[Plain | None, Field(max_length=100)]
Reason = Annotated[Plain | None, Field(max_length=500, description="stands in the log")]
Params = Annotated[list[Annotated[Plain, Field(max_length=200)]], Field(max_length=6)]
Flag = Annotated[bool, Field(strict=True)]
Whole = Annotated[int, Field(strict=True)]
Confirm = Annotated[
    Flag, Field(description="agreed to a message of several segments, and what it costs")
]


class Body(BaseModel):
    """What no field is known of is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Message(Body):
    """A message to one number."""

    to: Number
    text: Text
    sender: Annotated[Name | None, Field(description="the application's default without")] = None
    encoding: Literal["auto", "gsm", "ucs2"] = "auto"
    transliterate: Annotated[
        Flag, Field(description="replace typographic quotes and the like to stay in GSM")
    ] = False
    flash: Flag = False
    transactional: Annotated[
        Flag, Field(description="before all others, and at any hour; for a message alone")
    ] = False
    send_at: Annotated[AwareDatetime | None, Field(description="at most 7 days ahead")] = None
    validity_s: Annotated[
        Whole | None,
        Field(
            ge=60,
            le=7 * 86_400,
            description="of no use after so many seconds, up to the next minute",
        ),
    ] = None

    def wanted(self) -> Wanted:
        """As the operations take it."""
        return Wanted(
            to=self.to,
            text=self.text,
            sender=self.sender,
            encoding=self.encoding,
            transliterate=self.transliterate,
            flash=self.flash,
            transactional=self.transactional,
            send_at=self.send_at,
            validity_s=self.validity_s,
        )


class Messages(Body):
    """Up to a thousand messages: all are accepted, or none."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=MOST)]


def _which(value: Any) -> str:
    return "many" if isinstance(value, dict) and "messages" in value else "one"


OneOrMany = Annotated[
    Annotated[Message, Tag("one")] | Annotated[Messages, Tag("many")], Discriminator(_which)
]


class ListCreation(Body):
    """A list to be made."""

    name: Name
    batch: Name | None = None
    email: Name | None = None


class ListChange(Body):
    """What is to be another way; an empty text takes batch or e-mail address away."""

    name: Name | None = None
    batch: Annotated[Plain | None, Field(max_length=200)] = None
    email: Annotated[Plain | None, Field(max_length=300)] = None


class NewMember(Body):
    """A member to be."""

    mobile: Number
    params: Params = []


MemberList = Annotated[list[NewMember], Field(min_length=1, max_length=10_000)]


class NewMembers(Body):
    """Members to be added to a list, as an import would: all or none, unless invalid ones are
    skipped."""

    members: MemberList
    keep_opted_out: Flag = False
    skip_invalid: Flag = False


class MemberParams(Body):
    """Other params of a member, all of them at once."""

    params: Params


class OptIn(Body):
    """An opt-out that was a mistake, and why it is right to send again."""

    everywhere: Flag = False
    reason: Annotated[Plain, Field(min_length=1, max_length=500, description="stands in the log")]


class OptOut(Body):
    """A number that wants no more messages to the list, or everywhere in the application."""

    everywhere: Flag = False
    reason: Reason = None


class CampaignFields(Body):
    """What a campaign may be told, in the words of `siaran campaign new`."""

    message: Text | None = None
    template: Name | None = None
    at: Annotated[
        Plain | None, Field(max_length=40, description="on a slot of ten minutes; now without")
    ] = None
    timezone: Annotated[Plain | None, Field(max_length=60)] = None
    batch: Name | None = None
    sender: Name | None = None
    rate: Annotated[Plain | None, Field(max_length=20, description="50/s or 300/m")] = None
    not_after: Annotated[Plain | None, Field(max_length=40)] = None
    confirm: Confirm = False


class NewCampaign(CampaignFields):
    """A campaign to a list that is there, to the members in the request (a quick one), or to those
    of an earlier campaign."""

    list: Annotated[
        Name | None, Field(description="of members in the request, the name of a new one")
    ] = None
    from_: Annotated[
        Whole | None,
        Field(
            ge=1,
            lt=2**63,
            alias="from",
            description="to those of this campaign whose message is in `status`",
        ),
    ] = None
    status: Annotated[MessageState | None, Field(description="with `from`")] = None
    members: MemberList | None = None
    encoding: Literal["auto", "gsm", "ucs2"] = "auto"
    transliterate: Flag = False
    flash: Flag = False
    respect_hours: Flag = False
    recipient_time: Flag = False
    response: Text | None = None
    keep_opted_out: Flag = False
    skip_invalid: Flag = False

    @model_validator(mode="after")
    def _to_whom(self) -> NewCampaign:
        if (self.list is None) is (self.from_ is None):
            raise ValueError("say to whom: `list`, or `from` and `status`")
        if (self.from_ is None) is not (self.status is None):
            raise ValueError("`from` and `status` go together")
        if self.members is not None and self.from_ is not None:
            raise ValueError("`members` go with `list`, not with `from`")
        return self


class CampaignChange(CampaignFields):
    """What is to be another way; `version` is that which was seen."""

    list: Name | None = None
    now: Annotated[Flag, Field(description="start at once")] = False
    encoding: Literal["auto", "gsm", "ucs2"] | None = None
    transliterate: Flag | None = None
    flash: Flag | None = None
    respect_hours: Flag | None = None
    recipient_time: Flag | None = None
    version: Whole | None = None


class Because(Body):
    """Why."""

    reason: Reason = None


class NewTemplate(Body):
    """A template to be."""

    name: Name
    text: Text


class TemplateText(Body):
    """Another text of a template."""

    text: Text


class Blacklisting(Body):
    """A number that is never to be sent to."""

    mobile: Number
    reason: Reason = None


class NewKeyword(Body):
    """A word that joins who sends it to a list."""

    keyword: Name
    list: Name
    response: Text | None = None
    active: Flag = True


class KeywordChange(Body):
    """What is to be another way; an empty response is none."""

    list: Name | None = None
    response: Annotated[Plain | None, Field(max_length=10_000)] = None
    active: Flag | None = None


class ResponseText(Body):
    """A text that is sent by itself; of kind `list` it is for one list."""

    text: Text
    list: Name | None = None


class NewCommand(Body):
    """A word that opts out."""

    word: Name


class CommandSwitch(Body):
    """Whether a word opts out."""

    enabled: Flag


class SendingHours(Body):
    """When messages may be sent: from hour to hour, on these days, by the clock of a time zone."""

    from_: Annotated[Whole, Field(alias="from", ge=0, le=23)]
    to: Annotated[Whole, Field(ge=1, le=24)]
    days: Annotated[
        Plain, Field(min_length=1, max_length=60, description="mon-fri, or mon,wed,sat, or all")
    ]
    timezone: Annotated[
        Plain | None,
        Field(min_length=1, max_length=60, description="the application's own without"),
    ] = None


class Callback(Body):
    """Where replies or receipts are posted: all of it, what is not said is taken away.

    Secrets are kept, and never shown again.
    """

    url: Annotated[Plain, Field(min_length=1, max_length=2_000)]
    headers: Annotated[
        dict[Plain, Annotated[Plain, Field(max_length=2_000)]],
        Field(max_length=20, description="sent with each post"),
    ] = {}
    events: Annotated[
        Literal["final", "all"], Field(description="final statuses of a message, or each")
    ] = "final"
    oauth_url: Annotated[Plain | None, Field(max_length=2_000)] = None
    client_id: Annotated[Plain | None, Field(max_length=500)] = None
    client_secret: Annotated[Plain | None, Field(max_length=5_000)] = None
    scope: Annotated[Plain | None, Field(max_length=500)] = None
    hmac_secret: Annotated[
        Plain | None, Field(max_length=5_000, description="signs each body with HMAC-SHA-256")
    ] = None
    ca_pem: Annotated[Plain | None, Field(max_length=100_000)] = None


class Replay(Body):
    """Which dead events are told after all: these, or `everything`."""

    ids: Annotated[
        list[Annotated[int, Field(ge=1, lt=2**63, strict=True)]], Field(max_length=5_000)
    ] = []
    everything: Flag = False
