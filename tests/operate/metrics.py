"""Which metrics there are, and which a text names."""

from __future__ import annotations

import re

from engine.metrics import Metrics

PARTS = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}


def known() -> set[str]:
    """Every name that a query may use: also those of a histogram's parts."""
    return {
        f"{metric.name}{part}"
        for metric in Metrics().registry.collect()
        for part in PARTS.get(metric.type, ("",))
    }


def named(text: str) -> set[str]:
    """The names of ours, and of the client library's, in a text."""
    return set(re.findall(r"\b((?:siaran|process)_[a-z_]+[a-z])\b", text))
