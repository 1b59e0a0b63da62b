"""thcore plugin: publishes evidence to S3-compatible storage."""

from __future__ import annotations
