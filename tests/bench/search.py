"""search.py - nearest neighbors by SQL on one core: libattn and its peers.

Vectors of 384 numbers, cosine distance, the 10 nearest; recall is against a look at
every row.  Three sets, so that nobody is misled:

  descriptions   Debian's package descriptions, as all-MiniLM-L6-v2 embeds them
  uniform        100,000 rows of independent uniform numbers: the worst that can be
  a million      the descriptions, and mixtures of two of them with noise

Every contender is asked in SQL, by one C program that holds the stopwatch
(bench_search.c), and all get the same query in turn.  numpy is there as what a plain
product with every row costs.
"""
import math
import os
import re
import sqlite3
import subprocess
import sys
import time

import numpy as np

import report
import texts

D, K, N_QUERY = 384, 10, 100
MODEL = "build/model"
INSERT = "INSERT INTO v(rowid, e) VALUES (?1, ?2)"


# ------------------------------------------------------------------------- vectors

def descriptions():
    both = (summary + "\n" + body[:120] for summary, body in texts.descriptions("en"))
    return texts.usable(both)[:64_000]


def sql(database, *statements):
    """Rows of one column, by the sqlite3 shell with libattn."""
    out = subprocess.run(["sqlite3", database, ".load ./libattn", *statements],
                         capture_output=True, text=True, check=True)
    return out.stdout.split()


def embedded():
    """The descriptions' vectors, by libattn; made in steps, once, and kept."""
    database = report.OUT + "/descriptions.db"
    with sqlite3.connect(database) as db:
        if not db.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'texts'").fetchone()[0]:
            db.execute("CREATE TABLE texts(id INTEGER PRIMARY KEY, text TEXT, vector BLOB)")
            db.executemany("INSERT INTO texts(id, text) VALUES (?, ?)", enumerate(descriptions()))
    db.close()
    if sql(database, "SELECT count(*) FROM texts WHERE vector IS NULL") != ["0"]:
        print("Embedding descriptions, once", flush=True)
        if sql(database, "SELECT attn_create(); SELECT count(*) FROM attn_model")[-1] == "0":
            sql(database, f"SELECT attn_import('minilm', '{MODEL}')")
        while sql(database, "UPDATE texts SET vector = e.vector FROM attn_embed_each("
                  "'SELECT id, text FROM texts WHERE vector IS NULL LIMIT 2000') e"
                  " WHERE e.id = texts.id; SELECT count(*) FROM texts WHERE vector IS NULL") != ["0"]:
            pass
    with sqlite3.connect(database) as db:
        blobs = [row[0] for row in db.execute("SELECT vector FROM texts ORDER BY id")]
    return np.frombuffer(b"".join(blobs), np.float32).reshape(-1, D)


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


def dataset(name):
    """Rows and queries; no query is among the rows."""
    rng = np.random.default_rng(1)
    if name == "uniform":
        uniform = normalized(rng.uniform(-1, 1, (100_000 + N_QUERY, D)))
        return uniform[:-N_QUERY], uniform[-N_QUERY:]
    real = normalized(rng.permutation(embedded()))
    rows, queries = real[:-N_QUERY], real[-N_QUERY:]
    return (mixtures(rows, 1_000_000, rng) if name == "a million" else rows), queries


# ------------------------------------------------------------------ the contenders

