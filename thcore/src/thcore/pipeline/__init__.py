"""One build from its request to its outcome."""

from __future__ import annotations
