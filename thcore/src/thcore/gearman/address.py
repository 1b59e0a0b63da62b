"""Where a Gearman server is, and how it proves who it is."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

from attrs import frozen

from thcore.config import certificates
from thcore.config.place import Places
from thcore.config.problem import WrongError
from thcore.config.schema import TlsConfig
from thcore.errors import ConfigError

DEFAULT_PORT = 4730
_ADDRESS = re.compile(r"(?:\[(?P<literal>[0-9A-Fa-f:.%a-z]+)\]|(?P<host>[^\s:\[\]/]+))(?::(?P<port>\d{1,5}))?")


@frozen
class Address:
    """A Gearman server: host name or IP address, and TCP port."""

    host: str
    port: int = DEFAULT_PORT

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@frozen
class TlsFiles:
    """PEM files for TLS. All three are needed: gear would quietly talk plain text if one were missing."""

    key: Path
    cert: Path
    ca: Path

    @classmethod
    def of(cls, tls: TlsConfig | None) -> TlsFiles | None:
        """Those of a configuration; None where it asks for no TLS."""
        return None if tls is None else cls(tls.ssl_key, tls.ssl_cert, tls.ssl_ca)

    def context(self) -> ssl.SSLContext:
        """What a connection needs, from the files as they are now. Raises ConfigError with every problem of them."""
        try:
            return certificates.client_context(self.key, self.cert, self.ca)
        except WrongError as wrong:
            raise ConfigError(*Places("gearman.tls").texts(wrong.problems)) from None


def parse_address(text: str) -> Address:
    """Read ``host``, ``host:port`` or ``[::1]:port``; the port is 4730 where none is given. Raises ConfigError."""
    match = _ADDRESS.fullmatch(text.strip())
    port = int(match["port"] or DEFAULT_PORT) if match else 0
    if match is None or not 0 < port < 65536:
        raise ConfigError(f"Gearman server {text!r} is no address; write for example 127.0.0.1:4730 or [::1]:4730")
    return Address(match["literal"] or match["host"], port)
