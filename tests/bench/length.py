"""length.py - what the length of texts costs: tokens per second at 16 to 512 tokens, on
one core, beside the peers.

Attention grows with the square of the length, the products with weights do not.  Texts
are descriptions joined together and cut; 1,024 tokens a batch.  For 512 tokens the
model's max_seq_length is raised, in a copy of its folder.
"""
import json
import os
import warnings

import libattn
import peers
import report
import texts

ROUNDS = 5
LENGTHS = 16, 64, 128, 256, 512
N_TOKEN = 1024


def longer_model():
    """A folder of links to the model's files, with another limit."""
    folder = report.OUT + "/model512"
    os.makedirs(folder, exist_ok=True)
    for name in os.listdir(texts.MODEL):
        link = f"{folder}/{name}"
        if not os.path.lexists(link):
            os.symlink(os.path.abspath(f"{texts.MODEL}/{name}"), link)
    os.remove(folder + "/sentence_bert_config.json")
    with open(texts.MODEL + "/sentence_bert_config.json") as f:
        config = json.load(f)
    with open(folder + "/sentence_bert_config.json", "w") as f:
        json.dump({**config, "max_seq_length": max(LENGTHS)}, f)
    return folder


def texts_of(length):
    """N_TOKEN / length texts of just that many tokens."""
    tokenizer = texts.tokenizer()
    tokenizer.no_truncation()
    source = " ".join(body for _, _, body in texts.packages())
    chosen, at = [], 0
    while len(chosen) < N_TOKEN // length:
        encoding = tokenizer.encode(source[at:at + 12 * length])
        end = encoding.offsets[length - 2][1]
        candidate = source[at:at + end]
        if len(tokenizer.encode(candidate).ids) == length:
            chosen.append(candidate)
        at += end + 1
    return chosen


def main():
    report.use_one_core()
    warnings.filterwarnings("ignore")
    work = {length: texts_of(length) for length in LENGTHS}
    database = libattn.Database("length", work, longer_model())
    ours = libattn.stopwatches(database)
    others, missing = peers.make([k for k in peers.MAKERS if k not in peers.SAME_NUMBERS])
    speed = {}
    for length, chosen in work.items():
        ids = texts.token_ids(chosen, length)
        contenders = {f"{p.name} {p.precision}": report.timed(p.run, [p.prepare(ids)])
                      for p in others.values()}
        for model, stopwatch in ours.items():
            contenders[f"libattn {model}"] = stopwatch.run("encode", length, len(chosen))
        for name, seconds in report.interleave(contenders, ROUNDS).items():
            speed.setdefault(name, {})[length] = N_TOKEN / seconds
    rows = [[name, *(f"{v:,.0f}" for v in s.values())] for name, s in speed.items()]
    text = report.table(
        f"Real tokens per second by the length of texts, one core ({report.machine()}),\n"
        f"batches of {N_TOKEN:,} tokens, median of {ROUNDS} interleaved rounds",
        ["tokens a text", *map(str, LENGTHS)], rows)
    missing += database.missing
    text += "".join(f"\n  left out: {m}" for m in missing)
    report.keep("length", text, {"machine": report.machine(), "tokens_per_second": speed, "left_out": missing})


main()
