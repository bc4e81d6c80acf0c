"""start.py - from nothing to the first vector, and importing a model.

Every figure is of a whole process of the sqlite3 shell, from its start to its end,
with the files in the system's cache; the median of several.
"""
import os
import statistics
import subprocess
import time

import report

DATABASE = report.OUT + "/start.db"


def shell(*commands):
    """-> seconds, peak memory in MB."""
    start = time.perf_counter()
    process = subprocess.Popen(["sqlite3", "-bail", DATABASE, ".load ./libattn", *commands],
                               stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    assert status == 0, commands
    return seconds, usage.ru_maxrss / 1024


def median_of(n, *commands, fresh=False):
    runs = []
    for _ in range(n + 1):
        if fresh and os.path.exists(DATABASE):
            os.remove(DATABASE)
        runs.append(shell(*commands))
    runs = runs[1:]
    return statistics.median(s for s, _ in runs), max(m for _, m in runs)


def main():
    report.use_one_core()
    size = os.path.getsize("build/model/model.safetensors") / 1e6
    rows, data = [], {"machine": report.machine()}
    for name, key, n, commands, fresh in (
            (f"import {size:.0f} MB", "import", 5, ["SELECT attn_import('minilm', 'build/model')"], True),
            ("open a database, SELECT 1", "open", 11, ["SELECT 1"], False),
            ("open, first embedding", "first_embedding", 11, ["SELECT length(embed('hello world'))"], False)):
        seconds, memory = median_of(n, *commands, fresh=fresh)
        rows.append([name, f"{seconds * 1e3:.0f}", f"{memory:.0f}"])
        data[key] = {"seconds": round(seconds, 4), "peak_mb": round(memory, 1)}
    report.keep("start", report.table(f"One process of the sqlite3 shell ({report.machine()})",
                                      ["", "ms", "peak MB"], rows), data)


if __name__ == "__main__":
    main()
