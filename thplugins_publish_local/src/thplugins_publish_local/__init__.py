"""Publishes a build's evidence to a directory that a web server shows."""

from __future__ import annotations

__version__ = "0.1.0"
