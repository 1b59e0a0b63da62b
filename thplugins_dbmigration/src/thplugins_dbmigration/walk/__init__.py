"""The walk of a dataset: through its releases and the target branch, then the steps of the change."""

from __future__ import annotations
