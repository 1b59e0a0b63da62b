"""The address of a database, checked when the file is read. No problem shows it, because it can hold a password."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from thcore.model import Secret

POSTGRESQL = ("postgresql", "postgresql+psycopg")
_EXAMPLES = "sqlite:////srv/thcore/history.sqlite or postgresql+psycopg://thcore:PASSWORD@db.example.org/thcore"


def check_database(url: Secret) -> None:
    """Raises ValueError with what was expected when the URL names no SQLite file and no PostgreSQL database."""
    try:
        parts = urlsplit(url.reveal())
        port = parts.port
    except ValueError:
        raise ValueError(f"the URL cannot be read; write for example {_EXAMPLES}") from None
    if parts.scheme == "sqlite":
        _check_file(parts)
    elif parts.scheme not in POSTGRESQL:
        raise ValueError(f"expected a URL that begins with sqlite: or postgresql:; write for example {_EXAMPLES}")
    elif not parts.path.strip("/") or port == 0:
        raise ValueError(f"the URL names no database; write for example {_EXAMPLES}")


def _check_file(parts: SplitResult) -> None:
    if parts.netloc or not parts.path.startswith("//") or not parts.path.strip("/"):
        # Relative to what, and a database in memory is forgotten at the next restart.
        raise ValueError(f"expected the absolute path of a file behind sqlite:///; write for example {_EXAMPLES}")
    if parts.query or parts.fragment:
        raise ValueError("a SQLite URL takes nothing behind the path; remove it from the question mark on")
