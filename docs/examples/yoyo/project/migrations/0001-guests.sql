-- Guests and what they wrote
-- depends:

CREATE TABLE guests (id INTEGER PRIMARY KEY, name VARCHAR(40) NOT NULL);
CREATE TABLE entries (id INTEGER PRIMARY KEY, guest INTEGER NOT NULL, text VARCHAR(400));
