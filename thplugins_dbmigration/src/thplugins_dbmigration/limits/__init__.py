"""Limits: which ones a step has and where each comes from, and what a measurement says about them."""

from __future__ import annotations
