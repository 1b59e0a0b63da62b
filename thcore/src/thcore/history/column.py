"""Types of the history's columns: they bound and clean what comes from outside."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping

from sqlalchemy import BigInteger, DateTime, Dialect, Text, TypeDecorator

_NAME_SIZE = 200
_PROSE_SIZE = 4096
_COUNTER_MAXIMUM = 2**63 - 1


def _kept(text: str, size: int) -> str:
    """The text as any database takes it: without NUL (PostgreSQL has none) and lone surrogates, in ``size`` bytes."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace")[:size].decode("utf-8", "ignore")


class Name(TypeDecorator[str]):
    """Text that is looked for. Cut after 200 bytes: PostgreSQL has no long entries in an index of several columns."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        return None if value is None else _kept(value, _NAME_SIZE)


class Prose(TypeDecorator[str]):
    """Text for people, cut after 4 KiB: result.json has all of it."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        return None if value is None else _kept(value, _PROSE_SIZE)


class Moment(TypeDecorator[datetime.datetime]):
    """A point in time, in UTC; SQLite stores it without saying so."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime.datetime | None, dialect: Dialect) -> datetime.datetime | None:
        if value is None:
            return None
        utc = value.astimezone(datetime.UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime.datetime | None, _dialect: Dialect) -> datetime.datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=datetime.UTC) if value.tzinfo is None else value.astimezone(datetime.UTC)


class Counter(TypeDecorator[int]):
    """A counter; one that no database's integer can hold is as unknown as one that the engine cannot tell."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: int | None, _dialect: Dialect) -> int | None:
        return None if value is None or abs(value) > _COUNTER_MAXIMUM else value


class Words(TypeDecorator[Mapping[str, str]]):
    """Words by name, as JSON in one order only: so two of them can be compared on every database."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Mapping[str, str] | None, _dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(dict(value), sort_keys=True)

    def process_result_value(self, value: str | None, _dialect: Dialect) -> Mapping[str, str] | None:
        return None if value is None else dict(json.loads(value))
