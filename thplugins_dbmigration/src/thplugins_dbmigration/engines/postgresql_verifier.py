"""What a PostgreSQL server keeps of a password, to know it again (RFC 5802, RFC 7677)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

ITERATIONS = 1
"""They make it slow to guess passwords that people choose. Random ones cannot be guessed, and at the 4,096 that servers
take by themselves, each session begins with half a dozen milliseconds of them, while a step waits to be watched."""
_HASH = "sha256"
_SALT_BYTES = 16


def verifier(password: str) -> str:
    """As a server of version 10 or later stores it, and takes it in place of the password. The password must be random
    and plain ASCII."""
    salt = secrets.token_bytes(_SALT_BYTES)
    salted = hashlib.pbkdf2_hmac(_HASH, password.encode("ascii"), salt, ITERATIONS)
    stored = hashlib.new(_HASH, hmac.digest(salted, b"Client Key", _HASH)).digest()
    server = hmac.digest(salted, b"Server Key", _HASH)
    encoded = (base64.b64encode(each).decode("ascii") for each in (salt, stored, server))
    return "SCRAM-SHA-256${}:{}${}:{}".format(ITERATIONS, *encoded)
