"""Gearman and Zuul v2: the only room that knows gear, and the only one that knows Zuul's names and replies."""

from __future__ import annotations
