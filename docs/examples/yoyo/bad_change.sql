-- One guest, one name
-- depends: 0002-entry-dates

CREATE INDEX entries_of_guest ON entries (guest);

CREATE UNIQUE INDEX guest_by_name
    ON guests (name);
