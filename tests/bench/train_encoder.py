"""train_encoder.py - a small BERT learns by cloze in the database: which share of hidden
words of held-out texts it names, beside what CBOW and the frequency of words can do.

The corpus is that of train.py; a tenth of the packages is held out.  In 1,000 of their
texts 15 % of the words are hidden, as attn_cloze does it, the same ones for all:

  unigram   the most frequent word of the corpus, each time
  cbow      gensim's CBOW (negative sampling, window 5, as many numbers a word, five
            epochs), trained on the same texts: the word with the largest product with
            the mean of those around it that are not hidden.  Negative sampling learns the
            log of how much more likely a word is there than as a negative one, so the
            log of the latter is added; where that is worse, it is not
  encoder   SELECT avg(rank = 1) FROM attn_cloze('SELECT id, body FROM held', 'e')

What attn_cloze says is what transformers' BertForMaskedLM says of the tensors in the
database, which is checked.
"""
import json
import sqlite3
import struct
import subprocess
import time

import numpy as np

import report
import train

HELD = 1000
DATABASE = train.DATABASE
OPTIONS = {"kind": "encoder", "d_model": 128, "n_layer": 2, "n_head": 4, "d_ff": 512, "max_length": 64,
           "batch": 32, "max_vocab": 10000, "steps": 2400, "learning_rate": 2e-3}
PAD, UNKNOWN, CLS, SEP, MASK = range(5)


def run_encoder():
    """-> seconds, words read, [(step, loss)]"""
    start = time.perf_counter()
    out = subprocess.run(
        ["sqlite3", "-bail", "-csv", DATABASE, ".load ./libattn", "SELECT attn_drop(name) FROM attn_models",
         f"SELECT step, loss, words FROM attn_train('e', 'SELECT body FROM docs', '{json.dumps(OPTIONS)}')"],
        check=True, capture_output=True, text=True).stdout
    rows = [line.split(",") for line in out.strip().split("\n") if line.count(",") == 2]
    return time.perf_counter() - start, int(rows[-1][2]), [(int(s), float(x)) for s, x, _ in rows]


def load():
    """-> {word: id}, BertForMaskedLM"""
    import torch
    from transformers import BertConfig, BertForMaskedLM
    db = sqlite3.connect(DATABASE)
    (vocab,), at, tokens = db.execute("SELECT data FROM attn_tokenizer").fetchone(), 0, {}
    while at < len(vocab):
        n, = struct.unpack_from("<I", vocab, at)
        tokens[vocab[at + 4:at + 4 + n].decode()] = len(tokens)
        at += 4 + n
    config = json.loads(db.execute("SELECT config FROM attn_model").fetchone()[0])["transformer"]
    model = BertForMaskedLM(BertConfig(**config)).eval()
    state = {}
    for name, shape, data in db.execute("SELECT name, shape, data FROM attn_tensor ORDER BY name, part"):
        state.setdefault(name, [json.loads(shape), b""])[1] += data
    own = {(n if n.startswith("cls.") else "bert." + n):
           torch.from_numpy(np.frombuffer(data, "<f4").reshape(shape).copy()) for n, (shape, data) in state.items()}
    own["cls.predictions.decoder.weight"] = own["bert.embeddings.word_embeddings.weight"]
    own["cls.predictions.decoder.bias"] = own["cls.predictions.bias"]
    missing = model.load_state_dict(own, strict=False)
    assert not missing.unexpected_keys and all("position_ids" in n for n in missing.missing_keys), missing
    return tokens, model


def ask(held):
    """-> {(text, place): (token, guess, rank)} of attn_cloze"""
    db = sqlite3.connect(DATABASE)
    db.execute("CREATE TABLE held(id INTEGER PRIMARY KEY, body TEXT)")
    db.executemany("INSERT INTO held VALUES (?, ?)", enumerate(held))
    db.commit()
    db.close()
    out = subprocess.run(
        ["sqlite3", "-bail", "-json", DATABASE, ".load ./libattn",
         "SELECT * FROM attn_cloze('SELECT id, body FROM held ORDER BY id', 'e')"],
        check=True, capture_output=True, text=True).stdout
    return {(row["id"], row["position"] - 1): (row["token"], row["guess"], row["rank"]) for row in json.loads(out)}


