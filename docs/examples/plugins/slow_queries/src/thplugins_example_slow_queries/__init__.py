"""thcore plugin: comments on the slow statements of a migration."""

from __future__ import annotations
