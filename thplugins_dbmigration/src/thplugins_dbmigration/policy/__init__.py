"""The policy of the project under test: what its own maintainers allow a migration to cost and to do."""

from __future__ import annotations
