"""The server's own certificate: read at the start, and again when its files have changed (R-7.8).

Certificates are renewed every few weeks, by programs that know nothing of us: nobody should have to
restart an engine for it.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from engine import log
from engine.domain.errors import Refused


class Certificate:
    """What connections are encrypted with; `key` None: it is in the certificate's file."""

    def __init__(self, certificate: str, key: str | None) -> None:
        """Raises Refused for files that hold no certificate, or not its key."""
        self._certificate = Path(certificate)
        self._key = None if key is None else Path(key)
        self._seen = self._versions()
        self._context = self._read()

    def context(self) -> ssl.SSLContext:
        """That of the files as they are; as they were, while they can't be used."""
        now = self._versions()
        if now != self._seen:
            self._seen = now
            try:
                self._context = self._read()
                log.info("http.certificate", file=str(self._certificate))
            except Refused as error:
                log.error("http.certificate_refused", reason=str(error))
        return self._context

    def _versions(self) -> tuple[int, ...]:
        """Two looks at the file system, some microseconds."""
        versions = []
        for path in (self._certificate, self._key):
            if path is not None:
                try:
                    versions.append(path.stat().st_mtime_ns)
                except OSError:
                    versions.append(0)
        return tuple(versions)

    def _read(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(self._certificate, self._key, password="")
        except (OSError, ValueError) as error:
            why = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
            key = "" if self._key is None else f' with tls_key = "{self._key}"'
            raise Refused(
                f'http.tls_certificate = "{self._certificate}"{key}: can\'t be used ({why}); '
                "expected PEM: the certificate first, then its chain; the key without a password"
            ) from error
        return context
