"""How a worker is seen: its status as a value and over HTTP, its metrics, its log, and what systemd is told."""

from __future__ import annotations
