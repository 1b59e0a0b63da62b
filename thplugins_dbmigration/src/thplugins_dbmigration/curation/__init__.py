"""``thcore datasets``: what operators do with datasets, outside of builds.

``commands`` has the command group; below it, each module is one noun: the ``catalogue`` of what there is, the
``contents`` of a database, a ``source`` that data comes from and its ``dump``, the ``draft`` of a dataset that is being
written, its ``verification``, its ``advance`` to a newer release, and the ``client`` that a person talks to.
"""

from __future__ import annotations
