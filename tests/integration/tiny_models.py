"""Writes tiny GGUF models with random weights, one for each kind of model that restkv runs.

    tiny_models.py OUTDIR [--type F32|F16|BF16|Q8_0|Q4_0|Q4_1|Q5_0|Q5_1]

The same seed gives the same bytes. The models know nothing, but their logits spread like a trained
model's (standard deviation 1 to 3), so that a wrong computation shows.
"""

from __future__ import annotations

import argparse
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import gguf
import numpy as np

SPM_SPACE = "\u2581"


@dataclass(frozen=True)
class Shape:
    """One model. Sizes are in elements, counts in heads or layers."""

    arch: str = "llama"
    tokenizer: str = "bpe"  # bpe | spm
    n_layer: int = 3
    n_embd: int = 64
    n_head: int = 4
    n_head_kv: int = 4
    head_dim: int = 16
    n_ff: int = 96
    n_ctx: int = 2048
    freq_base: float = 10000.0
    rms_eps: float = 1e-5
    tied: bool = False  # no output.weight
    qkv_bias: bool = False
    rope_freqs: bool = False  # llama-3.1's per-frequency factors
    rope_scaling: dict = field(default_factory=dict)  # type, factor, original_context_length


# The name is the file's name. head_dim * n_head differs from n_embd where the family allows it.
MODELS: dict[str, Shape] = {
    "llama2": Shape(tokenizer="spm"),
    "llama3": Shape(n_head=8, n_head_kv=2, freq_base=500000.0, rope_freqs=True),
    "llama3-linear": Shape(n_head=8, n_head_kv=2, head_dim=8,
                           rope_scaling={"type": "linear", "factor": 4.0}),
    "llama3-yarn": Shape(n_head=8, n_head_kv=4, head_dim=8, n_ctx=512,
                         rope_scaling={"type": "yarn", "factor": 4.0,
                                       "original_context_length": 128}),
    "mistral": Shape(tokenizer="spm", n_embd=80, n_head=4, n_head_kv=2, head_dim=32,
                     freq_base=1000000.0),
    "qwen2": Shape(arch="qwen2", n_head=4, n_head_kv=2, freq_base=1000000.0, rms_eps=1e-6,
                   tied=True, qkv_bias=True),
    "gemma": Shape(arch="gemma", tokenizer="spm", n_embd=48, n_head=3, n_head_kv=3, head_dim=32,
                   rms_eps=1e-6, tied=True),
}


def byte_chars() -> list[str]:
    """GPT-2's printable character for each byte."""
    keep = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    extra = iter(range(0x100, 0x200))
    return [chr(b) if b in keep else chr(next(extra)) for b in range(256)]


# Frequent in English; each left and right part must itself be a token by then.
MERGES = ["t h", "th e", "i n", "e r", "a n", "r e", "o n", "o r", "e s", "i t", "\u0120 the",
          "\u0120 a", "o f", "\u0120 of", "e d", "in g", "\u0120 t", "\u0120t o", "an d",
          "\u0120 and"]


@dataclass
class Vocab:
    model: str
    tokens: list[bytes]
    types: list[int]
    scores: list[float] | None
    merges: list[str] | None
    bos: int
    eos: int


def bpe_vocab() -> Vocab:
    tokens = byte_chars() + [m.replace(" ", "") for m in MERGES]
    special = ["<|bos|>", "<|eos|>", "<|im_start|>", "<|im_end|>"]
    types = [gguf.TokenType.NORMAL] * len(tokens) + [gguf.TokenType.CONTROL] * len(special)
    bos = len(tokens)
    return Vocab("gpt2", [t.encode() for t in tokens + special], [int(t) for t in types], None,
                 MERGES, bos, bos + 1)


def spm_vocab() -> Vocab:
    words = [m.replace(" ", "").replace("\u0120", SPM_SPACE) for m in MERGES]
    letters = [SPM_SPACE] + [chr(c) for c in range(0x21, 0x7F)]
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)] + words + letters
    kinds = gguf.TokenType
    types = ([kinds.UNKNOWN, kinds.CONTROL, kinds.CONTROL] + [kinds.BYTE] * 256
             + [kinds.NORMAL] * (len(words) + len(letters)))
    # SentencePiece merges the pair with the best score first.
    scores = [0.0] * 259 + [-float(i + 1) for i in range(len(words) + len(letters))]
    return Vocab("llama", [t.encode() for t in tokens], [int(t) for t in types], scores, None, 1, 2)


def add_vocab(writer: gguf.GGUFWriter, vocab: Vocab) -> None:
    writer.add_tokenizer_model(vocab.model)
    if vocab.model == "gpt2":
        writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(vocab.tokens)
    writer.add_token_types(vocab.types)
    if vocab.scores is not None:
        writer.add_token_scores(vocab.scores)
    if vocab.merges is not None:
        writer.add_token_merges(vocab.merges)
    writer.add_bos_token_id(vocab.bos)
    writer.add_eos_token_id(vocab.eos)
    writer.add_add_bos_token(True)


