CREATE INDEX books_author ON books (author);
