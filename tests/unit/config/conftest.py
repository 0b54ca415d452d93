"""A configuration file for each test, as its text."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from config.load import load
from config.settings import Settings

Loader = Callable[..., Settings]


@pytest.fixture
def loaded(tmp_path: Path) -> Loader:
    """`loaded(text, environ)`: the settings of a file `siaran.toml` that says `text`."""

    def load_text(text: str, environ: Mapping[str, str] | None = None) -> Settings:
        path = tmp_path / "siaran.toml"
        path.write_text(text, encoding="utf-8")
        return load(path, environ or {})

    return load_text
