"""thcore plugin: unpacks the tools that a project asks for."""

from __future__ import annotations
