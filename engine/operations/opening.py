"""Opening the database: with the schema that this version of the code is written for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from config.settings import Settings
from engine.domain.errors import Refused
from engine.store import migrations
from engine.store.db import Database


@contextlib.contextmanager
def open_database(settings: Settings) -> Iterator[Database]:
    """The configured database, or the embedded one, until the end of the block.

    The embedded one belongs to this installation, so what its schema lacks is made at once. A
    server by URL may be shared with engines of the previous version: there somebody decides, with
    `siaran db migrate`. Raises Unreachable; Refused for a schema that is too old or too new.
    """
    url, listen_url = settings.database.url, settings.database.listen_url
    with contextlib.closing(
        Database.open(
            url.reveal() if url else None,
            listen_url=listen_url.reveal() if listen_url else None,
        )
    ) as database:
        if url is None:
            migrations.migrate(database)
        elif pending := database.run(migrations.pending):
            raise Refused(
                f"{database.describe()}: the schema lacks {len(pending)} migrations"
                f" ({', '.join(pending)}); run `siaran db migrate`"
            )
        yield database
