"""Certificates for TLS: read and judged, when the configuration is loaded and again for every connection."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import NoReturn

from thcore.config.problem import Problem, WrongError


class _EncryptedError(Exception):
    """A password would be needed, and nobody is there to type it."""


def client_context(key: Path, cert: Path, ca: Path) -> ssl.SSLContext:
    """A context that proves our name with ``cert`` and ``key`` and wants the server's name proved by ``ca``.

    TLS 1.2 or later; the host name is compared with the server's certificate. Raises WrongError with every problem, at
    ``ssl_key``, ``ssl_cert`` or ``ssl_ca``.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # certificate and host name are checked by default
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    problems = [
        Problem((name,), problem)
        for name, path, is_key in (("ssl_key", key, True), ("ssl_cert", cert, False), ("ssl_ca", ca, False))
        if (problem := _unreadable(path) or (None if is_key else _no_certificate(path))) is not None
    ]
    if not problems and (problem := _add_own(context, key, cert)) is not None:
        problems.append(Problem(("ssl_key",), problem))
    if problems:
        raise WrongError(*problems)
    context.load_verify_locations(ca)
    return context


def _unreadable(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    return None


def _no_certificate(path: Path) -> str | None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        return f"{path} holds no certificate in PEM"
    return None


def _add_own(context: ssl.SSLContext, key: Path, cert: Path) -> str | None:
    try:
        context.load_cert_chain(cert, key, password=_no_password)
    except _EncryptedError:
        return f"the key in {key} is encrypted, and nobody can type its password; store it without one, mode 0600"
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            return f"the key in {key} does not belong to the certificate in {cert}"
        return f"{key} holds no private key in PEM"
    return None


def _no_password() -> NoReturn:
    raise _EncryptedError
