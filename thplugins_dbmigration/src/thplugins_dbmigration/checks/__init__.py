"""What else a job may have tried with a change: the schema of a fresh install, a round trip, an interrupted run.

Each check works on clones of its own, after the steps of the change were run and measured, and ends in a ``Check``. One
that cannot be made is ``unverified``: it says why, and is no failure.
"""

from __future__ import annotations

from thplugins_dbmigration.checks.asked import asked, look

__all__ = ["asked", "look"]
