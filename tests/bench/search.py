"""search.py - nearest neighbors on one core: libattn's codes and its peers.

Vectors of 384 numbers, cosine distance, the 10 nearest; recall is against a look at
every row.  Three sets, so that nobody is misled:

  descriptions   Debian's package descriptions, as all-MiniLM-L6-v2 embeds them
  uniform        100,000 rows of independent uniform numbers: the worst that can be
  a million      the descriptions, and mixtures of two of them with noise
"""
import math
import os
import re
import sqlite3
import subprocess
import time

import numpy as np

import report

D, K, N_QUERY = 384, 10, 100
MODEL = "build/model"


# ------------------------------------------------------------------------- vectors

def descriptions():
    """The texts of apt's own lists, else those of the demo."""
    raw = ""
    for options in [], ["-o", f"Dir::State::lists={os.getcwd()}/build/apt/lists"]:
        try:
            files = subprocess.run(["apt-get", *options, "indextargets", "--format", "$(FILENAME)",
                                    "Created-By: Translations"], capture_output=True, text=True).stdout
            for path in files.split():
                raw += subprocess.run(["/usr/lib/apt/apt-helper", "cat-file", path],
                                      capture_output=True, text=True).stdout
        except FileNotFoundError:
            pass
        if raw:
            break
    if not raw:
        with open("tests/demo/packages.txt") as f:
            raw = f.read()
    records = re.findall(r"Description-en: (.+)\n((?: .*\n)*)", raw)
    return sorted({summary + "\n" + re.sub(r"\s+", " ", body)[:120] for summary, body in records})


def embedded():
    """The descriptions' vectors, made once and kept: some minutes."""
    path, database = report.OUT + "/descriptions.npy", report.OUT + "/descriptions.db"
    if not os.path.exists(path):
        texts = descriptions()
        if os.path.exists(database):
            os.remove(database)
        db = sqlite3.connect(database)
        db.execute("CREATE TABLE texts(id INTEGER PRIMARY KEY, text TEXT)")
        db.executemany("INSERT INTO texts VALUES (?, ?)", enumerate(texts))
        db.commit()
        db.close()
        shell = subprocess.Popen(
            ["sqlite3", database, ".load ./libattn", f"SELECT attn_import('minilm', '{MODEL}')",
             "SELECT hex(embed(text)) FROM texts ORDER BY id"], stdout=subprocess.PIPE, text=True)
        shell.stdout.readline()  # the model's name
        vectors = np.empty((len(texts), D), np.float32)
        for i, line in enumerate(shell.stdout):
            vectors[i] = np.frombuffer(bytes.fromhex(line), np.float32)
            if i % 500 == 0:
                print(f"\rEmbedding descriptions, once: {i} of {len(texts)}", end="", flush=True)
        print()
        if shell.wait() != 0:
            raise SystemExit("the descriptions could not be embedded")
        np.save(path + ".part.npy", vectors)
        os.rename(path + ".part.npy", path)
    return np.load(path)


def normalized(x):
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def mixtures(rows, n, rng):
    parts = [rows]
    while sum(map(len, parts)) < n:
        m = min(50_000, n - sum(map(len, parts)))
        a, b = rows[rng.integers(len(rows), size=m)], rows[rng.integers(len(rows), size=m)]
        share = rng.random((m, 1), dtype=np.float32) / 2
        noise = rng.uniform(-0.03, 0.03, (m, D)).astype(np.float32)
        parts.append(normalized(a * (1 - share) + b * share + noise))
    return np.concatenate(parts)


def datasets():
    """Yields name, rows, queries; no query is among the rows."""
    rng = np.random.default_rng(1)
    real = normalized(rng.permutation(embedded()))
    rows, queries = real[:-N_QUERY], real[-N_QUERY:]
    yield "descriptions", rows, queries
    uniform = normalized(rng.uniform(-1, 1, (100_000 + N_QUERY, D)))
    yield "uniform", uniform[:-N_QUERY], uniform[-N_QUERY:]
    yield "a million", mixtures(rows, 1_000_000, rng), queries


# ------------------------------------------------------------------ the contenders
# Each has a name and a function from the number of a query to the rows found and the
# seconds taken.

class Stopwatch:
    """The program bench_search.c."""

    def __init__(self, rows, queries):
        for name, x in ("rows", rows), ("queries", queries):
            x.tofile(f"{report.OUT}/{name}.f32")
        self.process = subprocess.Popen(
            [report.OUT + "/bench_search", str(D), report.OUT + "/rows.f32", report.OUT + "/queries.f32"],
            text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, command):
        print(command, file=self.process.stdin, flush=True)
        seconds, *found = self.process.stdout.readline().split()
        return [int(r) for r in found], float(seconds)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def timed(run):
    start = time.perf_counter()
    found = run()
    return found, time.perf_counter() - start


def numpy_search(rows, queries):
    def search(q):
        similarity = rows @ queries[q]
        best = np.argpartition(-similarity, K)[:K]
        return best[np.argsort(-similarity[best])].tolist()
    return lambda q: timed(lambda: search(q))


def sqlite_vec(libattn, n):
    """-> {name: search}, rows a second; run by the stopwatch program, too."""
    import sqlite_vec as package
    seconds = libattn.run(f"peer {n} {package.loadable_path()}")[1]
    name = "sqlite-vec " + package.__version__
    return {f"{name} {kind}": lambda q, kind=kind: libattn.run(f"peer_search {q} {K} {kind}")
            for kind in ("f32", "int8", "bit")}, n / seconds


