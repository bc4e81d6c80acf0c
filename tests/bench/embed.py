"""embed.py - all-MiniLM-L6-v2 in float32 on one core: libattn and its peers.

All start from token ids and end with vectors of length 1, in batches as
sentence-transformers makes them: texts sorted by length, shorter ones padded to
the longest of their batch (libattn pads nothing).  What is counted is real tokens,
padding left out, per second.
"""
import os
import re
import sqlite3
import subprocess
import sys
import time
import warnings

import numpy as np
from tokenizers import Tokenizer

import report

MODEL = "build/model"
DATABASE = report.OUT + "/embed.db"
ROUNDS = 7


def workloads():
    """name -> (texts sorted by length, batch size); real package descriptions."""
    with open("tests/demo/packages.txt") as f:
        records = re.findall(r"Package: (.+)\nDescription-en: (.+)\n((?: .*\n)*)", f.read())
    tokenizer = Tokenizer.from_file(MODEL + "/tokenizer.json")
    tokenizer.no_padding()

    def of_length(texts, low, high, n):
        chosen = [t for t in texts if low <= len(tokenizer.encode(t).ids) <= high][:n]
        return sorted(chosen, key=lambda t: len(tokenizer.encode(t).ids))

    short = of_length([f"{name}: {summary}" if len(summary) < 30 else summary
                       for name, summary, _ in records], 9, 15, 256)
    long = of_length([re.sub(r"\s+", " ", body).strip() for _, _, body in records], 76, 100, 64)
    return {"batches of 32 short texts": (short, 32), "batches of 32 long texts": (long, 32),
            "one short text at a time": (short[::4], 1)}


def padded_batches(tokenizer, texts, size):
    batches = []
    for i in range(0, len(texts), size):
        ids = [tokenizer.encode(t).ids for t in texts[i:i + size]]
        n = max(map(len, ids))
        batch = np.zeros((len(ids), n), np.int64)
        mask = np.zeros((len(ids), n), np.int64)
        for row, sequence in enumerate(ids):
            batch[row, :len(sequence)] = sequence
            mask[row, :len(sequence)] = 1
        batches.append((batch, mask))
    return batches


# ------------------------------------------------------------------ the contenders
# Each is made once and gives a function (ids, mask) -> vectors.

def make_torch():
    import torch
    from transformers import AutoModel
    from transformers.utils import logging
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    model = AutoModel.from_pretrained(MODEL).eval()

    def run(ids, mask):
        with torch.inference_mode():
            mask = torch.from_numpy(mask)
            hidden = model(input_ids=torch.from_numpy(ids), attention_mask=mask).last_hidden_state
            weights = mask.unsqueeze(-1).float()
            mean = (hidden * weights).sum(1) / weights.sum(1)
            return torch.nn.functional.normalize(mean).numpy()
    return run, "PyTorch " + torch.__version__.split("+")[0]


