"""The sample project, its dataset and two changes that ``thcore quickstart`` judges."""

from __future__ import annotations
