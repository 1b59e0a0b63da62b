CREATE UNIQUE INDEX books_one_per_author ON books (author);