def hide(texts, tokens, told):
    """[(ids, hidden places)]"""
    out = []
    for text in texts:
        ids = [tokens.get(w, UNKNOWN) for w in text][:OPTIONS["max_length"] - 2]
        out.append((ids, set()))
    for (text, place), (token, _, _) in told.items():
        ids, hidden = out[text]
        assert ids[place] == tokens[token], (text, place, token)
        hidden.add(place)
    return [(ids, hidden) for ids, hidden in out if hidden]


def accuracy(right, cloze):
    return right / sum(len(hidden) for _, hidden in cloze)


def unigram(cloze):
    return accuracy(sum(ids[i] == MASK + 1 for ids, hidden in cloze for i in hidden), cloze)


def encoder(model, cloze):
    """How many transformers names, which is what attn_cloze has to say."""
    import torch
    right = 0
    with torch.inference_mode():
        for ids, hidden in cloze:
            seen = [CLS] + [MASK if i in hidden else t for i, t in enumerate(ids)] + [SEP]
            best = model(torch.tensor([seen])).logits[0].argmax(-1).tolist()
            right += sum(best[i + 1] == ids[i] for i in hidden)
    return right


def cbow(corpus, tokens, cloze, epochs):
    from gensim.models import Word2Vec
    model = Word2Vec(vector_size=OPTIONS["d_model"], window=5, negative=5, min_count=5, sg=0, workers=2, seed=1)
    model.build_vocab(corpus)
    model.train(corpus, total_examples=len(corpus), epochs=epochs)
    place = {tokens[w]: i for w, i in model.wv.key_to_index.items() if w in tokens}
    rows = [place[t] for t in sorted(place)]
    ids_of = sorted(place)
    noise = 0.75 * np.log([model.wv.get_vecattr(int(i), "count") for i in rows])
    into, out = model.wv.vectors, model.syn1neg[rows]
    right = [0, 0]
    for ids, hidden in cloze:
        for i in hidden:
            around = [place[ids[k]] for k in range(max(0, i - 5), min(len(ids), i + 6))
                      if k != i and k not in hidden and ids[k] in place]
            score = out @ (into[around].mean(0) if around else np.zeros(into.shape[1]))
            right[0] += ids_of[int(score.argmax())] == ids[i]
            right[1] += ids_of[int((score + noise).argmax())] == ids[i]
    return accuracy(max(right), cloze)


def main():
    report.use_cores(2)
    packages = train.packages()
    learn = [train.words(t) for i, (t, _) in enumerate(packages) if i % 10]
    held = [t for i, (t, _) in enumerate(packages) if i % 10 == 0][:HELD]
    train.make_database([t for i, (t, _) in enumerate(packages) if i % 10])
    seconds, n_word, losses = run_encoder()
    tokens, model = load()
    told = ask(held)
    cloze = hide([train.words(t) for t in held], tokens, told)
    named = sum(rank == 1 for _, _, rank in told.values())
    theirs = encoder(model, cloze)
    assert abs(named - theirs) <= 1, (named, theirs)  # two words may be equally likely, nearly
    scores = {"unigram": unigram(cloze), "cbow": cbow(learn, tokens, cloze, 5), "encoder": accuracy(named, cloze)}
    n_hidden = sum(len(hidden) for _, hidden in cloze)
    title = (f"Hidden words of {len(cloze):,} held-out package descriptions that are named ({n_hidden:,} words); "
             f"the encoder read {n_word:,} words in {seconds:.0f} s on two cores ({report.machine()}), "
             f"loss {losses[0][1]:.2f} to {losses[-1][1]:.2f}")
    rows = [[name, f"{100 * score:.1f} %"] for name, score in scores.items()]
    report.keep("train_encoder", report.table(title, ["", "named"], rows),
                {"machine": report.machine(), "options": OPTIONS, "seconds": seconds, "words": n_word,
                 "hidden": n_hidden, "losses": losses, "named": scores})


if __name__ == "__main__":
    main()