class Stopwatch:
    """The program bench_search.c, with a database open."""

    def __init__(self, rows, queries):
        for name, x in ("rows", rows), ("queries", queries):
            x.tofile(f"{report.OUT}/{name}.f32")
        self.process = subprocess.Popen(
            [report.OUT + "/bench_search", str(D), report.OUT + "/rows.f32", report.OUT + "/queries.f32"],
            text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, command):
        """-> seconds, words"""
        print(command, file=self.process.stdin, flush=True)
        line = self.process.stdout.readline().split()
        if not line:
            raise SystemExit(f"bench_search ended at: {command}")
        return float(line[0]), line[1:]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Database:
    """A database of one contender: where, with what, and how it is asked.
    searches: {name: ([SQL to set it up], SQL of the query)}"""

    def __init__(self, name, extension, create, insert, searches, finish=(), codes=None):
        self.name, self.extension, self.create = name, extension, create
        self.insert, self.searches, self.finish, self.codes = insert, searches, finish, codes

    def path(self, set_name):
        return report.OUT + "/" + re.sub(r"\W+", "_", f"{set_name} {self.name}") + ".db"

    def fill(self, watch, set_name, n):
        """-> rows a second, bytes a row, seconds of what follows"""
        path = self.path(set_name)
        for suffix in "", "-wal", "-journal":
            if os.path.exists(path + suffix):
                os.remove(path + suffix)
        watch.run(f"open {path} {self.extension}")
        for statement in self.create:
            watch.run("run " + statement)
        seconds = watch.run(f"fill 0 {n} {self.insert}")[0]
        size = os.path.getsize(path)
        after = sum(watch.run("run " + statement)[0] for statement in self.finish)
        return n / seconds, size / n, after


def libattn(name, searches, options="", finish=()):
    ask = f"SELECT rowid FROM v WHERE v MATCH ?1 AND k = {K}"
    return Database(name, "./libattn", [f"CREATE VIRTUAL TABLE v USING attn(e FLOAT[{D}]{options})"],
                    INSERT, {name: (setup, ask) for name, setup in searches.items()}, finish, codes="v_codes")


def setting(name, value):
    return [f"INSERT INTO v(v, rank) VALUES ('{name}', {value})"]


def sqlite_vec():
    import sqlite_vec as package
    name = "sqlite-vec " + package.__version__
    order = f"AND k = {K}"
    return Database(
        name, package.loadable_path(),
        [f"CREATE VIRTUAL TABLE v USING vec0(e float[{D}] distance_metric=cosine)",
         f"CREATE VIRTUAL TABLE i USING vec0(e int8[{D}] distance_metric=cosine)",
         f"CREATE VIRTUAL TABLE b USING vec0(e bit[{D}])"], INSERT,
        {name + " f32": ([], f"SELECT rowid FROM v WHERE e MATCH ?1 {order}"),
         name + " int8": ([], f"SELECT rowid FROM i WHERE e MATCH vec_quantize_int8(?1, 'unit') {order}"),
         name + " bit": ([], f"SELECT rowid FROM b WHERE e MATCH vec_quantize_binary(?1) {order}")},
        ["INSERT INTO i(rowid, e) SELECT rowid, vec_quantize_int8(e, 'unit') FROM v",
         "INSERT INTO b(rowid, e) SELECT rowid, vec_quantize_binary(e) FROM v"])


def sqlite_vector():
    import sqlite_vector as package
    from importlib.metadata import version
    folder = os.path.dirname(package.__file__)
    name = "sqlite-vector " + version("sqliteai-vector")
    init = f"SELECT vector_init('v', 'e', 'type=FLOAT32,dimension={D},distance=COSINE')"
    return Database(
        name, folder + "/binaries/vector", ["CREATE TABLE v(id INTEGER PRIMARY KEY, e BLOB)", init],
        "INSERT INTO v(id, e) VALUES (?1, ?2)",
        {name + " f32": ([init], f"SELECT rowid FROM vector_full_scan('v', 'e', ?1, {K})"),
         name + " int8, preloaded": ([init, "SELECT vector_quantize_preload('v', 'e')"],
                                     f"SELECT rowid FROM vector_quantize_scan('v', 'e', ?1, {K})")},
        ["SELECT vector_quantize('v', 'e')"])


def peers(missing):
    found = []
    for make in sqlite_vec, sqlite_vector:
        try:
            found.append(make())
        except ImportError as e:
            missing.append(f"{make.__name__.replace('_', '-')} ({e})")
    return found


# --------------------------------------------------------------------------- measuring