def contenders(libattn, name, rows, queries, missing):
    """{name: search}"""
    searches = {"libattn, exact": lambda q: libattn.run(f"search {q} {K} 0")}
    for sigma in 0.75, 1.0, 1.25, 1.5, 1.75, 2.25:
        default = " (default)" if sigma == 1.75 else ""
        searches[f"libattn, sigma {sigma}{default}"] = (
            lambda q, sigma=sigma: libattn.run(f"search {q} {K} {sigma}"))
    searches["numpy f32"] = numpy_search(rows, queries)
    if name != "a million":
        try:
            more, speed = sqlite_vec(libattn, len(rows))
            searches.update(more)
            print(f"{name}: sqlite-vec inserts {speed:,.0f} rows/s", flush=True)
        except ImportError as e:
            missing.append(f"sqlite-vec ({e})")
    return searches


# --------------------------------------------------------------------------- measuring

def measure(searches, truth):
    """-> {name: (median seconds, recall)}; every round asks all one query."""
    seconds = {name: [] for name in searches}
    found = {name: 0 for name in searches}
    for q in range(N_QUERY):
        for name, search in searches.items():
            rows, s = search(q)
            seconds[name].append(s)
            found[name] += len(set(rows) & truth[q])
    return {name: (float(np.median(s)), found[name] / (K * N_QUERY)) for name, s in seconds.items()}


def cells(results, n):
    """Rows of the table; the time for 100,000 rows is scaled from n."""
    return [[name, f"{s * 1e3:.2f}", f"{s * 1e3 * 1e5 / n:.2f}", f"{recall:.4f}"]
            for name, (s, recall) in results.items()]


def chart(path, title, results):
    """Recall against queries per second, as ann-benchmarks draws it: the upper right
    is good.  The recall axis is logarithmic in what is missed, and ends with 1."""
    width, height, left, right, bottom, least = 760, 440, 70, 540, 60, 3e-4
    speeds = [1 / s for s, _ in results.values()]
    low, high = math.floor(math.log10(min(speeds))), math.ceil(math.log10(max(speeds)))

    def x(recall):
        return left + (right - left) * math.log(max(1 - recall, least)) / math.log(least)

    def y(speed):
        return height - bottom - (height - bottom - 60) * (math.log10(speed) - low) / (high - low)
    body = []
    for p in range(low, high + 1):
        body.append(f'<line x1="{left}" x2="{right}" y1="{y(10 ** p):.0f}" y2="{y(10 ** p):.0f}"/>'
                    f'<text x="{left - 8}" y="{y(10 ** p) + 4:.0f}" class="e">{10 ** p:g}</text>')
    for recall in 0.5, 0.9, 0.99, 0.999, 1:
        body.append(f'<line x1="{x(recall):.0f}" x2="{x(recall):.0f}" y1="60" y2="{height - bottom}"/>'
                    f'<text x="{x(recall):.0f}" y="{height - bottom + 18}" class="m">{recall:g}</text>')
    for word in "sigma", "lists":  # a line through what differs in one setting
        points = " ".join(f"{x(r):.0f},{y(1 / s):.0f}" for name, (s, r) in results.items() if word in name)
        body.append(f'<polyline points="{points}"/>')
    for name, (s, recall) in results.items():
        ours = " ours" if name.startswith("libattn") else ""
        body.append(f'<circle cx="{x(recall):.0f}" cy="{y(1 / s):.0f}" r="5" class="d{ours}"/>')
        if not ("sigma" in name or "lists" in name) or "default" in name or " 40 of" in name:
            body.append(f'<text x="{x(recall) + 8:.0f}" y="{y(1 / s) - 6:.0f}" class="v{ours}">{name}</text>')
    with open(path, "w") as f:
        f.write(f'''<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>{title}</title>
<style>
text {{ font: 12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #3d444d }}
line {{ stroke: #d1d9e0 }} polyline {{ stroke: #0969da; fill: none }} .e {{ text-anchor: end }} .m {{ text-anchor: middle }}
.t {{ font-size: 16px; font-weight: 600 }} .d {{ fill: #818b98 }} .d.ours {{ fill: #0969da }} .v.ours {{ font-weight: 600 }}
@media (prefers-color-scheme: dark) {{
  text {{ fill: #d1d7e0 }} line {{ stroke: #3d444d }} .d.ours {{ fill: #4493f8 }}
}}
</style>
<text x="16" y="26" class="t">{title}</text>
<text x="16" y="46">queries per second (log) against recall@{K}</text>
{chr(10).join(body)}
</svg>
''')


def main():
    report.use_one_core()
    text, data, missing = [], {"machine": report.machine()}, []
    columns = ["", "ms", "ms per 100,000", f"recall@{K}"]
    for name, rows, queries in datasets():
        n = len(rows)
        libattn = Stopwatch(rows, queries)
        built = libattn.run(f"build {n}")[1]
        truth = [set(libattn.run(f"search {q} {K} 0")[0]) for q in range(N_QUERY)]
        results = measure(contenders(libattn, name, rows, queries, missing), truth)
        if name == "a million":
            listed = libattn.run(f"lists {n}")[1]
            text.append(f"lists: {listed:.0f} s to train and fill")
            results.update(measure(
                {f"libattn, {p} of {n // 1000} lists": lambda q, p=p: libattn.run(f"probe {q} {K} 1.75 {p}")
                 for p in (5, 10, 20, 40, 80)}, truth))
        libattn.close()
        title = f"{name}: {n:,} rows of {D}, the {K} nearest"
        text.append(report.table(title, columns, cells(results, n)))
        text.append(f"libattn encodes {n / built:,.0f} rows/s into 212.5 bytes each\n")
        data[name] = {k: {"seconds": s, "recall": r} for k, (s, r) in results.items()}
        chart(f"{report.OUT}/search_{name.replace(' ', '_')}.svg", title, results)
    text += [f"left out: {m}" for m in missing]
    text.append(report.machine() + ", one core")
    report.keep("search", "\n".join(text), data)


main()
