-- sqlite3 helpdesk.sqlite .dump
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO alembic_version VALUES ('0001');
CREATE TABLE tickets (
    id INTEGER NOT NULL PRIMARY KEY,
    reporter VARCHAR(100) NOT NULL,
    subject VARCHAR(200) NOT NULL,
    state VARCHAR(20)
);
INSERT INTO tickets VALUES (1, 'user 1', 'printer', 'closed'), (2, 'user 1', 'printer', 'open'), (3, 'user 2', 'screen', NULL);
INSERT INTO tickets
    WITH RECURSIVE n(i) AS (SELECT 4 UNION ALL SELECT i + 1 FROM n WHERE i < 900)
    SELECT i, 'user ' || i % 50, 'ticket ' || i, CASE WHEN i % 3 = 0 THEN 'closed' ELSE 'open' END FROM n;
