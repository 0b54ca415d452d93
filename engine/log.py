"""One log line an event: its name, then fields. Never a message's text, never a secret.

As `[log]` has it, a line is text for people, logfmt, or a JSON document; an event and its fields are
called the same in each. Mobiles are masked unless `[log]` or `SIARAN_LOG_MOBILES=1` shows them (R-8.5).

    INFO 2026-11-25T09:00:01.368117Z bind.up carrier=tui bind=tui-1 peer="SMSC of Tui"
    at=2026-11-25T09:00:01.368117Z level=info event=bind.up carrier=tui bind=tui-1 peer="SMSC of Tui"
    {"at": "2026-11-25T09:00:01.368117Z", "level": "info", "event": "bind.up", "carrier": "tui", …}

What libraries say to Python's log comes out in the same form, as the event `library`.
"""

import json
import logging
import os
import re
from typing import Any, Final

from engine import clock

_logger = logging.getLogger("siaran")
_MOBILE = re.compile(r"\+?\d{7,15}")
_QUOTED: Final = re.compile(r'[\s"=\\]|^$|[\x00-\x1f\x7f]')
_shows_mobiles = False


def start(form: str = "text", level: str = "info", *, mobiles: bool = False) -> None:
    """Sends log lines to standard error: `form` text, logfmt or json, from that level on.

    May be called again at any time, with something else.
    """
    global _shows_mobiles
    _shows_mobiles = mobiles
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter(form))
    _logger.handlers = [handler]
    _logger.setLevel(level.upper())
    _logger.propagate = False
    root = logging.getLogger()
    root.handlers = [one for one in root.handlers if not isinstance(one, _Libraries)]
    libraries = _Libraries()
    libraries.setLevel(logging.WARNING)
    libraries.setFormatter(_Formatter(form))
    root.addHandler(libraries)


def info(event: str, **fields: object) -> None:
    """Something that an operator wants to know."""
    _tell(logging.INFO, event, fields)


def warning(event: str, **fields: object) -> None:
    """Something that an operator may have to look at."""
    _tell(logging.WARNING, event, fields)


def error(event: str, **fields: object) -> None:
    """Something that an operator must look at."""
    _tell(logging.ERROR, event, fields)


def _tell(level: int, event: str, fields: dict[str, object]) -> None:
    if _logger.isEnabledFor(level):
        at = f"{clock.utc_now():%Y-%m-%dT%H:%M:%S.%f}Z"
        known = {name: _seen(value) for name, value in fields.items()}
        words = " ".join([at, event, *_words(known)])
        _logger.log(level, "%s", words, extra={"siaran": (at, event, known)})


class _Libraries(logging.StreamHandler[Any]):
    """What is not ours, from warnings on."""


class _Formatter(logging.Formatter):
    """A record as a line."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        at, event, fields = getattr(record, "siaran", None) or _foreign(record)
        level = record.levelname.lower()
        if self._form == "json":
            document = {"at": at, "level": level, "event": event, **fields}
            return json.dumps(document, default=str, ensure_ascii=False)
        if self._form == "logfmt":
            return " ".join([f"at={at}", f"level={level}", f"event={event}", *_words(fields)])
        return " ".join([record.levelname, at, event, *_words(fields)])


def _foreign(record: logging.LogRecord) -> tuple[str, str, dict[str, object]]:
    """A library's record as an event: one line, whatever it holds."""
    fields: dict[str, object] = {"logger": record.name, "says": masked(record.getMessage())}
    if record.exc_info and record.exc_info[1] is not None:
        fields["error"] = masked(repr(record.exc_info[1]))
    return f"{clock.utc_now():%Y-%m-%dT%H:%M:%S.%f}Z", "library", fields


def _seen(value: object) -> object:
    return masked(value) if isinstance(value, str) else value


def _words(fields: dict[str, object]) -> list[str]:
    """`name=value`, quoted where that is needed to read it again."""
    words = []
    for name, value in fields.items():
        if isinstance(value, str):
            text = json.dumps(value) if _QUOTED.search(value) else value
        else:
            text = json.dumps(value, default=str)
        words.append(f"{name}={text}")
    return words


def masked(text: str) -> str:
    """The text with the middle of each mobile covered."""
    if _shows_mobiles or os.environ.get("SIARAN_LOG_MOBILES") == "1":
        return text
    return _MOBILE.sub(lambda match: match[0][:4] + "…" + match[0][-2:], text)
