"""libattn.py - libattn's side of the benchmarks: databases, the stopwatch program
bench_embed.c, vectors by the sqlite3 shell."""
import os
import sqlite3
import subprocess

import numpy as np

import report
import texts

PRECISIONS = "f32", "int8"


def shell(database, *commands):
    """What the sqlite3 shell prints."""
    done = subprocess.run(["sqlite3", "-bail", database, ".load ./libattn", *commands],
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip() or done.stdout.strip())
    return done.stdout


def import_statement(precision, folder):
    how = f", '{precision}'" if precision != "f32" else ""
    return f"SELECT attn_import('{precision}', '{folder}'{how})"


class Database:
    """A fresh file with the model in every precision, and texts(id, text): the sets
    ({name: texts}) one after the other.  range[name]: first and last id."""

    def __init__(self, name, sets, folder=texts.MODEL):
        self.path = f"{report.OUT}/{name}.db"
        self.models, self.missing, self.range = [], [], {}
        if os.path.exists(self.path):
            os.remove(self.path)
        for precision in PRECISIONS:
            try:
                shell(self.path, import_statement(precision, folder))
                self.models.append(precision)
            except RuntimeError as e:
                self.missing.append(f"libattn {precision} ({str(e).splitlines()[0]})")
        db = sqlite3.connect(self.path)
        db.execute("CREATE TABLE texts(id INTEGER PRIMARY KEY, text TEXT)")
        n = 0
        for key, chosen in sets.items():
            db.executemany("INSERT INTO texts VALUES (?, ?)", enumerate(chosen, n))
            self.range[key] = n, n + len(chosen) - 1
            n += len(chosen)
        db.commit()
        db.close()

    def vectors(self, model, key):
        """By attn_embed_each, over all cores that this process may use."""
        first, last = self.range[key]
        query = f"SELECT id, text FROM texts WHERE id BETWEEN {first} AND {last} ORDER BY id"
        lines = shell(self.path, f"SELECT hex(vector) FROM attn_embed_each('{query}', '{model}')").split()
        return np.array([np.frombuffer(bytes.fromhex(line), "<f4") for line in lines])


class Stopwatch:
    def __init__(self, database, model):
        self.process = subprocess.Popen([report.OUT + "/bench_embed", database.path, model], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.isa = self.process.stdout.readline().strip()
        self.range = database.range

    def ask(self, command, key=None, n=0):
        """Seconds; for the limits, operations a second."""
        first, last = self.range[key] if key else (0, 0)
        print(command, first, last, n, file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())

    def run(self, command, key, n=0):
        return lambda: self.ask(command, key, n)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def stopwatches(database):
    return {model: Stopwatch(database, model) for model in database.models}
