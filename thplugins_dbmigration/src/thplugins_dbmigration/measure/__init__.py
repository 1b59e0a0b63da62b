"""Counters around a step, one module per engine."""

from __future__ import annotations
