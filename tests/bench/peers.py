"""peers.py - what else embeds on a processor.

A peer starts from token ids and ends with vectors of length 1, its own pooling and
scaling included, as libattn does.  `make` does all that is done once: loading,
fusing, quantizing (files are kept in build/bench).  Each gets what its makers advise for a
processor; where there was a choice, the faster on these texts is here.
"""
import ctypes
import logging
import os

import numpy as np

import report
import texts

CALIBRATION = 300  # texts


class Peer:
    def __init__(self, name, precision, prepare, run):
        self.name, self.precision = name, precision
        self.prepare = prepare  # list of lists of ids -> what `run` takes
        self.run = run          # -> [n, dimension]


def padded(sequences):
    """ids, mask: [n, longest]"""
    ids = np.zeros((len(sequences), max(map(len, sequences))), np.int64)
    mask = np.zeros_like(ids)
    for row, sequence in enumerate(sequences):
        ids[row, :len(sequence)] = sequence
        mask[row, :len(sequence)] = 1
    return ids, mask


# ------------------------------------------------------------------------- PyTorch

def encoder(**options):
    from transformers import AutoModel
    from transformers.utils import logging
    logging.disable_progress_bar()
    return AutoModel.from_pretrained(texts.MODEL, **options).eval()


def pooled(model, ids, mask):
    import torch
    hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
    weights = mask.unsqueeze(-1).float()
    return torch.nn.functional.normalize((hidden * weights).sum(1) / weights.sum(1))


def make_torch(threads):
    import torch
    torch.set_num_threads(threads)
    model = encoder()

    def run(batch):
        with torch.inference_mode():
            return pooled(model, *batch).numpy()
    return Peer("PyTorch " + torch.__version__.split("+")[0], "f32",
                lambda s: tuple(map(torch.from_numpy, padded(s))), run)


# -------------------------------------------------------------------- ONNX Runtime

def kept(name, make):
    """The path of a file in build/bench, which `make(path)` writes if it is not there."""
    path = f"{report.OUT}/{name}"
    if not os.path.exists(path):
        part = f"{report.OUT}/part.{name}"
        make(part)
        os.rename(part, path)
    return path


def export_onnx(path):
    import torch

    class Pooled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = encoder(attn_implementation="eager")

        def forward(self, ids, mask):
            return pooled(self.model, ids, mask)

    ids = torch.ones(2, 8, dtype=torch.int64)
    torch.onnx.export(Pooled(), (ids, ids), path, dynamo=False, opset_version=17,
                      input_names=["ids", "mask"], output_names=["vectors"],
                      dynamic_axes={"ids": {0: "n", 1: "tokens"}, "mask": {0: "n", 1: "tokens"},
                                    "vectors": {0: "n"}})


def onnx_file():
    return kept("model.onnx", export_onnx)


def fuse_onnx(path):
    """By ONNX Runtime's optimizer for BERT: better for one text, worse for batches."""
    from onnxruntime.transformers import optimizer
    optimizer.optimize_model(onnx_file(), model_type="bert", num_heads=12, hidden_size=384,
                             opt_level=1).save_model_to_file(path)


def fused_file():
    return kept("model.fused.onnx", fuse_onnx)


def make_onnxruntime(threads, precision="f32", fused=False):
    import onnx
    import onnxruntime
    from onnxruntime.quantization import QuantType, quantize_dynamic
    onnxruntime.set_default_logger_severity(3)
    logging.getLogger().setLevel(logging.ERROR)
    path = fused_file() if fused else onnx_file()
    if precision == "int8":
        source = path
        path = kept(os.path.basename(source).replace(".onnx", ".int8.onnx"), lambda out: quantize_dynamic(
            source, out, per_channel=True, weight_type=QuantType.QInt8,
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT}))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(batch):
        return session.run(None, {"ids": batch[0], "mask": batch[1]})[0]
    name = "ONNX Runtime " + onnxruntime.__version__ + (" (fused)" if fused else "")
    return Peer(name, precision, padded, run)


# ------------------------------------------------------------------------ OpenVINO

