"""How large a table is on a server, and which table it is."""

from __future__ import annotations

from attrs import frozen


@frozen
class TableSize:
    """What a table takes. ``rows`` are as many as the server believes without counting, None where it has no idea.
    ``data_bytes`` and ``index_bytes`` are None where the server cannot tell the two apart.

    ``identity`` names the storage that holds the rows: a table that is written anew has another one afterwards, one
    that is renamed or given an index keeps it.
    """

    rows: int | None
    data_bytes: int | None
    index_bytes: int | None
    identity: str

    def is_anew(self, before: TableSize) -> bool:
        """Whether its rows are stored elsewhere than before. Of partitions there is an identity each; one that only
        came or went moves no other."""
        was, now = set(before.identity.split()), set(self.identity.split())
        return bool(was - now) and bool(now - was)
