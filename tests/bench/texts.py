"""texts.py - the texts of the benchmarks, the same on every machine that has the lists.

  workloads     Debian's package descriptions, from tests/demo/packages.txt
  varied        2,000 real texts of many kinds: descriptions in six languages (apt's
                lists), news, reviews, newsgroups, Wikipedia (gensim's test data), the
                documentation and the source of Python
  summaries     20,000 lines and 1,000 to look for
  calibration   for the peers that want it; in none of the above
  junk          random Unicode

None is in tests/fixtures/st, on which embeddings are tested.
"""
import bz2
import functools
import glob
import os
import random
import re
import subprocess
import sysconfig

from tokenizers import Tokenizer

import report

MODEL = "build/model"
LANGUAGES = "en", "de", "fr", "ja", "ru", "zh_CN"


@functools.cache
def tokenizer():
    t = Tokenizer.from_file(MODEL + "/tokenizer.json")
    t.no_padding()
    return t


def token_ids(texts, max_length=256):
    """As the model sees them: special tokens added, cut at max_length."""
    t = tokenizer()
    t.enable_truncation(max_length)
    return [e.ids for e in t.encode_batch(texts)]


def by_length(texts):
    return [texts[i] for _, i in sorted((len(ids), i) for i, ids in enumerate(token_ids(texts)))]


def one_line(text):
    return re.sub(r"\s+", " ", text).strip()


# ------------------------------------------------------------------------- sources

def apt_options():
    private = os.getcwd() + "/" + report.OUT + "/apt"
    os.makedirs(private + "/lists/partial", exist_ok=True)
    os.makedirs(private + "/cache/archives/partial", exist_ok=True)
    return [f"-oDir::State::lists={private}/lists", f"-oDir::Cache={private}/cache",
            "-oAPT::Sandbox::User=root", "-oAcquire::Languages=" + ",".join(LANGUAGES),
            "-oAcquire::IndexTargets::deb::DEP-11::DefaultEnabled=false"]


@functools.cache
def apt_lists():
    """language -> text of the Translation list, fetched once; {} where there is no apt."""
    def files():
        return subprocess.run(["apt-get", *apt_options(), "indextargets", "--format", "$(FILENAME)",
                               "Created-By: Translations"], capture_output=True, text=True).stdout.split()
    try:
        if not files():
            print("Fetching apt's lists of package descriptions, once", flush=True)
            subprocess.run(["apt-get", "-qq", *apt_options(), "update"], capture_output=True)
        return {language: "\n\n".join(
            subprocess.run(["/usr/lib/apt/apt-helper", "cat-file", path], capture_output=True,
                           encoding="utf-8", errors="replace").stdout
            for path in sorted(files()) if f"Translation-{language}" in path.replace("%5f", "_"))
            for language in LANGUAGES}
    except OSError:
        return {}


@functools.cache
def descriptions(language):
    """[(summary, description)] of all packages, without those that come twice."""
    raw = apt_lists().get(language)
    if not raw and language == "en":
        with open("tests/demo/packages.txt") as f:
            raw = f.read()
    records = re.findall(r"Description-(?!md5)[\w%]+: (.+)\n((?: .*\n)*)", raw or "")
    return list({summary: (summary, one_line(re.sub(r"(?m)^ \.$", "", body)))
                 for summary, body in records}.values())


def gensim_texts():
    """News, film reviews, newsgroups, articles: a paragraph or a line each."""
    try:
        import gensim
    except ImportError:
        return
    folder = os.path.dirname(gensim.__file__) + "/test/test_data/"

    def read(name):
        with open(folder + name, encoding="utf-8", errors="replace") as f:
            return f.read()
    for news in read("lee.cor"), read("lee_background.cor"):
        yield from news.split("\n")
        yield from re.split(r"(?<=[a-z]\.) (?=[A-Z])", news.replace("\n", " "))
    yield from (line.split(" ", 1)[1] for line in read("pang_lee_polarity.cor").split("\n") if " " in line)
    yield from read("crime-and-punishment.txt").split("\n")
    for path in sorted(glob.glob(folder + "mini_newsgroup*")):
        if os.path.isfile(path):
            yield from read(os.path.basename(path)).split("\n\n")
    for wiki in sorted(glob.glob(folder + "*wiki-latest*.bz2")):
        with bz2.open(wiki, "rt", encoding="utf-8", errors="replace") as f:
            yield from (p for p in f.read().split("\n") if not p.lstrip().startswith(("<", "{", "|")))


def python_texts():
    """Paragraphs and lines of Python's own library."""
    library = sysconfig.get_paths()["stdlib"]
    for path in sorted(glob.glob(library + "/*.py"))[:80]:
        with open(path, encoding="utf-8", errors="replace") as f:
            source = f.read()
        yield from re.split(r"\n\s*\n", source)


def usable(texts):
    """Each once, not blank, no longer than a page, in the order of a fixed shuffle."""
    with open("tests/fixtures/st/texts.txt", encoding="utf-8") as f:
        taken = {one_line(line.replace("\\n", "\n")) for line in f}
    chosen = sorted({t.strip()[:2000] for t in texts
                     if len(t.strip()) > 3 and "\0" not in t and one_line(t) not in taken})
    random.Random(4).shuffle(chosen)
    return chosen


# --------------------------------------------------------------------------- the sets

@functools.cache
def packages():
    """[(name, summary, description)] of the list in the repository."""
    with open("tests/demo/packages.txt") as f:
        records = re.findall(r"Package: (.+)\nDescription-en: (.+)\n((?: .*\n)*)", f.read())
    return [(name, summary, one_line(body)) for name, summary, body in records]


def workloads():
    """name -> (texts sorted by length, batch size)"""
    def of_length(texts, low, high, n):
        return by_length([t for t, ids in zip(texts, token_ids(texts)) if low <= len(ids) <= high][:n])
    short = of_length([f"{name}: {summary}" if len(summary) < 30 else summary
                       for name, summary, _ in packages()], 9, 15, 128)
    long = of_length([body for _, _, body in packages()], 76, 100, 32)
    return {"short": (short, 32), "long": (long, 32), "one": (short[::2], 1)}


def english():
    return usable([s for s, _ in descriptions("en")])


def varied(n=2000):
    """A third short, a third long, languages and kinds mixed."""
    sets = [usable(body for _, body in descriptions("en"))[:n * 3 // 10], english()[-n // 10:]]
    sets += [usable(one for both in descriptions(language) for one in both)[:n * 4 // 100]
             for language in LANGUAGES[1:]]
    sets.append(usable(python_texts())[:n // 5])
    sets.append(usable(gensim_texts()))
    return [t[:600] for s in sets for t in s][:n]


def summaries(n=20_000, n_query=1_000):
    """rows, queries"""
    lines = english()[:-n // 100 - 500]
    n_query = min(n_query, len(lines) // 10)
    return lines[n_query:n_query + n], lines[:n_query]


def calibration(n=300):
    """Of the lengths that batches have."""
    lines = english()[-n - 200:]
    return [body if i % 2 else lines[i] for i, body in enumerate(
        usable(body for _, body in descriptions("en"))[-n:])]


def junk(n=500):
    """Code points of any plane but surrogates, 1 to 64 of them, some in words."""
    rng, texts = random.Random(5), []
    for i in range(n):
        top = (0x250, 0x3000, 0xd800, 0x20000, 0x110000)[i % 5]
        points = [c for c in (rng.randrange(1, top) for _ in range(rng.randint(1, 64)))
                  if not 0xd800 <= c < 0xe000]
        texts.append("".join(chr(c) + " " * (rng.random() < 0.2) for c in points) or "?")
    return texts
