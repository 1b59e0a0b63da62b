CREATE TABLE _yoyo_log (
    id VARCHAR(36) PRIMARY KEY, migration_hash VARCHAR(64), migration_id VARCHAR(255), operation VARCHAR(10),
    username VARCHAR(255), hostname VARCHAR(255), comment VARCHAR(255), created_at_utc TIMESTAMP
);
CREATE TABLE _yoyo_migration (
    migration_hash VARCHAR(64) PRIMARY KEY, migration_id VARCHAR(255), applied_at_utc TIMESTAMP
);
INSERT INTO _yoyo_migration VALUES (
    'b26857279c10c178d52616d866e308173a28bc33e387cf319d974e41d1499cdf', '0001-guests', '2020-01-01T00:00:00'
);
CREATE TABLE _yoyo_version (version INT NOT NULL PRIMARY KEY, installed_at_utc TIMESTAMP);
INSERT INTO _yoyo_version VALUES (2, '2020-01-01 00:00:00');
CREATE TABLE guests (id INTEGER PRIMARY KEY, name VARCHAR(40) NOT NULL);
INSERT INTO guests VALUES (1, 'Ann'), (2, 'Ann'), (3, 'Bob');
CREATE TABLE entries (id INTEGER PRIMARY KEY, guest INTEGER NOT NULL, text VARCHAR(400));
INSERT INTO entries VALUES (1, 1, 'A lovely place'), (2, 3, 'Come again');
