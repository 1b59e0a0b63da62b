-- An index of what a guest wrote
-- depends: 0002-entry-dates

CREATE INDEX entries_of_guest ON entries (guest);
