"""The daemon: slots, one child process per build, and what happens when either dies."""

from __future__ import annotations
