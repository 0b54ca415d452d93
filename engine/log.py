"""One log line an event: its name, then fields. Never a message's text, never a secret.

Mobiles are masked unless `SIARAN_LOG_MOBILES=1` (R-8.5).
"""

import json
import logging
import os
import re

from engine import clock

_logger = logging.getLogger("siaran")
_MOBILE = re.compile(r"\+?\d{7,15}")


def start(level: int = logging.INFO) -> None:
    """Sends log lines to standard error, each with its time (UTC) and level."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    _logger.handlers = [handler]
    _logger.setLevel(level)
    _logger.propagate = False


def info(event: str, **fields: object) -> None:
    """Something that an operator wants to know."""
    _logger.info(_line(event, fields))


def warning(event: str, **fields: object) -> None:
    """Something that an operator may have to look at."""
    _logger.warning(_line(event, fields))


def error(event: str, **fields: object) -> None:
    """Something that an operator must look at."""
    _logger.error(_line(event, fields))


def _line(event: str, fields: dict[str, object]) -> str:
    words = [f"{clock.utc_now():%Y-%m-%dT%H:%M:%S.%f}Z", event]
    for name, value in fields.items():
        text = value if isinstance(value, str) else json.dumps(value, default=str)
        if isinstance(value, str):
            text = json.dumps(masked(text)) if re.search(r'[\s"=]', text) else masked(text)
        words.append(f"{name}={text}")
    return " ".join(words)


def masked(text: str) -> str:
    """The text with the middle of each mobile covered."""
    if os.environ.get("SIARAN_LOG_MOBILES") == "1":
        return text
    return _MOBILE.sub(lambda match: match[0][:4] + "…" + match[0][-2:], text)
