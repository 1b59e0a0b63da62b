"""What a new plugin starts from: a distribution that can be installed and passes its tests as it is."""

from __future__ import annotations
