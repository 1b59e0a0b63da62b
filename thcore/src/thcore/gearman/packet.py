"""Packets that are sent to a Gearman server."""

from __future__ import annotations

import gear


def packet(kind: int, *parts: bytes) -> bytes:
    """A request of this kind (see ``gear.constants``), ready to be sent."""
    return bytes(gear.Packet(gear.constants.REQ, kind, b"\0".join(parts)).toBinary())
