"""tokenizer.py - text to tokens on one core: libattn and Hugging Face tokenizers.

Both have the tokenizer of all-MiniLM-L6-v2 and give ids and offsets.  The library
is called from Python, where encode_batch is its fastest way.
"""
import os
import re
import sqlite3
import subprocess
import sys
import time

import tokenizers

import report

MODEL = "build/model"
DATABASE = report.OUT + "/tokenizer.db"
LICENSES = "/usr/share/common-licenses/"
ROUNDS = 7


def workloads():
    """name -> (texts, tokens at most)"""
    with open("tests/demo/packages.txt") as f:
        descriptions = re.findall(r"\nDescription-en: (.+\n(?: .*\n)*)", f.read())
    work = {"package descriptions": (descriptions, 0)}
    if os.path.exists(LICENSES + "GPL-3"):
        with open(LICENSES + "GPL-3") as f:
            gpl = f.read()
        work["the GPL as one text"] = [gpl], 0
        work["256 tokens of a text of 5 MB"] = [gpl * (5_000_000 // len(gpl))], 256
    return work


def make_database(work):
    if os.path.exists(DATABASE):
        os.remove(DATABASE)
    subprocess.run(["sqlite3", DATABASE, ".load ./libattn",
                    f"SELECT attn_import('minilm', '{MODEL}')"], check=True, stdout=subprocess.DEVNULL)
    db = sqlite3.connect(DATABASE)
    db.execute("CREATE TABLE texts(id INTEGER PRIMARY KEY, text TEXT)")
    texts = [text for texts, _ in work.values() for text in texts]
    db.executemany("INSERT INTO texts VALUES (?, ?)", enumerate(texts))
    db.commit()
    db.close()


class Libattn:
    """The stopwatch program, bench_tokenizer.c."""

    def __init__(self):
        self.process = subprocess.Popen([report.OUT + "/bench_tokenizer", DATABASE], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, *numbers):
        """-> seconds, tokens"""
        print(*numbers, file=self.process.stdin, flush=True)
        seconds, tokens = self.process.stdout.readline().split()
        return float(seconds), int(tokens)


def timed(encode, texts):
    def seconds():
        start = time.perf_counter()
        encode(texts)
        return time.perf_counter() - start
    return seconds


def main():
    report.use_one_core()
    os.environ["RAYON_NUM_THREADS"] = "1"
    work = workloads()
    make_database(work)
    libattn = Libattn()
    peer = tokenizers.Tokenizer.from_file(MODEL + "/tokenizer.json")
    peer.no_padding()
    peer_name = "tokenizers " + tokenizers.__version__
    rows, first = [], 0
    data = {"machine": report.machine(), "milliseconds": {}, "bytes": {}}
    for name, (texts, max_length) in work.items():
        last = first + len(texts) - 1
        peer.enable_truncation(max_length) if max_length else peer.no_truncation()
        _, n_token = libattn.run(first, last, max_length)
        assert n_token == sum(len(e.ids) for e in peer.encode_batch(texts)), name
        median = report.interleave({
            "libattn": lambda: libattn.run(first, last, max_length)[0],
            peer_name: timed(lambda t: [peer.encode(text) for text in t], texts),
            peer_name + ", encode_batch": timed(peer.encode_batch, texts)}, ROUNDS)
        size = sum(len(text.encode()) for text in texts)
        best = min(s for contender, s in median.items() if contender != "libattn")
        rows.append([f"{name} ({len(texts):,}, {size / 1e6:.2f} MB)", "", "", ""])
        for contender, s in median.items():
            # Of a text that is cut, hardly anything is read.
            speed = "" if max_length else f"{size / s / 1e6:,.1f}"
            rows.append(["  " + contender, f"{s * 1e3:.3f}", speed, f"{best / s:,.1f}"])
        data["milliseconds"][name] = {c: round(s * 1e3, 4) for c, s in median.items()}
        data["bytes"][name] = size
        first = last + 1
    report.keep("tokenizer", report.table(
        f"Text to tokens, one core ({report.machine()}),\nmedian of {ROUNDS} interleaved rounds",
        ["", "ms", "MB/s", "best peer = 1"], rows), data)


if __name__ == "__main__":
    sys.exit(main())
