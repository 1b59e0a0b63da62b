"""What became of builds: every attempt, stage and step with its measurement, in a database.

``store`` has the ``History`` itself and loads SQLAlchemy; nothing is imported here, so that commands start quickly.
"""

from __future__ import annotations
