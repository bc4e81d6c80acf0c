"""train.py - CBOW word2vec on one core: libattn and gensim, the same words, the same settings.

The corpus is what `apt-cache dumpavail` knows of packages: a text is a package's name and
description.  A tenth of the packages is held out.  Both learn from the same words (libattn
cuts the texts itself), and both are judged by the same numpy code, from their vectors alone:

  cloze      held-out texts: the mean reciprocal rank of a word among all, by the cosine of
             its vector with the mean of those of the five words on either side
  section    held-out packages: how many have their nearest other one (mean of the words'
             vectors) in the same section of the archive
  neighbors  of the 1,000 most frequent words: how many of the 10 nearest are those of a
             gensim model with another seed
"""
import json
import os
import re
import statistics
import subprocess
import sqlite3
import struct
import time

import numpy as np
from tokenizers import normalizers, pre_tokenizers

import report

ROUNDS = 3
DATABASE = report.OUT + "/train.db"
SETTINGS = {"dim": 100, "window": 5, "negative": 5, "sample": 1e-3, "min_count": 5, "epochs": 5}


def packages():
    """[(text, section)]"""
    out = subprocess.run(["apt-cache", "dumpavail"], check=True, capture_output=True, text=True).stdout
    found = {}
    for record in out.split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z-]+): (.*(?:\n .*)*)", record, re.M))
        text = fields.get("Description") or fields.get("Description-en")
        if text:
            found[fields["Package"]] = (f"{fields['Package']} {text}", fields.get("Section", "").split("/")[-1])
    return [found[name] for name in sorted(found)]


def words(text):
    normal = normalizers.BertNormalizer().normalize_str(text)
    return [w for w, _ in pre_tokenizers.BertPreTokenizer().pre_tokenize_str(normal)]


# ------------------------------------------------------------------ the contenders
# Each gives the seconds of training alone, and a table {word: row} with its vectors.

def make_database(texts):
    if os.path.exists(DATABASE):
        os.remove(DATABASE)
    db = sqlite3.connect(DATABASE)
    db.execute("CREATE TABLE docs(id INTEGER PRIMARY KEY, body TEXT)")
    db.executemany("INSERT INTO docs(body) VALUES(?)", [(t,) for t in texts])
    db.commit()


def run_libattn(seed):
    options = json.dumps({**SETTINGS, "seed": seed, "progress": 1e6})
    start = time.perf_counter()
    out = subprocess.run(
        ["sqlite3", "-bail", "-csv", DATABASE, ".load ./libattn",
         "SELECT attn_drop(name) FROM attn_models",
         f"SELECT words, words_per_second FROM attn_train('w', 'SELECT body FROM docs', '{options}')"],
        check=True, capture_output=True, text=True).stdout
    total = time.perf_counter() - start
    n, speed = map(float, out.strip().split("\n")[-1].split(","))
    return n / speed, total


def libattn_vectors():
    db = sqlite3.connect(DATABASE)
    data, = db.execute("SELECT data FROM attn_tensor WHERE name = 'embedding.weight'").fetchone()
    vocab, = db.execute("SELECT data FROM attn_tokenizer").fetchone()
    tokens, at = {}, 0
    while at < len(vocab):
        n, = struct.unpack_from("<I", vocab, at)
        tokens[vocab[at + 4:at + 4 + n].decode()] = len(tokens)
        at += 4 + n
    table = np.frombuffer(data, "<f4").reshape(len(tokens), -1)
    del tokens["[UNK]"]
    return tokens, table


def run_gensim(corpus, seed):
    from gensim.models import Word2Vec
    start = time.perf_counter()
    model = Word2Vec(vector_size=SETTINGS["dim"], window=SETTINGS["window"], negative=SETTINGS["negative"],
                     sample=SETTINGS["sample"], min_count=SETTINGS["min_count"], sg=0, workers=1, seed=seed)
    model.build_vocab(corpus)
    middle = time.perf_counter()
    model.train(corpus, total_examples=len(corpus), epochs=SETTINGS["epochs"])
    end = time.perf_counter()
    return end - middle, end - start, (dict(model.wv.key_to_index), model.wv.vectors.copy())


