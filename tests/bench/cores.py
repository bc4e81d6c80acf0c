"""cores.py - one core and several, one row at a time and batches: what each way to
embed in SQL gives.

  encode            the engine alone, from token ids, all texts in one batch
  embed             SELECT embed(text) FROM texts
  attn_embed_each   SELECT vector FROM attn_embed_each('SELECT id, text FROM texts')
"""
import os

import libattn
import report
import texts

ROUNDS = 5
WAYS = {"encode": "one batch", "each": "attn_embed_each", "sql": "embed, row by row"}


def main():
    n_core = report.use_cores(len(os.sched_getaffinity(0)))
    bodies = [body for _, _, body in texts.packages()]
    short = [f"{name}: {summary}" for name, summary, _ in texts.packages()]
    sets = {"short": short[:512], "long": bodies[:96]}
    database = libattn.Database("cores", sets)
    tokens = {key: sum(map(len, texts.token_ids(chosen))) for key, chosen in sets.items()}
    rows, data = [], {"machine": report.machine(), "cores": n_core, "tokens_per_second": {},
                      "left_out": database.missing}
    for model, stopwatch in libattn.stopwatches(database).items():
        for key, chosen in sets.items():
            def run(way, n):
                stopwatch.ask("threads", n=n)
                return stopwatch.ask(way, key, len(chosen))
            contenders = {(way, n): lambda w=way, n=n: run(w, n) for way in WAYS for n in (1, n_core)}
            seconds = report.interleave(contenders, ROUNDS)
            for way, name in WAYS.items():
                one, all_ = (tokens[key] / seconds[way, n] for n in (1, n_core))
                rows.append([f"libattn {model}, {key} texts: {name}", f"{one:,.0f}", f"{all_:,.0f}",
                             f"{all_ / one:.2f}", f"{len(chosen) / seconds[way, n_core]:,.0f}"])
                data["tokens_per_second"][f"{model} {key} {way}"] = {"1": one, str(n_core): all_}
        stopwatch.close()
    each = ", ".join(f"{key}: {len(chosen)} of {tokens[key] / len(chosen):.0f} tokens"
                     for key, chosen in sets.items())
    text = report.table(
        f"Tokens per second by threads ({report.machine()});\n{each};"
        f" median of {ROUNDS} interleaved rounds",
        ["", "1 thread", f"{n_core} threads", "ratio", "rows/s"], rows)
    text += "".join(f"\n  left out: {m}" for m in database.missing)
    report.keep("cores", text, data)


main()