def add_hparams(writer: gguf.GGUFWriter, shape: Shape, n_vocab: int) -> None:
    writer.add_vocab_size(n_vocab)
    writer.add_context_length(shape.n_ctx)
    writer.add_embedding_length(shape.n_embd)
    writer.add_block_count(shape.n_layer)
    writer.add_feed_forward_length(shape.n_ff)
    writer.add_head_count(shape.n_head)
    writer.add_head_count_kv(shape.n_head_kv)
    writer.add_layer_norm_rms_eps(shape.rms_eps)
    writer.add_rope_freq_base(shape.freq_base)
    if shape.head_dim * shape.n_head != shape.n_embd:
        writer.add_key_length(shape.head_dim)
        writer.add_value_length(shape.head_dim)
    writer.add_rope_dimension_count(shape.head_dim)
    if shape.rope_scaling:
        writer.add_rope_scaling_type(gguf.RopeScalingType(shape.rope_scaling["type"]))
        writer.add_rope_scaling_factor(shape.rope_scaling["factor"])
        if "original_context_length" in shape.rope_scaling:
            writer.add_rope_scaling_orig_ctx_len(shape.rope_scaling["original_context_length"])


def tensors(shape: Shape, n_vocab: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Row-major [n_out][n_in] matrices; norms scatter around 1 as in trained models."""
    n_q, n_kv = shape.n_head * shape.head_dim, shape.n_head_kv * shape.head_dim

    def matrix(n_out: int, n_in: int, gain: float = 1.0) -> np.ndarray:
        return rng.normal(0, gain / np.sqrt(n_in), (n_out, n_in)).astype(np.float32)

    def norm() -> np.ndarray:
        return (1 + 0.2 * rng.normal(size=shape.n_embd)).astype(np.float32)

    # A tied embedding is also the output matrix: its rows must give logits of moderate spread,
    # and gemma multiplies it by sqrt(n_embd) on the way in.
    embedding = matrix(n_vocab, shape.n_embd, 2.0 if shape.tied else np.sqrt(shape.n_embd))
    # What a layer adds must weigh as much as the embedding it is added to, or a tied model only
    # ever predicts its input again.
    gain = 3.0 if shape.tied else 2.0
    out = {"token_embd.weight": embedding, "output_norm.weight": norm()}
    if not shape.tied:
        out["output.weight"] = matrix(n_vocab, shape.n_embd, 2.0)
    if shape.rope_freqs:
        out["rope_freqs.weight"] = np.linspace(1, 8, shape.head_dim // 2, dtype=np.float32)
    for i in range(shape.n_layer):
        layer = {
            "attn_norm.weight": norm(),
            # Wide queries and keys give attention that is neither flat nor a single entry.
            "attn_q.weight": matrix(n_q, shape.n_embd, 1.2),
            "attn_k.weight": matrix(n_kv, shape.n_embd, 1.2),
            "attn_v.weight": matrix(n_kv, shape.n_embd),
            "attn_output.weight": matrix(shape.n_embd, n_q, gain),
            "ffn_norm.weight": norm(),
            "ffn_gate.weight": matrix(shape.n_ff, shape.n_embd),
            "ffn_up.weight": matrix(shape.n_ff, shape.n_embd),
            "ffn_down.weight": matrix(shape.n_embd, shape.n_ff, gain),
        }
        if shape.qkv_bias:
            for name, size in (("q", n_q), ("k", n_kv), ("v", n_kv)):
                layer[f"attn_{name}.bias"] = rng.normal(0, 0.5, size).astype(np.float32)
        out |= {f"blk.{i}.{name}": value for name, value in layer.items()}
    return out


def add_tensor(writer: gguf.GGUFWriter, name: str, value: np.ndarray,
               kind: gguf.GGMLQuantizationType) -> None:
    block = gguf.GGML_QUANT_SIZES[kind][0]
    plain = value.ndim == 1 or value.shape[-1] % block != 0
    if plain or kind == gguf.GGMLQuantizationType.F32:
        writer.add_tensor(name, value)
    else:
        writer.add_tensor(name, gguf.quants.quantize(value, kind), raw_dtype=kind)


def write_model(path: Path, name: str, kind: str = "F32", seed: int = 1,
                chat_template: str | None = None) -> None:
    shape = MODELS[name]
    vocab = spm_vocab() if shape.tokenizer == "spm" else bpe_vocab()
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    writer = gguf.GGUFWriter(path, shape.arch)
    writer.add_name(f"tiny {name}")
    add_hparams(writer, shape, len(vocab.tokens))
    add_vocab(writer, vocab)
    if chat_template is not None:
        writer.add_chat_template(chat_template)
    for tensor, value in tensors(shape, len(vocab.tokens), rng).items():
        add_tensor(writer, tensor, value, gguf.GGMLQuantizationType[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("outdir", type=Path)
    parser.add_argument("--type", default="F32", help="type of the matrices")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    args.outdir.mkdir(parents=True, exist_ok=True)
    for name in MODELS:
        write_model(args.outdir / f"{name}.gguf", name, args.type, args.seed)


if __name__ == "__main__":
    main()
