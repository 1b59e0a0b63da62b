"""The pages that a build's result is read on, and the site that a publisher puts up: public to plugins."""

from __future__ import annotations
