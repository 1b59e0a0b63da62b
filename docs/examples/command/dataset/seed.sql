CREATE TABLE schema_version (version INTEGER NOT NULL);
INSERT INTO schema_version VALUES (1);
CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT NOT NULL, author TEXT);
INSERT INTO books VALUES (1, 'Sea roads', 'A. Writer'), (2, 'Low tide', 'A. Writer'), (3, 'Untitled', NULL);
