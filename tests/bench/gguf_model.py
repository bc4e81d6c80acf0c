"""gguf_model.py FOLDER FILE - a BERT of sentence-transformers as a GGUF file for
llama.cpp, matrices in Q8_0: 32 numbers with one f16 scale, as llama-quantize makes them.
"""
import json
import sys

import gguf
import numpy as np
from safetensors.numpy import load_file

TOP = {"embeddings.word_embeddings.weight": "token_embd.weight",
       "embeddings.token_type_embeddings.weight": "token_types.weight",
       "embeddings.position_embeddings.weight": "position_embd.weight",
       "embeddings.LayerNorm": "token_embd_norm"}
LAYER = {"attention.self.query": "attn_q", "attention.self.key": "attn_k",
         "attention.self.value": "attn_v", "attention.output.dense": "attn_output",
         "attention.output.LayerNorm": "attn_output_norm", "intermediate.dense": "ffn_up",
         "output.dense": "ffn_down", "output.LayerNorm": "layer_output_norm"}
WHOLE = "token_types.weight", "position_embd.weight"  # stay f32


def names(n_layer):
    """Name in the folder -> name in the file."""
    both = {**TOP, **{f"encoder.layer.{i}.{a}": f"blk.{i}.{b}"
                      for i in range(n_layer) for a, b in LAYER.items()}}
    for a, b in both.items():
        if a.endswith(".weight"):
            yield a, b
        else:
            yield a + ".weight", b + ".weight"
            yield a + ".bias", b + ".bias"


def vocabulary(folder):
    """llama.cpp marks the beginnings of words where WordPiece marks what continues one."""
    with open(folder + "/vocab.txt", encoding="utf-8") as f:
        tokens = [line.rstrip("\n") for line in f]
    special = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}

    def spelled(token):
        if token in special or (token.startswith("[") and token.endswith("]")):
            return token
        return token[2:] if token.startswith("##") else "\u2581" + token
    kinds = [gguf.TokenType.CONTROL if t in special else gguf.TokenType.NORMAL for t in tokens]
    return [spelled(t).encode() for t in tokens], kinds, tokens


def convert(folder, path):
    with open(folder + "/config.json") as f:
        config = json.load(f)
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_name("all-MiniLM-L6-v2")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)

    spelled, kinds, tokens = vocabulary(folder)
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(spelled)
    writer.add_token_types(kinds)
    writer.add_token_type_count(config["type_vocab_size"])
    for name, add in (("[PAD]", writer.add_pad_token_id), ("[UNK]", writer.add_unk_token_id),
                      ("[CLS]", writer.add_bos_token_id), ("[SEP]", writer.add_sep_token_id),
                      ("[SEP]", writer.add_eos_token_id), ("[MASK]", writer.add_mask_token_id)):
        add(tokens.index(name))

    tensors = load_file(folder + "/model.safetensors")
    for theirs, ours in names(config["num_hidden_layers"]):
        x = np.ascontiguousarray(tensors[theirs], np.float32)
        if x.ndim == 2 and ours not in WHOLE:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(ours, gguf.quants.quantize(x, kind), raw_dtype=kind)
        else:
            writer.add_tensor(ours, x)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    convert(sys.argv[1], sys.argv[2])
