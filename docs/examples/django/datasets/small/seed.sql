CREATE TABLE django_migrations (
  id integer PRIMARY KEY AUTOINCREMENT, app varchar(255) NOT NULL, name varchar(255) NOT NULL, applied datetime NOT NULL
);
INSERT INTO django_migrations (app, name, applied) VALUES ('books', '0001_initial', '2026-01-05 09:00:00');
CREATE TABLE books_book (
  id integer PRIMARY KEY AUTOINCREMENT, title varchar(200) NOT NULL, author varchar(100), isbn varchar(13) NOT NULL
);
INSERT INTO books_book (title, author, isbn) VALUES
  ('Sea roads', 'A. Writer', '9780000000002'), ('Low tide', 'A. Writer', '9780000000019'), ('Untitled', NULL, '');
