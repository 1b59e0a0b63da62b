CREATE TABLE migrate_version (repository_id VARCHAR(250) PRIMARY KEY, repository_path TEXT, version INTEGER);
INSERT INTO migrate_version VALUES ('inventory', '/usr/lib/inventory/migrate_repo', 1);
CREATE TABLE parts (id INTEGER PRIMARY KEY, number VARCHAR(20), shelf VARCHAR(20));
INSERT INTO parts VALUES (1, 'A-100', 'north'), (2, 'A-101', NULL), (3, 'A-101', 'south');
