"""memory.py - the most memory that a process of the sqlite3 shell takes while
attn_embed_each goes through 100,000 rows, of 1 to 256 tokens.

The rows are mostly short, so that this takes a minute: every 200th is a whole
description.  What SQLite, the shell and the C library take is in it.
"""
import os
import subprocess

import libattn
import report
import texts

N_ROW = 100_000


def peak(database, *commands):
    """MB"""
    process = subprocess.Popen(["sqlite3", "-bail", database.path, ".load ./libattn", *commands],
                               stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, commands
    return usage.ru_maxrss * 1024 / 1e6


def main():
    names = [name for name, _, _ in texts.packages()]
    long = [" ".join((f"{name}: {summary} {body}", body, body)) for name, summary, body in texts.packages()]
    rows = [long[i // 200 % len(long)] if i % 200 == 0 else names[i % len(names)] for i in range(N_ROW)]
    database = libattn.Database("memory", {"rows": rows})
    cells, data = [], {"machine": report.machine(), "left_out": database.missing}
    for model in database.models:
        weights = int(libattn.shell(
            database.path, f"SELECT embed('a', '{model}') IS NULL; SELECT attn_info() ->> 'model_bytes'").split()[1]) / 1e6
        one = peak(database, f"SELECT embed('a', '{model}') IS NULL")
        all_ = peak(database, "SELECT count(vector) FROM attn_embed_each("
                              f"'SELECT id, text FROM texts', '{model}')")
        cells.append([f"libattn {model}", f"{weights:.0f}", f"{one:.0f}", f"{all_:.0f}", f"{all_ - weights:.0f}"])
        data[model] = {"model_mb": weights, "one_row_mb": one, "peak_mb": all_}
    text = report.table(f"Peak resident memory, MB ({report.machine()})",
                        ["", "weights", "one row", f"{N_ROW:,} rows", "beyond the weights"], cells)
    text += "".join(f"\n  left out: {m}" for m in database.missing)
    report.keep("memory", text, data)


main()
