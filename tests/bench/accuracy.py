"""accuracy.py - how near vectors are to float32's: cosine to PyTorch's, text by text.

2,000 real texts of many kinds, and random Unicode (see texts.py).  Speed does not
matter here; all cores are used.
"""
import os
import sys
import warnings

import numpy as np

import libattn
import peers
import report
import texts

BATCH = 32


def embedded(peer, sequences):
    """Batches of texts of like length; rows in the order of `sequences`."""
    order = np.argsort([len(s) for s in sequences], kind="stable")
    out = np.empty((len(sequences), 384), np.float32)
    for i in range(0, len(order), BATCH):
        rows = order[i:i + BATCH]
        out[rows] = peer.run(peer.prepare([sequences[r] for r in rows]))
    return out


def cosines(a, b):
    a, b = a.astype(np.float64), b.astype(np.float64)
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def main():
    threads = report.use_cores(len(os.sched_getaffinity(0)))
    warnings.filterwarnings("ignore")
    sets = {"real": texts.varied(), "junk": texts.junk()}
    ids = {key: texts.token_ids(chosen) for key, chosen in sets.items()}
    database = libattn.Database("accuracy", sets)
    others, missing = peers.make([k for k in peers.MAKERS if k not in peers.SAME_NUMBERS], threads)
    if "torch" not in others:
        raise SystemExit("accuracy is measured against PyTorch: " + missing[0])
    reference = {key: embedded(others["torch"], ids[key]) for key in sets}
    cosine = {f"libattn {model}": {key: cosines(database.vectors(model, key), reference[key]) for key in sets}
              for model in database.models}
    for key, peer in others.items():
        if key != "torch":
            cosine[f"{peer.name} {peer.precision}"] = {
                k: cosines(embedded(peer, ids[k]), reference[k]) for k in sets}

    rows, data = [], {"texts": {k: len(v) for k, v in sets.items()}, "cosine": {}, "lowest_text": {},
                      "left_out": missing + database.missing}
    for name, c in sorted(cosine.items(), key=lambda item: -item[1]["real"].mean()):
        figures = {"mean": float(c["real"].mean()), "lowest": float(c["real"].min()),
                   "junk_mean": float(c["junk"].mean()), "junk_lowest": float(c["junk"].min())}
        data["cosine"][name] = figures
        data["lowest_text"][name] = sets["real"][int(c["real"].argmin())]
        rows.append([name, *(f"{v:.6f}" for v in figures.values())])
    text = report.table(
        f"Cosine to PyTorch float32: {len(sets['real']):,} real texts, {len(sets['junk'])} of random Unicode",
        ["", "mean", "lowest", "junk: mean", "lowest"], rows)
    text += "".join(f"\n  left out: {m}" for m in data["left_out"])
    report.keep("accuracy", text, data)


if __name__ == "__main__":
    sys.exit(main())
