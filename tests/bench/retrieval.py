"""retrieval.py - whether a precision finds what float32 finds: of the 10 nearest of
20,000 texts, how many are the same, on average over 1,000 queries.

Rows and queries are lines of Debian's package descriptions, as each contender embeds
them; all cores are used.  float32 is libattn's, which differs from PyTorch's by 1e-7.
"""
import os
import warnings

import numpy as np

import accuracy
import libattn
import peers
import report
import texts

TOP = 10
QUANTIZED = "onnxruntime_int8", "openvino_int8", "llama"


def nearest(vectors):
    """-> [n_query, TOP], the rows found, sorted by number"""
    return np.sort(np.argpartition(-(vectors["queries"] @ vectors["rows"].T), TOP)[:, :TOP])


def overlap(a, b):
    return float(np.mean([len(np.intersect1d(x, y)) / TOP for x, y in zip(a, b)]))


def main():
    threads = report.use_cores(len(os.sched_getaffinity(0)))
    warnings.filterwarnings("ignore")
    sets = dict(zip(("rows", "queries"), texts.summaries()))
    database = libattn.Database("retrieval", sets)
    found = {f"libattn {model}": nearest({key: database.vectors(model, key) for key in sets})
             for model in database.models}
    others, missing = peers.make(QUANTIZED, threads)
    ids = {key: texts.token_ids(chosen) for key, chosen in sets.items()}
    for peer in others.values():
        found[f"{peer.name} {peer.precision}"] = nearest(
            {key: accuracy.embedded(peer, ids[key]) for key in sets})
    truth = found.pop("libattn f32")
    share = {name: overlap(rows, truth) for name, rows in found.items()}
    missing += database.missing
    text = report.table(
        f"The {TOP} nearest of {len(sets['rows']):,} texts, {len(sets['queries']):,} queries: found by float32, too",
        ["", "overlap"], [[name, f"{v:.2%}"] for name, v in share.items()])
    text += "".join(f"\n  left out: {m}" for m in missing)
    report.keep("retrieval", text, {"rows": len(sets["rows"]), "queries": len(sets["queries"]),
                                    "overlap": share, "left_out": missing})


main()