def numpy_search(rows, queries):
    """-> seconds and rows of each query; the rows are the truth"""
    seconds, truth = [], []
    for query in queries:
        start = time.perf_counter()
        similarity = rows @ query
        best = np.argpartition(-similarity, K)[:K]
        best = best[np.argsort(-similarity[best])]
        seconds.append(time.perf_counter() - start)
        truth.append({str(i) for i in best})
    return seconds, truth


def measure(watch, database, set_name, truth):
    """-> {search: (median seconds, recall)}, (seconds of the first search of all when nothing is
    in memory, of a later one, and of reading the codes where there are such)"""
    results, cold = {}, None
    read = math.nan
    if database.codes:
        watch.run(f"open {database.path(set_name)} {database.extension}")
        read = watch.run(f"run SELECT count(*) FROM {database.codes} WHERE data > x''")[0]
    for name, (setup, ask) in database.searches.items():
        watch.run(f"open {database.path(set_name)} {database.extension}")
        for statement in setup:
            watch.run("run " + statement)
        first = watch.run(f"ask 0 {ask}")[0]
        answers = [watch.run(f"ask {q} {ask}") for q in range(N_QUERY)]
        seconds = float(np.median([s for s, _ in answers]))
        hits = sum(len(set(found) & truth[q]) for q, (_, found) in enumerate(answers))
        results[name] = seconds, hits / (K * N_QUERY)
        cold = cold or (first, seconds, read)
    return results, cold


def cells(results, n):
    """Rows of the table; the time for 100,000 rows is scaled from n."""
    return [[name, f"{s * 1e3:.2f}", f"{s * 1e3 * 1e5 / n:.2f}", f"{recall:.3f}"]
            for name, (s, recall) in results.items()]


CURVE, DEFAULT_PROBES = "lists probed", 64


def run(set_name, contenders, text, data, chart_path):
    rows, queries = dataset(set_name)
    n = len(rows)
    watch = Stopwatch(rows, queries)
    seconds, truth = numpy_search(rows, queries)
    results, filled = {}, []
    for database in contenders:
        speed, size, after = database.fill(watch, set_name, n)
        found, cold = measure(watch, database, set_name, truth)
        results.update(found)
        filled.append([database.name, f"{speed:,.0f}", f"{size:,.0f}", f"{size / (4 * D):.3f}",
                       f"{after:.1f}", *(f"{s * 1e3:.1f}" if s == s else "" for s in cold)])
        data.setdefault(set_name, {})[database.name] = {"rows_per_second": speed, "bytes": size, "after": after}
    watch.close()
    results["numpy, all products"] = float(np.median(seconds)), 1.0
    title = f"{set_name}: {n:,} rows of {D}, the {K} nearest"
    text.append(report.table(title, ["", "ms", "ms per 100,000", f"recall@{K}"], cells(results, n)))
    text.append("")
    text.append(report.table("", ["", "inserts/s", "bytes/row", "of raw", "then s", "first ms", "warm ms", "codes ms"], filled))
    text.append("")
    data[set_name]["searches"] = {k: {"seconds": s, "recall": r} for k, (s, r) in results.items()}
    chart(chart_path, title, results)


# ------------------------------------------------------------------------------ the chart

