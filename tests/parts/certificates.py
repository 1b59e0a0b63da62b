"""Certificates for TLS, made for the test: good ones, and each kind of bad one."""

from __future__ import annotations

import datetime
from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization

from thcore.gearman.address import TlsFiles

HOST = "localhost"


class Authority:
    """Signs certificates; all files are put into ``directory``, which is made."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True)
        self._directory = directory
        self._authority = trustme.CA()
        self.file = directory / "ca.pem"
        self._authority.cert_pem.write_to_path(str(self.file))

    def issue(self, host: str, *, valid: bool = True) -> TlsFiles:
        """A key and a certificate for this host name or address; ``valid`` no more: expired yesterday."""
        now = datetime.datetime.now(datetime.UTC)
        end = now + datetime.timedelta(days=1 if valid else -1)
        made = self._authority.issue_cert(host, not_before=now - datetime.timedelta(days=2), not_after=end)
        name = f"{host}{'' if valid else '-expired'}"
        files = TlsFiles(self._directory / f"{name}.key", self._directory / f"{name}.crt", self.file)
        made.private_key_pem.write_to_path(str(files.key))
        made.cert_chain_pems[0].write_to_path(str(files.cert))
        return files

    def encrypted(self, files: TlsFiles) -> Path:
        """The same key, encrypted with a password."""
        key = serialization.load_pem_private_key(files.key.read_bytes(), None)
        path = files.key.with_suffix(".encrypted")
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"secret"),
            )
        )
        return path
