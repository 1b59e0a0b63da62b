"""The real-database migration gate: a change's migrations, run on real datasets and judged."""

from __future__ import annotations

__version__ = "0.1.0"
