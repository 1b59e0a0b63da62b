-- pg_dump --no-owner --no-acl helpdesk
CREATE TABLE alembic_version (version_num character varying(32) NOT NULL PRIMARY KEY);
COPY alembic_version (version_num) FROM stdin;
0001
\.
CREATE TABLE tickets (
    id serial PRIMARY KEY,
    reporter character varying(100) NOT NULL,
    subject character varying(200) NOT NULL,
    state character varying(20)
);
COPY tickets (id, reporter, subject, state) FROM stdin;
1	user 1	printer	closed
2	user 1	printer	open
3	user 2	screen	\N
\.
INSERT INTO tickets (id, reporter, subject, state)
    SELECT i, 'user ' || i % 50, 'ticket ' || i, CASE WHEN i % 3 = 0 THEN 'closed' ELSE 'open' END
    FROM generate_series(4, 900) AS i;
SELECT setval('tickets_id_seq', 900);
