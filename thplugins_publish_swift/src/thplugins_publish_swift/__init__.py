"""Publishes a build's evidence to OpenStack Swift."""

from __future__ import annotations

__version__ = "0.1.0"
