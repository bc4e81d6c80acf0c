"""Python's own sqlite3, or apsw where it is named: python.py LIBRARY FOLDER DATABASE [apsw]"""
import os
import sys
import threading

library, folder, database = sys.argv[1:4]
if sys.argv[4:] == ["apsw"]:
    import apsw

    def connect():
        db = apsw.Connection(database)
        db.enable_load_extension(True)
        db.load_extension(library)
        return db
else:
    import sqlite3

    def connect():
        db = sqlite3.connect(database, isolation_level=None)
        db.enable_load_extension(True)
        db.load_extension(library)
        return db


def embed(db):
    return db.execute("SELECT hex(embed('hello world'))").fetchone()[0]


db = connect()
db.execute("SELECT attn_import('m', ?)", (folder,)).fetchone()
db.execute("CREATE VIRTUAL TABLE notes USING attn(body)")
db.execute("INSERT INTO notes(rowid, body) VALUES (1, 'the cat sat on the mat'),"
           " (2, 'stocks fell on monday'), (3, 'bread and butter')")
print(*db.execute("SELECT rowid, body FROM notes WHERE notes MATCH 'the cat sat' AND k = 1").fetchone())
# (Its tokenizer.json is made by SQLite's JSON functions, of which apsw has the newest.)
db.execute("SELECT attn_train_tokenizer('words', 'SELECT body FROM notes', '{\"vocab_size\": 60}')").fetchone()
vector = embed(db)
print(vector)

seen = []


def work():
    mine = connect()
    seen.extend(embed(mine) for _ in range(50))
    mine.close()


threads = [threading.Thread(target=work) for _ in range(4)]
for t in threads:
    t.start()
for t in threads:
    t.join()
child = os.fork()
if child == 0:
    os._exit(0 if embed(connect()) == vector else 1)
ok = os.waitpid(child, 0)[1] == 0 and len(seen) == 200 and set(seen) == {vector}
print(vector if ok else "a thread or a child differs")
db.close()
