"""What a statement demands of the rows of a table."""

from __future__ import annotations

from attrs import frozen

from thplugins_dbmigration.offences.clause import Name


@frozen
class Key:
    """A part of a unique key: a column or an expression, as the server takes it. ``prefix`` is how many characters of
    a column count, None for all. With a ``collation`` it decides what is the same."""

    expression: str
    column: str | None = None
    prefix: int | None = None
    collation: str = ""


@frozen
class Unique:
    """No two rows have the same. Rows with a NULL in the key are left out, unless NULLs are ``nulls_alike``. ``where``
    says which rows count at all, empty for all."""

    keys: tuple[Key, ...]
    where: str = ""
    nulls_alike: bool = False
    name: str = ""


@frozen
class Present:
    """A column is never NULL. One that is ``new`` has no value in any row yet."""

    column: str
    new: bool = False


@frozen
class Fits:
    """The values of a column, or those that ``using`` makes of them, are of a type: its name in lower case, such as
    ``character varying``; its ``arguments`` and its ``collation``, verbatim; and ``whole``, all that makes the type."""

    column: str
    type: str
    arguments: tuple[str, ...] = ()
    unsigned: bool = False
    charset: str = ""
    collation: str = ""
    whole: str = ""
    using: str = ""

    @property
    def number(self) -> int | None:
        """The first argument where it is a number: how long, how many digits."""
        return int(self.arguments[0]) if self.arguments and self.arguments[0].isdigit() else None


@frozen
class Added:
    """A column that is new. Rows that are there get ``value``, an expression of its type; empty where the statement
    says none. One that is ``required`` is never NULL."""

    fits: Fits
    value: str = ""
    required: bool = False

    @property
    def column(self) -> str:
        return self.fits.column


@frozen
class Refers:
    """The values of columns are there in another table, whose key it is where no ``others`` are named. With ``full``
    they are all NULL or none is. When a row is deleted, those that refer to it ``follow``: they go as well, or refer to
    nothing then."""

    columns: tuple[str, ...]
    table: Name
    others: tuple[str, ...] = ()
    full: bool = False
    follow: bool = False
    name: str = ""


@frozen
class Holds:
    """A condition is not false."""

    condition: str
    name: str = ""


Demand = Unique | Present | Fits | Refers | Holds


def columns_of(demand: Demand) -> tuple[str, ...]:
    """The columns that a demand is about, where it names them."""
    match demand:
        case Unique(keys):
            return tuple(key.column for key in keys if key.column is not None)
        case Present(column) | Fits(column):
            return (column,)
        case Refers(columns):
            return columns
        case Holds():
            return ()
