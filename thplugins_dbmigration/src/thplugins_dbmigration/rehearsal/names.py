"""Which table is which while a step renames tables, replaces them and makes new ones."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define, field

from thplugins_dbmigration.engines.stage import Effect
from thplugins_dbmigration.measure.sizes import Sizes


@define
class Names:
    """Knows the tables of a step by the names that they had before it. One that the step has made has none."""

    sizes: Sizes
    _origins: dict[str, str | None] = field(factory=dict)

    def origin(self, name: str) -> str | None:
        """What a table was called before the step."""
        return self._origins.get(name, name)

    def size(self, origin: str | None) -> tuple[int | None, int | None]:
        """The rows and bytes of a table before the step: none of one that was not there."""
        if origin is None:
            return 0, 0
        size = self.sizes.before.get(origin)
        if size is None:
            return None, None
        known = [each for each in (size.data_bytes, size.index_bytes) if each is not None]
        return size.rows, sum(known) if known else None

    @property
    def made(self) -> frozenset[str]:
        """The tables that the step has made so far."""
        return frozenset(name for name, origin in self._origins.items() if origin is None)

    def changed(self, effects: Iterable[Effect]) -> None:
        """A statement has done this."""
        self._origins |= {
            effect.table: None if effect.was is None else self.origin(effect.was)
            for effect in effects
            if effect.was != effect.table
        }

    def succeeds(self, successor: str, table: str) -> None:
        """A table that the step has made takes the place of another."""
        self._origins[successor] = self.origin(table)

    def written_anew(self) -> frozenset[str]:
        """The tables that were there before the step and are stored elsewhere after it."""
        return frozenset(origin for origin, moved in self._moved() if moved)

    def unmoved(self) -> frozenset[str]:
        """Those that are stored where they were."""
        return frozenset(origin for origin, moved in self._moved() if not moved)

    def _moved(self) -> Iterable[tuple[str, bool]]:
        before = self.sizes.before
        for name, size in self.sizes.after.items():
            origin = self.origin(name)
            if origin is not None and origin in before:
                yield origin, size.is_anew(before[origin])
