"""A name for one attempt that is safe in paths and refs."""

from __future__ import annotations

import hashlib


def attempt_name(build_id: str, attempt: int) -> str:
    """The same for the build and for its cleanup; no two attempts share one. The id is untrusted text."""
    return f"{hashlib.sha256(build_id.encode('utf-8', 'replace')).hexdigest()[:32]}-{attempt}"
