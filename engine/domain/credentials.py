"""What proves who somebody is at the HTTP API: passwords and tokens, and what is kept of them (R-7.8).

A password is chosen by a person, so it is kept as scrypt, which is slow on purpose. A token is 256
random bits, which nobody can guess: SHA-256 does, and costs nothing with every request.
"""

import base64
import hashlib
import hmac
from typing import Final

from engine.domain.errors import Refused

TOKEN_OCTETS: Final = 32
PREFIX: Final = "siaran_"
"""What a token begins with, so that one that lies about is known for what it is."""

SHORTEST: Final = 12
LONGEST: Final = 1024
"""Characters of a password: what is longer is a mistake, and costs time to hash."""

# 32 MB and some 50 ms: RFC 7914 §2; the numbers stand in the hash, so that they can grow.
_N, _R, _P = 2**15, 8, 1
_MEMORY: Final = 64 * 2**20


def token_of(octets: bytes) -> str:
    """The token that these random octets are."""
    return PREFIX + base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def digest(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).digest()


def hint(token: str) -> str:
    """The part of a token by which a person knows it again: 36 bits of 256."""
    return token[: len(PREFIX) + 6]


def check_password(password: str) -> str:
    """The password. Raises Refused for one that is too short to be one."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise Refused(
            f"the password has {len(password)} characters; write {SHORTEST} to {LONGEST:,}"
        )
    return password


def hashed(password: str, salt: bytes) -> str:
    """What is kept of a password: `scrypt:N:r:p:salt:hash`, in hexadecimal."""
    octets = _scrypt(password, salt, _N, _R, _P)
    return f"scrypt:{_N}:{_R}:{_P}:{salt.hex()}:{octets.hex()}"


def fits(password: str, kept: str) -> bool:
    """Whether it is the password of which that is kept. Takes the same time in any case."""
    _, n, r, p, salt, octets = kept.split(":")
    tried = _scrypt(password, bytes.fromhex(salt), int(n), int(r), int(p))
    return hmac.compare_digest(tried, bytes.fromhex(octets))


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(
        password.encode(errors="surrogatepass"), salt=salt, n=n, r=r, p=p, maxmem=_MEMORY, dklen=32
    )