def quantize_openvino(path):
    """NNCF's quantization after training, for Transformers, calibrated on real texts."""
    import nncf
    import openvino
    batches = [padded([ids]) for ids in texts.token_ids(texts.calibration(CALIBRATION))]
    dataset = nncf.Dataset([{"ids": ids, "mask": mask} for ids, mask in batches])
    model = nncf.quantize(openvino.Core().read_model(onnx_file()), dataset,
                          model_type=nncf.ModelType.TRANSFORMER, subset_size=CALIBRATION)
    openvino.save_model(model, path, compress_to_fp16=False)
    os.rename(path[:-3] + "bin", f"{report.OUT}/model.int8.bin")


def make_openvino(threads, precision="f32"):
    import openvino
    path = onnx_file() if precision == "f32" else kept("model.int8.xml", quantize_openvino)
    core = openvino.Core()
    weights = {} if precision == "f32" else {"weights": f"{report.OUT}/model.int8.bin"}
    compiled = core.compile_model(core.read_model(path, **weights), "CPU", {
        "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1})
    request = compiled.create_infer_request()
    output = compiled.output(0)

    def run(batch):
        return request.infer({"ids": batch[0], "mask": batch[1]}, share_inputs=True)[output].copy()
    return Peer("OpenVINO " + openvino.__version__.split("-")[0], precision, padded, run)


# ----------------------------------------------------------------------- llama.cpp

def make_llama(threads):
    """Sequences are given to llama.cpp so many at a time that it is fastest: it
    computes attention between all tokens of a batch and masks what is between texts."""
    import llama_cpp as llama

    def convert(path):
        import gguf_model
        gguf_model.convert(texts.MODEL, path)
    path = kept("q8_0.gguf", convert)
    silent = llama.llama_log_callback(lambda level, text, data: None)
    llama.llama_log_set(silent, ctypes.c_void_p(0))
    model = llama.llama_model_load_from_file(path.encode(), llama.llama_model_default_params())
    params = llama.llama_context_default_params()
    params.n_ctx = params.n_batch = params.n_ubatch = 1024
    params.n_seq_max = 32
    params.n_threads = params.n_threads_batch = threads
    params.embeddings = True
    context = llama.llama_init_from_model(model, params)
    dimension = llama.llama_model_n_embd(model)
    batch = llama.llama_batch_init(1024, 0, 1)

    def prepare(sequences):
        """Groups of up to LLAMA_TOKENS tokens."""
        groups, n = [[]], 0
        for sequence in sequences:
            if groups[-1] and n + len(sequence) > LLAMA_TOKENS:
                groups.append([])
                n = 0
            groups[-1].append(sequence)
            n += len(sequence)
        return groups

    def run(groups):
        out = []
        for group in groups:
            batch.n_tokens = sum(map(len, group))
            at = 0
            for i, sequence in enumerate(group):
                for position, token in enumerate(sequence):
                    batch.token[at] = token
                    batch.pos[at] = position
                    batch.n_seq_id[at] = 1
                    batch.seq_id[at][0] = i
                    batch.logits[at] = True
                    at += 1
            if llama.llama_encode(context, batch) != 0:
                raise RuntimeError("llama_encode failed")
            out += [np.ctypeslib.as_array(llama.llama_get_embeddings_seq(context, i), (dimension,)).copy()
                    for i in range(len(group))]
        vectors = np.array(out)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    peer = Peer("llama.cpp " + llama.__version__, "Q8_0", prepare, run)
    peer.keep = silent, model
    return peer


LLAMA_TOKENS = 128

MAKERS = {
    "torch": make_torch,
    "onnxruntime": make_onnxruntime,
    "openvino": make_openvino,
    "onnxruntime_int8": lambda threads: make_onnxruntime(threads, "int8"),
    "onnxruntime_fused_int8": lambda threads: make_onnxruntime(threads, "int8", True),
    "openvino_int8": lambda threads: make_openvino(threads, "int8"),
    "llama": make_llama,
}

SAME_NUMBERS = "onnxruntime_fused_int8",  # for accuracy, one of the kind will do

# What makes a peer use AVX2 at most, before it is loaded; the others cannot be told.
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "DNNL_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
AVX2_PEERS = "torch", "openvino", "openvino_int8"


def make(keys=tuple(MAKERS), threads=1):
    """-> {key: Peer}, [what is left out and why]: a peer that is not there must not
    stop the others."""
    peers, missing = {}, []
    for key in keys:
        try:
            peers[key] = MAKERS[key](threads)
        except Exception as e:
            line = (str(e).splitlines() or [""])[0]
            missing.append(f"{key} ({type(e).__name__}: {line[:100]})")
    return peers, missing
