"""report.py - what the benchmarks share: medians, tables, JSON, bar charts."""
import json
import os
import platform
import statistics
import time

OUT = "build/bench"


def use_cores(n):
    """This process and all that it starts run on the last n cores."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(n)
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-n:])
    return len(os.sched_getaffinity(0))


def use_one_core():
    use_cores(1)


def machine():
    with open("/proc/cpuinfo") as f:
        names = [line.split(": ")[1].strip() for line in f if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {platform.system()} {platform.machine()}"


def timed(run, batches):
    """-> a function that runs all batches and returns the seconds."""
    def seconds():
        start = time.perf_counter()
        for batch in batches:
            run(batch)
        return time.perf_counter() - start
    return seconds


def interleave(contenders, rounds):
    """contenders: {name: function that returns seconds}.  Every round runs each of
    them once, so that a busy spell of the machine hits all alike.
    -> {name: median seconds}"""
    seconds = {name: [] for name in contenders}
    for run in contenders.values():
        run()  # warms caches and finishes lazy set-up
    for _ in range(rounds):
        for name, run in contenders.items():
            seconds[name].append(run())
    return {name: statistics.median(s) for name, s in seconds.items()}


def table(title, columns, rows):
    """rows: lists of cells, numbers already as text; the first column is text."""
    widths = [max(len(str(r[i])) for r in [columns, *rows]) for i in range(len(columns))]
    lines = [title, ""]
    for row in [columns, ["-" * w for w in widths], *rows]:
        lines.append("  " + "  ".join(
            str(c).ljust(w) if i == 0 else str(c).rjust(w) for i, (c, w) in enumerate(zip(row, widths))))
    return "\n".join(lines)


def keep(name, text, data):
    os.makedirs(OUT, exist_ok=True)
    print(text, flush=True)
    with open(f"{OUT}/{name}.txt", "w") as f:
        f.write(text + "\n")
    with open(f"{OUT}/{name}.json", "w") as f:
        json.dump(data, f, indent=2)
        f.write("\n")


def bar_chart(path, title, note, groups):
    """groups: [(heading, [(label, value, text)])]; the longest bar of a group is full.
    Readable on light and dark pages."""
    width, left, bar, y, body = 760, 250, 420, 80, []
    for heading, bars in groups:
        body.append(f'<text x="16" y="{y}" class="h">{heading}</text>')
        y += 10
        top = max(value for _, value, _ in bars)
        for label, value, text in bars:
            ours = " ours" if label.startswith("libattn") else ""
            length = max(1, round(bar * value / top))
            body.append(f'<text x="{left - 8}" y="{y + 14}" class="l{ours}">{label}</text>'
                        f'<rect x="{left}" y="{y + 2}" width="{length}" height="16" rx="2" class="b{ours}"/>'
                        f'<text x="{left + length + 6}" y="{y + 14}" class="v{ours}">{text}</text>')
            y += 22
        y += 24
    with open(path, "w") as f:
        f.write(f'''<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y}" viewBox="0 0 {width} {y}" role="img">
<title>{title}</title>
<style>
text {{ font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #3d444d }}
.t {{ font-size: 16px; font-weight: 600 }} .h {{ font-weight: 600 }} .l {{ text-anchor: end }}
.n {{ font-size: 12px; fill: #656d76 }} .b {{ fill: #afb8c1 }} .b.ours {{ fill: #0969da }}
.l.ours, .v.ours {{ font-weight: 600 }} .p {{ fill: #ffffff }}
@media (prefers-color-scheme: dark) {{
  .p {{ fill: #0d1117 }} text {{ fill: #d1d7e0 }} .n {{ fill: #9198a1 }} .b {{ fill: #565f6b }} .b.ours {{ fill: #4493f8 }}
}}
</style>
<rect class="p" width="100%" height="100%" rx="6"/>
<text x="16" y="26" class="t">{title}</text>
<text x="16" y="46" class="n">{note}</text>
{chr(10).join(body)}
</svg>
''')
