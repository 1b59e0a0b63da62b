"""thcore plugin: runs a test suite that speaks TAP."""

from __future__ import annotations
