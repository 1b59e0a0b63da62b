CREATE INDEX parts_by_number ON parts (number);