def pool(hidden, mask):
    weights = mask[:, :, None].astype(np.float32)
    mean = (hidden * weights).sum(1) / weights.sum(1)
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def onnx_file():
    path = report.OUT + "/model.onnx"
    if not os.path.exists(path):
        import torch
        from transformers import AutoModel

        class Hidden(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.model = AutoModel.from_pretrained(MODEL, attn_implementation="eager").eval()

            def forward(self, input_ids, attention_mask, token_type_ids):
                return self.model(input_ids=input_ids, attention_mask=attention_mask,
                                  token_type_ids=token_type_ids).last_hidden_state

        ids = torch.ones(2, 8, dtype=torch.int64)
        names = ["input_ids", "attention_mask", "token_type_ids"]
        torch.onnx.export(Hidden(), (ids, ids, ids * 0), path + ".part", dynamo=False, opset_version=17,
                          input_names=names, output_names=["hidden"],
                          dynamic_axes={n: {0: "batch", 1: "tokens"} for n in [*names, "hidden"]})
        os.rename(path + ".part", path)
    return path


def make_onnxruntime():
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(onnx_file(), options, providers=["CPUExecutionProvider"])

    def run(ids, mask):
        hidden, = session.run(None, {"input_ids": ids, "attention_mask": mask,
                                     "token_type_ids": np.zeros_like(ids)})
        return pool(hidden, mask)
    return run, "ONNX Runtime " + onnxruntime.__version__


def make_openvino():
    import openvino
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(onnx_file()), "CPU", {
        "INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1})
    request = compiled.create_infer_request()

    def run(ids, mask):
        result = request.infer({"input_ids": ids, "attention_mask": mask,
                                "token_type_ids": np.zeros_like(ids)}, share_inputs=True)
        return pool(result[compiled.output(0)], mask)
    return run, "OpenVINO " + openvino.__version__.split("-")[0]


class Libattn:
    """The stopwatch program, bench_embed.c."""

    def __init__(self):
        self.process = subprocess.Popen([report.OUT + "/bench_embed", DATABASE], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.isa = self.process.stdout.readline().strip()

    def seconds(self, command):
        print(command, file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())


def make_database(work):
    """The model and texts(id, text), the workloads one after the other."""
    if os.path.exists(DATABASE):
        os.remove(DATABASE)
    subprocess.run(["sqlite3", DATABASE, ".load ./libattn",
                    f"SELECT attn_import('minilm', '{MODEL}')"], check=True, stdout=subprocess.DEVNULL)
    db = sqlite3.connect(DATABASE)
    db.execute("CREATE TABLE texts(id INTEGER PRIMARY KEY, text TEXT)")
    ranges, n = {}, 0
    for name, (texts, _) in work.items():
        db.executemany("INSERT INTO texts VALUES (?, ?)", enumerate(texts, n))
        ranges[name] = (n, n + len(texts) - 1)
        n += len(texts)
    db.commit()
    db.close()
    return ranges


def timed(run, batches):
    def seconds():
        start = time.perf_counter()
        for ids, mask in batches:
            run(ids, mask)
        return time.perf_counter() - start
    return seconds


def main():
    report.use_one_core()
    warnings.filterwarnings("ignore")  # of the ONNX export
    work = workloads()
    ranges = make_database(work)
    libattn = Libattn()
    peers, names, missing = {}, {}, []
    for key, make in ("torch", make_torch), ("onnxruntime", make_onnxruntime), ("openvino", make_openvino):
        try:
            peers[key], names[key] = make()
        except Exception as e:  # a peer that is not there must not stop the others
            missing.append(f"{key} ({type(e).__name__}: {str(e).splitlines()[0][:80] if str(e) else ''})")

    tokenizer = Tokenizer.from_file(MODEL + "/tokenizer.json")
    tokenizer.no_padding()
    rows, groups, data = [], [], {"machine": report.machine(), "isa": libattn.isa, "tokens_per_second": {}}
    for name, (texts, size) in work.items():
        batches = padded_batches(tokenizer, texts, size)
        tokens = sum(int(mask.sum()) for _, mask in batches)
        first, last = ranges[name]
        contenders = {"libattn": lambda: libattn.seconds(f"encode {first} {last} {size}")}
        for key, run in peers.items():
            contenders[names[key]] = timed(run, batches)
        if size == 1:
            contenders["libattn, SELECT embed(text)"] = lambda: libattn.seconds(f"sql {first} {last} 1")
        median = report.interleave(contenders, ROUNDS)
        speed = {c: tokens / s for c, s in median.items()}
        data["tokens_per_second"][name] = {c: round(v) for c, v in speed.items()}
        heading = f"{name} ({tokens / len(texts):.0f} tokens each)"
        rows.append([heading, "", "", ""])
        best = max([v for c, v in speed.items() if not c.startswith("libattn")], default=0)
        for contender, value in speed.items():
            rows.append(["  " + contender, f"{value:,.0f}", f"{median[contender] / len(texts) * 1e3:.2f}",
                         f"{value / best:.2f}" if best else ""])
        groups.append((heading, [("libattn, in SQL" if "SELECT" in c else c, v, f"{v:,.0f}")
                                 for c, v in speed.items()]))

    got = subprocess.run(["sqlite3", DATABASE, ".load ./libattn", "SELECT hex(embed(text)) FROM texts"],
                         check=True, capture_output=True, text=True).stdout.split()
    for key, run in peers.items():
        if key == "torch":
            worst = 0.0
            for (texts, _), (first, _) in zip(work.values(), ranges.values()):
                for i, text in enumerate(texts):
                    ids = np.array([tokenizer.encode(text).ids])
                    ours = np.frombuffer(bytes.fromhex(got[first + i]), "<f4")
                    worst = max(worst, float(abs(run(ids, np.ones_like(ids))[0] - ours).max()))
            data["largest_difference_to_pytorch"] = worst

    text = report.table(
        f"all-MiniLM-L6-v2, float32, one core ({report.machine()}; libattn on {libattn.isa}),\n"
        f"median of {ROUNDS} interleaved rounds",
        ["", "tokens/s", "ms/text", "best peer = 1"], rows)
    if "largest_difference_to_pytorch" in data:
        text += f"\n\n  largest difference of any number to PyTorch's: {data['largest_difference_to_pytorch']:.1e}"
    for peer in missing:
        text += f"\n  left out: {peer}"
    data["left_out"] = missing
    report.keep("embed", text, data)
    report.bar_chart(report.OUT + "/embed.svg", "Embedding with all-MiniLM-L6-v2: tokens per second on one core",
                     f"float32, higher is better; {report.machine()}, libattn on {libattn.isa}", groups)


if __name__ == "__main__":
    sys.exit(main())
