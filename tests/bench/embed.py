"""embed.py [avx2] - all-MiniLM-L6-v2 on one core: libattn and its peers.

All start from token ids and end with vectors of length 1, in batches as
sentence-transformers makes them: texts sorted by length, shorter ones padded to
the longest of their batch (libattn and llama.cpp pad nothing).  What is counted is
real tokens, padding left out, per second.  Every round runs each contender once.

Beside them the limit: operations a second that the multipliers can do on registers
alone, as tokens a second if there were nothing but the products with weights.

With `avx2`, all are restricted to AVX2; those that cannot be are left out and named.
"""
import json
import os
import subprocess
import sys
import warnings

import libattn
import peers
import report
import texts

ROUNDS = 5
# All-MiniLM-L6-v2: per token, 6 layers of 4 products of 384 x 384 and 2 of 384 x 1536.
OPERATIONS = 2 * 6 * (4 * 384 * 384 + 2 * 384 * 1536)


def accuracy():
    """{contender: {"mean": ..., "lowest": ...}}"""
    subprocess.run([sys.executable, "tests/bench/accuracy.py"])
    print(flush=True)
    try:
        with open(report.OUT + "/accuracy.json") as f:
            return json.load(f)["cosine"]
    except OSError:
        return {}


def measure(work, database, others):
    """-> {workload: {contender: tokens per second}}, {workload: {precision: limit}}, tokens"""
    ours = libattn.stopwatches(database)
    speed, limit, tokens = {}, {}, {}
    for key, (chosen, size) in work.items():
        ids = texts.token_ids(chosen)
        tokens[key] = sum(map(len, ids))
        contenders = {}
        for peer in others.values():
            batches = [peer.prepare(ids[i:i + size]) for i in range(0, len(ids), size)]
            contenders[f"{peer.name} {peer.precision}"] = report.timed(peer.run, batches)
        for model, stopwatch in ours.items():
            contenders[f"libattn {model}"] = stopwatch.run("encode", key, size)
            contenders[f"libattn {model}, SELECT embed"] = stopwatch.run("sql", key)
        any_model = next(iter(ours.values()))
        for precision in libattn.PRECISIONS:
            contenders[precision] = lambda p=precision: any_model.ask(p)
        median = report.interleave(contenders, ROUNDS)
        limit[key] = {p: median.pop(p) / OPERATIONS for p in libattn.PRECISIONS}
        speed[key] = {name: tokens[key] / seconds for name, seconds in median.items()}
    isa = any_model.isa
    for stopwatch in ours.values():
        stopwatch.close()
    return speed, limit, tokens, isa


def best_peer(speed, precisions):
    return max((v for name, v in speed.items()
                if not name.startswith("libattn") and name.split()[-1] in precisions), default=0)


def compared(speed, limit):
    """What libattn is to its peers and to the limit."""
    rows = []
    for model, against in ("f32", ("f32",)), ("int8", ("f32", "int8", "Q8_0")):
        name = f"libattn {model}"
        if name not in next(iter(speed.values())):
            continue
        ratio = [s[name] / best_peer(s, against) if best_peer(s, against) else 0 for s in speed.values()]
        share = [s[name] / limit[key][model] if limit[key][model] else 0 for key, s in speed.items()]
        rows.append([f"{name} / best {'f32 ' if model == 'f32' else ''}peer",
                     *(f"{r:.2f}" if r else "" for r in ratio)])
        rows.append([f"{name} / limit", *(f"{r:.0%}" if r else "" for r in share)])
    return rows


def main(restricted):
    cosine = {} if restricted else accuracy()
    if restricted:
        os.environ.update(peers.AVX2, ATTN_ISA="avx2")
    report.use_one_core()
    warnings.filterwarnings("ignore")
    work = texts.workloads()
    database = libattn.Database("embed", {key: chosen for key, (chosen, _) in work.items()})
    others, missing = peers.make(peers.AVX2_PEERS if restricted else peers.MAKERS)
    speed, limit, tokens, isa = measure(work, database, others)
    missing += database.missing
    if restricted:
        missing.append("ONNX Runtime, llama.cpp (cannot be restricted)")

    each = {key: tokens[key] / len(chosen) for key, (chosen, _) in work.items()}
    columns = ["tokens/s", *work] + (["cosine: mean", "lowest"] if cosine else [])
    rows = []
    for name in next(iter(speed.values())):
        figures = cosine.get(name.split(",")[0].replace(" (fused)", ""), {})
        accurate = [f"{figures[c]:.5f}" if figures else "1" if name.startswith("PyTorch") else ""
                    for c in ("mean", "lowest")] if cosine else []
        rows.append([name, *(f"{s[name]:,.0f}" for s in speed.values()), *accurate])
    for precision in libattn.PRECISIONS:
        rows.append([f"limit {precision}", *(f"{limit[key][precision]:,.0f}" for key in work),
                     *([""] * (len(columns) - 1 - len(work)))])
    title = (f"all-MiniLM-L6-v2, real tokens per second, one core ({report.machine()}; libattn on {isa}),\n"
             f"median of {ROUNDS} interleaved rounds; short: batches of 32 texts of {each['short']:.0f} tokens, "
             f"long: of {each['long']:.0f},\none: one short text at a time")
    text = report.table(title, columns, rows) + "\n\n" + report.table(
        "libattn beside the best of its peers, and the limit", ["", *work], compared(speed, limit))
    text += "".join(f"\n  left out: {m}" for m in missing)
    name = "embed_avx2" if restricted else "embed"
    report.keep(name, text, {"machine": report.machine(), "isa": isa, "tokens_per_text": each,
                             "tokens_per_second": speed, "limit": limit, "cosine": cosine,
                             "left_out": missing})
    headings = {"short": "batches of 32 short texts", "long": "batches of 32 long texts",
                "one": "one short text at a time"}
    groups = [(f"{headings[key]} ({each[key]:.0f} tokens each)",
               sorted(((n, v, f"{v:,.0f}") for n, v in s.items()), key=lambda bar: -bar[1]))
              for key, s in speed.items()]
    report.bar_chart(f"{report.OUT}/{name}.svg",
                     "Embedding with all-MiniLM-L6-v2: tokens per second on one core",
                     f"higher is better; {report.machine()}, libattn on {isa}", groups)


if __name__ == "__main__":
    main(sys.argv[1:] == ["avx2"])