# ------------------------------------------------------------------------- scores

def unit(x):
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12)


def cloze(vectors, texts):
    index, table = vectors
    rows, scores = unit(table[list(index.values())]), []
    place = {row: i for i, row in enumerate(index.values())}
    for text in texts:
        ids = [place[index[w]] for w in text if w in index]
        for i in range(0, len(ids), 7):
            around = ids[max(0, i - 5):i] + ids[i + 1:i + 6]
            if around:
                similarity = rows @ unit(rows[around].mean(0))
                scores.append(1 / (1 + int((similarity > similarity[ids[i]]).sum())))
    return float(np.mean(scores))


def section(vectors, texts, sections):
    index, table = vectors
    zero = np.zeros(table.shape[1])
    means = unit(np.stack([np.mean([table[index[w]] for w in t if w in index] or [zero], axis=0) for t in texts]))
    similarity = means @ means.T
    np.fill_diagonal(similarity, -2)
    sections = np.array(sections)
    return float((sections[similarity.argmax(1)] == sections).mean())


def neighbors(vectors, order):
    index, table = vectors
    shared = order["all"]
    rows = unit(table[[index[w] for w in shared]])
    similarity = rows[:1000] @ rows.T
    similarity[np.arange(1000), np.arange(1000)] = -2
    return [set(np.argpartition(-row, 10)[:10]) for row in similarity]


def agreement(a, b):
    return statistics.mean(len(x & y) / 10 for x, y in zip(a, b))


def main():
    report.use_one_core()
    all_packages = packages()
    learn = [p for i, p in enumerate(all_packages) if i % 10]
    held = [p for i, p in enumerate(all_packages) if i % 10 == 0][:3000]
    corpus = [words(text) for text, _ in learn]
    held_words, held_sections = [words(text) for text, _ in held], [s for _, s in held]
    make_database([text for text, _ in learn])
    n_word = sum(map(len, corpus))

    seconds = {"libattn": [], "gensim": []}
    whole = {"libattn": [], "gensim": []}
    vectors = {}
    for i in range(ROUNDS):
        train, total = run_libattn(i + 1)
        seconds["libattn"].append(train)
        whole["libattn"].append(total)
        if i == 0:
            vectors["libattn"] = libattn_vectors()
        train, total, table = run_gensim(corpus, i + 1)
        seconds["gensim"].append(train)
        whole["gensim"].append(total)
        if i < 2:
            vectors["gensim" if i == 0 else "gensim, another seed"] = table

    other = vectors["gensim, another seed"]
    order = {"all": [w for w in other[0] if all(w in v[0] for v in vectors.values())]}
    reference = neighbors(other, order)
    rows, data = [], {"machine": report.machine(), "words": n_word, "settings": SETTINGS}
    for name in ("libattn", "gensim"):
        median = statistics.median(seconds[name])
        figures = {"words_per_second": n_word * SETTINGS["epochs"] / median, "seconds": median,
                   "seconds_whole": statistics.median(whole[name]),
                   "cloze": cloze(vectors[name], held_words[:1000]),
                   "section": section(vectors[name], held_words, held_sections),
                   "neighbors": agreement(neighbors(vectors[name], order), reference)}
        data[name] = figures
        rows.append([name, f"{figures['words_per_second']:,.0f}", f"{median:.2f}", f"{figures['seconds_whole']:.2f}",
                     f"{figures['cloze']:.4f}", f"{figures['section']:.3f}", f"{figures['neighbors']:.3f}"])
    title = (f"CBOW on {len(learn):,} package descriptions, {n_word:,} words, {SETTINGS['epochs']} epochs, dim "
             f"{SETTINGS['dim']}, float32, one core ({report.machine()}), median of {ROUNDS}")
    report.keep("train", report.table(title, ["", "words/s", "training s", "whole s", "cloze", "section",
                                              "neighbors"], rows), data)


if __name__ == "__main__":
    main()
