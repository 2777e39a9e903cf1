"""Searches the file of archive.py, which keeps the index up to date from then on.

python3 search.py archive.db 'tea NOT coffee'
"""

import sqlite3
import sys

# SQLite runs the triggers for every change that archive.py makes.
INDEX = """
BEGIN IMMEDIATE;
CREATE VIRTUAL TABLE words USING fts5 (text, content='messages', content_rowid='number');
INSERT INTO words (words) VALUES ('rebuild');
CREATE TRIGGER added AFTER INSERT ON messages BEGIN
    INSERT INTO words (rowid, text) VALUES (new.number, new.text);
END;
CREATE TRIGGER removed AFTER DELETE ON messages BEGIN
    INSERT INTO words (words, rowid, text) VALUES ('delete', old.number, old.text);
END;
CREATE TRIGGER edited AFTER UPDATE ON messages BEGIN
    INSERT INTO words (words, rowid, text) VALUES ('delete', old.number, old.text);
    INSERT INTO words (rowid, text) VALUES (new.number, new.text);
END;
COMMIT;
"""


def search(db, query):
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'words'").fetchone():
        db.executescript(INDEX)
    return db.execute(
        "SELECT room, ms || '-' || n, user, messages.text FROM words "
        "JOIN messages ON messages.number = words.rowid WHERE words MATCH ? ORDER BY rank LIMIT 50",
        (query,),
    )


if __name__ == "__main__":
    for row in search(sqlite3.connect(sys.argv[1]), sys.argv[2]):
        print(*row, sep="\t")
