"""train.py [defaults|demo] - CBOW word2vec on one core: libattn, gensim and the C program of
Mikolov and others, the same words, the same settings.

The corpus is what `apt-cache dumpavail` knows of packages: a text is a package's name and
description.  A tenth of the packages is held out.  All learn from the same words (libattn
cuts the texts itself), and are judged by the same numpy code, from their vectors alone:

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
import sys
import tarfile
import time

import numpy as np
from tokenizers import normalizers, pre_tokenizers

import report

ROUNDS = {"defaults": 3, "demo": 2}
EVERY = {"defaults": 1, "demo": 10}  # of the texts
DATABASE = report.OUT + "/train.db"
CORPUS, VECTORS = report.OUT + "/train_corpus.txt", report.OUT + "/train_vectors.txt"
PROGRAM = report.OUT + "/word2vec"
SOURCE = "word2vec==0.11.1"  # of PyPI: the C program and what compiles it
OPTIMIZED = ["-Ofast", "-march=native", "-funroll-loops", "-w"]  # as its setup.py does

# The C program's two ways of being called: by its defaults, but the learning rate, which is
# gensim's; and as its demo-word.sh, on every tenth text, as it takes long.
SETTINGS = {
    "defaults": {"dim": 100, "window": 5, "negative": 5, "sample": 1e-3, "min_count": 5, "epochs": 5, "alpha": 0.025},
    "demo": {"dim": 200, "window": 8, "negative": 25, "sample": 1e-4, "min_count": 5, "epochs": 15, "alpha": 0.05},
}


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


def run_libattn(settings, corpus, seed):
    options = json.dumps({**settings, "seed": seed, "progress": 1e6})
    start = time.perf_counter()
    out = subprocess.run(
        ["sqlite3", "-bail", "-csv", DATABASE, ".load ./libattn",
         "SELECT attn_drop(name) FROM attn_models",
         f"SELECT words, words_per_second FROM attn_train('w', 'SELECT body FROM docs', '{options}')"],
        check=True, capture_output=True, text=True).stdout
    total = time.perf_counter() - start
    n, speed = map(float, out.strip().split("\n")[-1].split(","))
    return n / speed, total, libattn_vectors()


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


def run_gensim(settings, corpus, seed):
    from gensim.models import Word2Vec
    start = time.perf_counter()
    model = Word2Vec(vector_size=settings["dim"], sg=0, workers=1, seed=seed,
                     **{k: settings[k] for k in ("window", "negative", "sample", "min_count", "alpha")})
    model.build_vocab(corpus)
    middle = time.perf_counter()
    model.train(corpus, total_examples=len(corpus), epochs=settings["epochs"])
    end = time.perf_counter()
    return end - middle, end - start, (dict(model.wv.key_to_index), model.wv.vectors.copy())


def make_program():
    """-> whether there is one; compiled from the package's source for this machine."""
    if os.path.exists(PROGRAM):
        return True
    try:
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d",
                        report.OUT, SOURCE], check=True, capture_output=True)
        archive = next(name for name in os.listdir(report.OUT) if re.fullmatch(r"word2vec-.*\.tar\.gz", name))
        with tarfile.open(f"{report.OUT}/{archive}") as files:
            name = next(n for n in files.getnames() if n.endswith("includes/word2vec.c"))
            source = files.extractfile(name).read()
        subprocess.run([os.environ.get("CC", "cc"), "-x", "c", "-", "-o", PROGRAM, *OPTIMIZED, "-lm", "-pthread"],
                       input=source, check=True)
    except (OSError, StopIteration, subprocess.CalledProcessError) as e:
        print(f"left out: the C program ({e})")
        return False
    return True


def run_program(settings, corpus, seed):
    """Its seconds of training are told by itself; it has no seed."""
    start = time.perf_counter()
    out = subprocess.run(
        [PROGRAM, "-train", CORPUS, "-output", VECTORS, "-cbow", "1", "-hs", "0", "-threads", "1", "-binary", "0",
         "-size", str(settings["dim"]), "-iter", str(settings["epochs"]), "-min-count", str(settings["min_count"]),
         *(a for k in ("window", "negative", "sample", "alpha") for a in ("-" + k, str(settings[k])))],
        check=True, capture_output=True, text=True).stdout
    total = time.perf_counter() - start
    n = int(re.search(r"Words in train file: (\d+)", out)[1])
    speed = 1000 * float(re.findall(r"Words/thread/sec: ([\d.]+)k", out)[-1])
    index, rows = {}, []
    with open(VECTORS, encoding="utf-8", errors="replace") as lines:
        next(lines)
        for line in lines:
            word, *numbers = line.split(" ")
            if word != "</s>":
                index[word] = len(rows)
                rows.append([float(x) for x in numbers if x.strip()])
    return n * settings["epochs"] / speed, total, (index, np.array(rows, np.float32))


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


def measure(name, settings, contenders, corpus, held):
    seconds, whole = {k: [] for k in contenders}, {k: [] for k in contenders}
    vectors = {}
    for i in range(ROUNDS[name]):
        for key, run in contenders.items():
            train, total, table = run(settings, corpus, i + 1)
            seconds[key].append(train)
            whole[key].append(total)
            if i == 0:
                vectors[key] = table
            elif i == 1 and key == "gensim":
                vectors["another seed"] = table

    n_word = sum(map(len, corpus))
    other = vectors["another seed"]
    order = {"all": [w for w in other[0] if all(w in v[0] for v in vectors.values())]}
    reference = neighbors(other, order)
    held_words, held_sections = [words(text) for text, _ in held], [s for _, s in held]
    rows, data = [], {"machine": report.machine(), "words": n_word, "settings": settings}
    for key in contenders:
        median = statistics.median(seconds[key])
        figures = {"words_per_second": n_word * settings["epochs"] / median, "seconds": median,
                   "seconds_whole": statistics.median(whole[key]),
                   "cloze": cloze(vectors[key], held_words[:1000]),
                   "section": section(vectors[key], held_words, held_sections),
                   "neighbors": agreement(neighbors(vectors[key], order), reference)}
        data[key] = figures
        rows.append([key, f"{figures['words_per_second']:,.0f}", f"{median:.2f}", f"{figures['seconds_whole']:.2f}",
                     f"{figures['cloze']:.4f}", f"{figures['section']:.3f}", f"{figures['neighbors']:.3f}"])
    told = ", ".join(f"{k} {v:g}" for k, v in settings.items())
    title = (f"CBOW on {len(corpus):,} package descriptions, {n_word:,} words, float32, one core ({report.machine()}), median "
             f"of {ROUNDS[name]}; {name}: {told}")
    report.keep("train" if name == "defaults" else f"train_{name}",
                report.table(title, ["", "words/s", "training s", "whole s", "cloze", "section", "neighbors"], rows),
                data)


def main():
    report.use_one_core()
    all_packages = packages()
    learn = [p for i, p in enumerate(all_packages) if i % 10]
    held = [p for i, p in enumerate(all_packages) if i % 10 == 0][:3000]
    corpus = [words(text) for text, _ in learn]
    contenders = {"libattn": run_libattn, "gensim": run_gensim}
    if make_program():
        contenders["word2vec"] = run_program
    for name in sys.argv[1:] or SETTINGS:
        some = corpus[::EVERY[name]]
        make_database([text for text, _ in learn[::EVERY[name]]])
        with open(CORPUS, "w", encoding="utf-8") as out:
            out.writelines(" ".join(text) + "\n" for text in some)
        measure(name, SETTINGS[name], contenders, some, held)


if __name__ == "__main__":
    main()
