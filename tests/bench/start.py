"""start.py - importing a model, and from nothing to the first vector.

Each run is a fresh process, with the files in the system's cache; the median of
several.  "process" is from the start of a sqlite3 shell to its end; the other times are
those inside of a program that opens the database twice (bench_start.c).
"""
import os
import statistics
import subprocess
import time

import libattn
import report
import texts

RUNS = 11


def shell(database, *commands):
    """-> seconds, peak memory in MB."""
    start = time.perf_counter()
    process = subprocess.Popen(["sqlite3", "-bail", database, ".load ./libattn", *commands],
                               stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    assert status == 0, commands
    return seconds, usage.ru_maxrss / 1024


def median_of(n, run):
    """Of each of the numbers that `run` returns; the first run warms up."""
    return [statistics.median(column) for column in zip(*[run() for _ in range(n + 1)][1:])]


def opened(path, model):
    out = subprocess.run([report.OUT + "/bench_start", path, model], check=True, capture_output=True, text=True)
    return [float(line) for line in out.stdout.split()]


def imported(path, model):
    if os.path.exists(path):
        os.remove(path)
    return shell(path, libattn.import_statement(model, texts.MODEL))


def main():
    report.use_one_core()
    database = libattn.Database("start", {})
    fresh, rows = report.OUT + "/import.db", []
    data = {"machine": report.machine(), "left_out": database.missing}
    opening = median_of(RUNS, lambda: shell(database.path, "SELECT 1"))[0]
    for model in database.models:
        figures = dict(zip(("import", "import_mb"), median_of(3, lambda: imported(fresh, model))))
        figures["database_mb"] = os.path.getsize(fresh) / 1e6
        figures.update(zip(("process", "peak_mb"), median_of(
            RUNS, lambda: shell(database.path, f"SELECT length(embed('hello world', '{model}'))"))))
        figures.update(zip(("first_ms", "second_ms", "text_ms"),
                           median_of(RUNS, lambda: opened(database.path, model))))
        data[model] = figures
        rows.append([f"libattn {model}", f"{figures['database_mb']:.0f}", f"{figures['import'] * 1e3:.0f}",
                     f"{figures['import_mb']:.0f}", f"{figures['process'] * 1e3:.0f}", f"{figures['peak_mb']:.0f}",
                     *(f"{figures[k]:.2f}" for k in ("first_ms", "second_ms", "text_ms"))])
    text = report.table(
        f"From nothing to a vector, ms ({report.machine()}; a shell that does nothing: {opening * 1e3:.0f} ms)",
        ["", "MB", "import", "peak MB", "process", "peak MB", "open, first text", "second connection",
         "next text"], rows)
    text += "".join(f"\n  left out: {m}" for m in database.missing)
    report.keep("start", text, data)


if __name__ == "__main__":
    main()