def chart(path, title, results):
    """Recall against queries per second, as ann-benchmarks draws it: the upper right
    is good.  The recall axis is logarithmic in what is missed, and ends with 1."""
    width, height, left, right, bottom, least = 760, 440, 70, 560, 60, 3e-4
    speeds = [1 / s for s, _ in results.values()]
    low, high = math.floor(math.log10(min(speeds))), math.ceil(math.log10(max(speeds)))

    def x(recall):
        return left + (right - left) * math.log(max(1 - recall, least)) / math.log(least)

    def y(speed):
        return height - bottom - (height - bottom - 60) * (math.log10(speed) - low) / (high - low)
    body = []
    for p in range(low, high + 1):
        body.append(f'<line x1="{left}" x2="{right}" y1="{y(10 ** p):.0f}" y2="{y(10 ** p):.0f}"/>'
                    f'<text x="{left - 8}" y="{y(10 ** p) + 4:.0f}" class="e">{10 ** p:,}</text>')
    for recall in 0.5, 0.9, 0.99, 0.999, 1:
        body.append(f'<line x1="{x(recall):.0f}" x2="{x(recall):.0f}" y1="60" y2="{height - bottom}"/>'
                    f'<text x="{x(recall):.0f}" y="{height - bottom + 18}" class="m">{recall:g}</text>')
    body.append(f'<text x="{(left + right) / 2:.0f}" y="{height - 14}" class="m">recall@{K}</text>')
    curve = sorted((x(r), y(1 / s)) for name, (s, r) in results.items() if CURVE in name)
    body.append('<polyline points="' + " ".join(f"{a:.0f},{b:.0f}" for a, b in curve) + '"/>')
    labels = []
    for name, (s, recall) in results.items():
        ours = " ours" if name.startswith("libattn") else ""
        body.append(f'<circle cx="{x(recall):.0f}" cy="{y(1 / s):.0f}" r="5" class="d{ours}"/>')
        if CURVE not in name or "default" in name or not any(CURVE in n and "default" in n for n in results):
            labels.append([x(recall) + 9, y(1 / s) + 4, ours, name])
    labels.sort(key=lambda label: label[1])  # no two on top of each other
    for i, b in enumerate(labels):
        for a in labels[:i]:
            if abs(b[1] - a[1]) < 15 and abs(a[0] - b[0]) < 190:
                b[1] = a[1] + 15
    body += [f'<text x="{a:.0f}" y="{b:.0f}" class="v{ours}">{name}</text>' for a, b, ours, name in labels]
    with open(path, "w") as f:
        f.write(f'''<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">
<title>{title}</title>
<style>
text {{ font: 12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #3d444d }}
line {{ stroke: #d1d9e0 }} polyline {{ stroke: #0969da; fill: none }} .e {{ text-anchor: end }} .m {{ text-anchor: middle }}
.t {{ font-size: 16px; font-weight: 600 }} .d {{ fill: #818b98 }} .d.ours {{ fill: #0969da }} .v.ours {{ font-weight: 600 }}
.p {{ fill: #ffffff }}
@media (prefers-color-scheme: dark) {{
  .p {{ fill: #0d1117 }} text {{ fill: #d1d7e0 }} line {{ stroke: #3d444d }} .d {{ fill: #656d76 }}
  .d.ours {{ fill: #4493f8 }} polyline {{ stroke: #4493f8 }}
}}
</style>
<rect class="p" width="100%" height="100%" rx="6"/>
<text x="16" y="26" class="t">{title}</text>
<text x="16" y="46">queries per second on one core (log) against recall@{K}: better is up and right</text>
{chr(10).join(body)}
</svg>
''')


def contenders(name, missing):
    if name != "a million":
        plain = {"libattn f32": setting("exact", 0), "libattn f32, exact": setting("exact", 1)}
        return [libattn("libattn f32", plain), *peers(missing)]
    probes = {f"libattn f32, {p} {CURVE}" + (" (default)" if p == DEFAULT_PROBES else ""): setting("probes", p)
              for p in (4, 8, 16, 32, 64, 128)}
    return [libattn("libattn f32", {"libattn f32, no lists": [], "libattn f32, exact": setting("exact", 1)}, ", lists=0"),
            libattn("libattn f32, lists", probes, "", ["INSERT INTO v(v) VALUES ('optimize')"])]


def main():
    report.use_one_core()
    text, data, missing = [], {"machine": report.machine()}, []
    for name in sys.argv[1:] or ["descriptions", "uniform", "a million"]:
        run(name, contenders(name, missing), text, data, f"{report.OUT}/search_{name.replace(' ', '_')}.svg")
    text += [f"left out: {m}" for m in missing]
    text += ["left out: Vec1 (no package of it in PyPI, npm or Debian)", report.machine() + ", one core"]
    report.keep("search", "\n".join(text), data)


main()
