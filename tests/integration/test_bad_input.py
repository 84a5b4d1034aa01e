"""Every kind of bad input ends in one line on stderr and the right exit code.

Run by ctest; RESTKV_BIN is the path of the program. Exit codes: 2 usage, 3 a model or another input
file is rejected, 4 the budget, the context or the memory makes the request impossible.
"""

from __future__ import annotations

import os
import resource
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path

import gguf
import numpy as np
import raw_gguf as raw
import tiny_models

BIN = os.environ.get("RESTKV_BIN", "build/restkv")
TIME_LIMIT_S = 20
USAGE, REJECTED, CAPACITY = 2, 3, 4


def run(*args, stdin: bytes = b"", memory_bytes: int | None = None):
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))

    env = {k: v for k, v in os.environ.items() if not k.startswith("RESTKV_")}
    return subprocess.run([BIN, *map(os.fsencode, map(str, args))], input=stdin, env=env,
                          capture_output=True, timeout=TIME_LIMIT_S, check=False,
                          preexec_fn=limit if memory_bytes else None)


class BadInputTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.dir = Path(cls.folder.name)
        for name in ("llama3", "llama2", "gemma", "qwen2"):
            tiny_models.write_model(cls.dir / f"{name}.gguf", name)
        cls.model = cls.dir / "llama3.gguf"
        cls.text = cls.dir / "text.txt"
        cls.text.write_text("the land of the free and the home of the other\n" * 20)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def load(self, name="llama3") -> raw.RawGguf:
        return raw.RawGguf((self.dir / f"{name}.gguf").read_bytes())

    def write(self, content: bytes | raw.RawGguf, name="bad.gguf") -> Path:
        path = self.dir / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def expect(self, code: int, words, *args, **kwargs):
        """Runs the program; `words` must all be in its one line on stderr."""
        words = [words] if isinstance(words, str) else words
        done = run(*args, **kwargs)
        told = done.stderr.decode(errors="replace")
        self.assertEqual(done.returncode, code, f"{args}: stderr {told!r}")
        lines = [line for line in told.splitlines() if line.strip() and "warning:" not in line]
        self.assertEqual(len(lines), 1, f"{args}: not one line on stderr: {told!r}")
        for word in words:
            self.assertIn(word, lines[0])

    def expect_rejected(self, content, words, deep=False):
        """Every command that opens a model refuses this one; `deep` is seen only when it runs."""
        path = self.write(content)
        with self.subTest(words=words):
            self.expect(REJECTED, words, "generate", "-m", path, "-p", "the", "-n", 1, "--raw")
            if not deep:
                self.expect(REJECTED, words, "info", path)

    def test_good_input_is_accepted(self):
        for name in ("llama3", "llama2", "gemma", "qwen2"):
            path = self.write(self.load(name))
            done = run("generate", "-m", path, "-p", "the land", "-n", 2, "--raw", "--temp", 0)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(run("info", path).returncode, 0)

    # ---- the file as a whole

    def test_no_gguf(self):
        good = self.load().encode()
        html = b"<!DOCTYPE html><html><body>404</body></html>" * 10
        for content, words in [
            (b"", "empty"), (html, "HTML"), (b"\n\n<html>", "HTML"), (b"GG", "truncated"),
            (b"PK\x03\x04" + b"\0" * 100, "ZIP"), (b"\0" * 4096, "not a GGUF"),
            (b"version https://git-lfs.github.com/spec/v1\n", "LFS"), (b"x", "not a GGUF"),
            (b"\x90\x01\0\0\0\0\0\0{\"a\":{}}" + b" " * 400, "safetensors"),
            (b"FUGG" + good[4:], "big-endian"),
            (b"GGUF" + struct.pack(">I", 3) + good[8:], "big-endian"),
            (b"GGUF" + struct.pack("<I", 1) + good[8:], "version 1"),
            (b"GGUF" + struct.pack("<I", 0) + good[8:], "version 0"),
            (b"GGUF" + struct.pack("<I", 99) + good[8:], "version 99"),
        ]:
            self.expect_rejected(content, words)

    def test_paths(self):
        for path, words in [(self.dir / "none.gguf", "none.gguf"), (self.dir, "directory"),
                            ("/dev/null", "regular file")]:
            self.expect(REJECTED, words, "info", path)
            self.expect(REJECTED, words, "generate", "-m", path, "-p", "hi")
        self.expect(REJECTED, "none.txt", "generate", "-m", self.model, "-f", self.dir / "none.txt")
        self.expect(REJECTED, "none.txt", "eval", "perplexity", "-m", self.model, "-f",
                    self.dir / "none.txt")
        self.expect(REJECTED, "none.gguf", "select", self.dir / "none.gguf")

    def test_truncated_anywhere(self):
        base = self.load()
        good = base.encode()
        cuts = {*range(1, base.meta_size, base.meta_size // 60), base.meta_size, len(good) - 1,
                len(good) // 2, base.meta_size - 1, 4, 8, 16, 23, 24}
        path = self.dir / "cut.gguf"
        for cut in sorted(cuts):
            path.write_bytes(good[:cut])
            with self.subTest(cut=cut):
                self.expect(REJECTED, "cut.gguf", "info", path)

    def test_counts_and_sizes(self):
        for field, value in [("n_tensor", 2**63), ("n_tensor", 10**5), ("n_key", 2**64 - 1),
                             ("n_key", 10**4), ("n_key", 3)]:
            bad = self.load()
            setattr(bad, field, value)
            self.expect_rejected(bad, "bad.gguf")

    def test_metadata(self):
        def key(name, kind, value):
            return (struct.pack("<Q", len(name)) + name.encode() + struct.pack("<I", kind) + value)

        u32 = struct.pack("<I", 7)
        for extra, words in [
            (key("general.architecture", raw.U32, u32), "twice"),
            (key("", raw.U32, u32), "bad name"),
            (key("x", 99, u32), "unknown type"),
            (key("x", raw.ARRAY, struct.pack("<IQ", 99, 1) + u32), "unknown element type"),
            (key("x", raw.ARRAY, struct.pack("<IQ", raw.ARRAY, 1)), "array of arrays"),
            (key("x", raw.ARRAY, struct.pack("<IQ", raw.U64, 2**61)), "elements"),
            (key("x", raw.ARRAY, struct.pack("<IQ", raw.U8, 2**23)), "truncated"),
            (key("x", raw.ARRAY, struct.pack("<IQ", raw.STRING, 2**20)), "truncated"),
            (key("x", raw.STRING, struct.pack("<Q", 2**63)), "truncated"),
            (key("general.alignment", raw.U32, struct.pack("<I", 0)), "alignment 0"),
            (key("general.alignment", raw.U32, struct.pack("<I", 48)), "alignment 48"),
            (key("general.alignment", raw.U64, struct.pack("<Q", 32)), "general.alignment"),
        ]:
            self.expect_rejected(self.load().encode(extra, 1), words)

    def test_tensor_list(self):
        def change(**fields):
            bad = self.load()
            for field, value in fields.items():
                setattr(bad.tensors[2], field, value)
            return bad

        first, third = self.load().tensors[0], self.load().tensors[2]
        for bad, words in [
            (change(name=first.name), "twice"), (change(name="x" * 80), "bad name"),
            (change(name=""), "bad name"), (change(ne=[]), "dimensions"),
            (change(ne=[1] * 5), "dimensions"), (change(ne=[0]), "dimension 0 is 0"),
            (change(ne=[-1]), "dimension 0 is -1"), (change(ne=[2**40, 2**40]), "overflows"),
            (change(ne=[2**31, 2**31, 4]), "overflow"), (change(ne=[2**61]), "bad.gguf"),
            (change(kind=1000), "unknown type"), (change(kind=4), "unknown type"),
            (change(kind=12, ne=[33]), "block size"), (change(offset=third.offset + 1), "multiple"),
            (change(offset=first.offset), "overlaps"), (change(offset=third.offset + 32), "gap"),
            (change(offset=2**63), "gap"),
        ]:
            self.expect_rejected(bad, words)

    # ---- what the metadata says

    def test_hyperparameters(self):
        nan, inf = float("nan"), float("inf")
        for key, kind, value, words in [
            ("general.architecture", raw.STRING, "mamba9", ["mamba9", "llama", "qwen2", "gemma"]),
            ("general.architecture", raw.U32, 3, "general.architecture"),
            ("split.count", raw.U16, 2, "split files are not supported"),
            ("llama.block_count", raw.U32, 0, "block_count"),
            ("llama.block_count", raw.U32, 2**32 - 1, "block_count"),
            ("llama.block_count", raw.STRING, "three", "block_count"),
            ("llama.block_count", raw.U32, 4, "missing"),
            ("llama.block_count", raw.U32, 2, "not known"),
            ("llama.embedding_length", raw.U32, 0, "embedding_length"),
            ("llama.embedding_length", raw.U32, 2**31, "embedding_length"),
            ("llama.embedding_length", raw.U32, 128, "shape"),
            ("llama.feed_forward_length", raw.U32, 0, "feed_forward_length"),
            ("llama.context_length", raw.U32, 0, "context_length"),
            ("llama.attention.head_count", raw.U32, 0, "head_count"),
            ("llama.attention.head_count", raw.U32, 7, "head_count"),
            ("llama.attention.head_count_kv", raw.U32, 3, "does not divide"),
            ("llama.attention.head_count_kv", raw.U32, 16, "head_count_kv"),
            ("llama.attention.head_count_kv", raw.U32, 0, "head_count_kv"),
            ("llama.attention.key_length", raw.U32, 15, "odd"),
            ("llama.attention.key_length", raw.U32, 2**20, "key_length"),
            ("llama.attention.value_length", raw.U32, 64, "value width"),
            ("llama.attention.layer_norm_rms_epsilon", raw.F32, nan, "epsilon"),
            ("llama.attention.layer_norm_rms_epsilon", raw.F32, -1.0, "epsilon"),
            ("llama.rope.freq_base", raw.F32, 0.0, "freq_base"),
            ("llama.rope.freq_base", raw.F32, inf, "freq_base"),
            ("llama.rope.dimension_count", raw.U32, 6, "dimension_count"),
            ("llama.rope.scaling.type", raw.STRING, "longrope", ["longrope", "yarn"]),
            ("llama.rope.scaling.type", raw.STRING, "a\nb", "not supported"),
            ("llama.rope.scaling.factor", raw.F32, nan, "factor"),
            ("llama.rope.scaling.factor", raw.F32, -2.0, "factor"),
            ("llama.expert_count", raw.U32, 8, "mixtures of experts"),
        ]:
            bad = self.load()
            bad.set(key, kind, value)
            self.expect_rejected(bad, words)

    def test_missing_keys(self):
        for key in ("general.architecture", "llama.block_count", "llama.attention.head_count",
                    "llama.attention.layer_norm_rms_epsilon", "tokenizer.ggml.model",
                    "tokenizer.ggml.tokens"):
            bad = self.load()
            del bad.keys[key]
            self.expect_rejected(bad, key)

    def test_values_per_layer(self):
        good = self.load()
        good.set_array("llama.attention.head_count_kv", raw.I32, [2, 2, 2])
        self.assertEqual(run("info", self.write(good)).returncode, 0)
        for values, words in [([2, 1, 2], "differs between layers"), ([2, 2], "2 values")]:
            bad = self.load()
            bad.set_array("llama.attention.head_count_kv", raw.I32, values)
            self.expect_rejected(bad, words)

    def test_vocabulary(self):
        key = "tokenizer.ggml.tokens"
        tokens = self.load().strings(key)
        for change, words in [(tokens[:-1], "vocabulary does not match"),
                              (tokens + [b"more"], "vocabulary does not match"),
                              ([], "tokens"), (tokens[:-1] + tokens[:1], "twice")]:
            bad = self.load()
            bad.set_array(key, raw.STRING, change)
            if words == "vocabulary does not match":
                del bad.keys["llama.vocab_size"]
            self.expect_rejected(bad, words)
        for key, kind, value, words in [
            ("tokenizer.ggml.model", raw.STRING, "bert", "bert"),
            ("tokenizer.ggml.pre", raw.STRING, "whitespace", "whitespace"),
            ("tokenizer.ggml.bos_token_id", raw.U32, 10**6, "bos_token_id"),
            ("llama.vocab_size", raw.U32, 17, "vocabulary does not match"),
        ]:
            bad = self.load()
            bad.set(key, kind, value)
            self.expect_rejected(bad, words)
        bad = self.load()
        bad.set_array("tokenizer.ggml.merges", raw.U32, [1, 2])
        self.expect_rejected(bad, "bad.gguf", deep=True)

    # ---- tensors

    def test_tensors(self):
        missing = self.load()
        missing.tensor("blk.1.attn_k.weight").name = "blk.1.other.weight"
        self.expect_rejected(missing, ["blk.1.attn_k.weight", "missing"])
        turned = self.load()
        turned.tensor("blk.0.ffn_up.weight").ne.reverse()
        self.expect_rejected(turned, ["blk.0.ffn_up.weight", "[96, 64]", "[64, 96]"])
        wide = self.load()
        # The same bytes as half as many F64: a type that ggml's operations do not take.
        norm = wide.tensor("output_norm.weight")
        norm.ne, norm.kind = [norm.ne[0] // 2], 28
        self.expect_rejected(wide, "output_norm.weight")

    def test_norm_of_another_type(self):
        bad = self.load()
        norm = bad.tensor("output_norm.weight")
        # 64 F32 norms become 64 F16 ones and a new tensor in the freed half.
        norm.kind = 1
        at = bad.tensors.index(norm)
        bad.tensors.insert(at + 1, raw.Tensor("filler", list(norm.ne), 1,
                                              norm.offset + 2 * norm.ne[0]))
        self.expect_rejected(bad, ["output_norm.weight", "f16", "f32"])

    def test_nan_weights(self):
        for name in ("blk.1.attn_v.weight", "output_norm.weight", "token_embd.weight"):
            bad = self.load()
            tensor = bad.tensor(name)
            n_byte = 4 * int(np.prod(tensor.ne))
            data = bytearray(bad.data)
            data[tensor.offset:tensor.offset + n_byte] = struct.pack("<f", float("nan")) * (
                n_byte // 4)
            bad.data = bytes(data)
            self.expect_rejected(bad, "", deep=True)
            self.expect(REJECTED, "", "eval", "perplexity", "-m", self.dir / "bad.gguf", "-f",
                        self.text)

    # ---- options

    def test_usage(self):
        base = ["generate", "-m", self.model, "-p", "the", "-n", 1]
        for options, words in [
            (["--kv-budget", "many"], "budget"), (["--kv-sink", -7], "--kv-sink"),
            (["--kv-window", 31], "window"), (["--kv-window", 0], "window"),
            (["--kv-kernel", 4], "kernel"), (["--kv-kernel", 0], "kernel"),
            (["--kv-policy", "nosuch"], "nosuch"), (["--kernels", "nosuch"], "nosuch"),
            (["--no-such-flag"], "--no-such-flag"), (["--temp", "hot"], "temp"),
            (["--kv-schedule", "often"], "--kv-schedule"), (["--kv-schedule", "turn:3"], "turn:3"),
            (["--kv-schedule", "decode"], "decode"), (["--kv-schedule", "decode:0"], "--kv-schedule"),
            (["--kv-schedule", "chunk:-5"], "--kv-schedule"),
            (["--kv-schedule", "chunk:9999999999999999999"], "--kv-schedule"),
            (["--kv-positions", "new"], "--kv-positions"), (["--kv-type", "q5_0"], "q5_0"),
            (["--kv-layer-budget", "steep"], "--kv-layer-budget"),
            (["--kv-head-budget", "best"], "--kv-head-budget"),
            (["--kv-head-budget", "ada", "--kv-policy", "tova"], "--kv-head-budget"),
            (["--kv-head-budget", "ada", "--kv-policy", "streaming-llm"], "--kv-head-budget"),
            (["--kv-head-budget", "ada", "--kv-ada-floor", 1.5], "--kv-ada-floor"),
            (["--kv-policy", "headkv"], "--kv-head-budget"),
            (["--kv-pin", "3"], "--kv-pin"), (["--kv-pin", "5:5"], "--kv-pin"),
            (["--kv-pin", "-1:5"], "--kv-pin"), (["--kv-pin", "a:b"], "--kv-pin"),
            (["--raw", "--kv-pin", "system"], "system"),
            (["--kv-policy", "lacache", "--kv-span", 0], "--kv-span"),
            (["--kv-policy", "lacache", "--kv-overlap", -1], "--kv-overlap"),
            (["--kv-policy", "cam", "--kv-merge-threshold", 2], "--kv-merge-threshold"),
            (["--kv-policy", "snapkv", "--kv-temporal", "ema"], "--kv-temporal"),
            (["--prefill-attention", "sparse"], "--prefill-attention"),
            (["--prefill-gamma", 0], "--prefill-gamma"), (["--prefill-gamma", 1.5], "1.5"),
            (["--prefill-gamma", "nan"], "--prefill-gamma"), (["--prefill-tau", -1], "--prefill-tau"),
            (["--prefill-min-budget", -1], "--prefill-min-budget"),
            (["--prefill-vertical", -1], "--prefill-vertical"),
            (["--prefill-slash", 1 << 40], "--prefill-slash"),
            (["--prefill-sink", -1], "--prefill-sink"), (["--prefill-local", 0], "--prefill-local"),
            (["--prefill-attention", "flex", "--kernels", "ggml"], "--kernels"),
            (["-c", "0x"], "-c"), (["--grammar-file", self.dir / "none.gbnf"], "none.gbnf"),
        ]:
            with self.subTest(options=options):
                code = REJECTED if "--grammar-file" in options else USAGE
                self.expect(code, words, *base, *options)
        for options in [["--kv-budget", 32, "--kv-window", 32], ["--kv-budget", 16],
                        ["--kv-budget", 0], ["--kv-budget", -5],
                        ["--kv-budget", 64, "--kv-sink", 33], ["--kv-budget-mib", -1], ["--kv-budget-mib", 0],
                        ["--kv-budget", 64, "--kv-pin", "0:40"],
                        ["--kv-policy", "streaming-llm", "--kv-budget", 4],
                        ["--kv-policy", "lacache", "--kv-sink", 64, "--kv-budget", 64]]:
            with self.subTest(options=options):
                self.expect(CAPACITY, "budget", *base, *options)
        self.expect(USAGE, "", "nosuchcommand")

    def test_tables(self):
        base = ["generate", "-m", self.model, "-f", self.text, "-n", 1, "--raw", "--kv-budget", 64]
        for content, code, words in [
            (b"", REJECTED, "no numbers"), (b"64 x 64\n", REJECTED, "'x'"),
            (b"64\n-3\n64\n", REJECTED, "line 2"), (b"64\n64\n", USAGE, "2 layers"),
            (b"\xff", REJECTED, "UTF-8"), (b"64\n64\n10\n", CAPACITY, "layer 2"),
        ]:
            with self.subTest(content=content):
                self.expect(code, words, *base, "--kv-layer-budget",
                            f"table:{self.write(content, 'table.txt')}")
        for content, code, words in [
            (b"9 9 9 9\n" * 2, USAGE, "2 layers"), (b"9 9 9\n" * 3, USAGE, "3 heads"),
            (b"1 1\n" * 3, CAPACITY, "--kv-pin"),
        ]:
            with self.subTest(content=content):
                self.expect(code, words, *base, "--kv-pin", "0:5", "--kv-head-budget",
                            f"table:{self.write(content, 'table.txt')}")
        self.expect(REJECTED, "none.txt", *base, "--kv-head-budget", "table:none.txt")

    def test_storage_that_does_not_fit_the_heads(self):
        self.expect(USAGE, "--kv-type", "generate", "-m", self.model, "-f", self.text, "-n", 1,
                    "--raw", "--kv-type", "q8_0")

    def test_chat_and_bench(self):
        self.expect(USAGE, "--kv-schedule", "chat", "-m", self.model, "--kv-schedule", "x")
        template = "<|im_start|>"
        tiny_models.write_model(self.dir / "chat.gguf", "llama3", chat_template=template)
        self.expect(REJECTED, "UTF-8", "chat", "-m", self.dir / "chat.gguf", stdin=b"the \xff\n")
        chat = ["chat", "-m", self.dir / "chat.gguf"]
        self.expect(CAPACITY, "-c", *chat, "-c", 4, stdin=b"the land of the other\n")
        self.expect(USAGE, "standard input", *chat, "-f", "-", stdin=b"the\n")
        self.expect(USAGE, "empty", *chat, "-f", self.write(b"", "empty.txt"))
        self.expect(REJECTED, "none.txt", *chat, "-f", "none.txt")
        base = ["bench", "eviction", "-m", self.model, "-f", self.text]
        for options, words in [(["--repeat", 0], "--repeat"), (["--prompt-tokens", 0], "tokens"),
                               (["--policies", "best"], "best"), (["--kv-policy", "best"], "best"),
                               (["--kv-pin", "system"], "system"),
                               (["--kv-schedule", "chunk:64"], "--kv-schedule")]:
            self.expect(USAGE, words, *base, *options)
        self.expect(USAGE, "empty", "bench", "eviction", "-m", self.model, "-f", "-")
        self.expect(USAGE, "standard input", "bench", "memory", "-m", self.model, "-f", "-")
        self.expect(USAGE, "--cache", "bench", "decode", "-m", self.model, "--cache", "-1")
        self.expect(USAGE, "--n-predict", "bench", "decode", "-m", self.model, "-n", 0)
        base = ["bench", "patterns", "-m", self.model, "-f", self.text]
        for options, words in [(["--methods", "best"], "best"), (["--methods", "dense"], "dense"),
                               (["--chunk", 100], "--chunk"), (["--sample", 0], "--sample"),
                               (["--prompt-tokens", 100_000], "--prompt-tokens"),
                               (["--prefill-tau", 2], "--prefill-tau")]:
            self.expect(USAGE, words, *base, *options)

    def test_prompts(self):
        model = ["generate", "-m", self.model, "-n", 1, "--raw"]
        broken = self.write(b"the \xff\xfe land", "broken.txt")
        self.expect(USAGE, "empty", *model, "-p", "")
        self.expect(USAGE, "empty", *model)
        self.expect(USAGE, "empty", *model, "-f", self.write(b"", "empty.txt"))
        self.expect(USAGE, "empty", *model, "-f", self.write(b"", "empty.txt"), "-p", "why?")
        self.expect(USAGE, "UTF-8", *model, "-p", os.fsdecode(b"the \xff land"))
        self.expect(REJECTED, "UTF-8", *model, "-f", broken)
        self.expect(REJECTED, "UTF-8", *model, stdin=b"the \xed\xa0\x80 land")
        self.expect(REJECTED, "UTF-8", "eval", "perplexity", "-m", self.model, "-f", broken)
        self.expect(CAPACITY, "64", *model, "-f", self.text, "-c", 64)

    def test_empty_grammar(self):
        base = ["generate", "-m", self.model, "-p", "the", "-n", 1, "--raw", "--grammar-file"]
        for content in (b"", b"root ::= \"a\"\0"):
            self.expect(REJECTED, "grammar", *base, self.write(content, "grammar.gbnf"))

    def test_output_that_cannot_be_written(self):
        for options in ([], ["--json"]):
            with self.subTest(options=options), open("/dev/full", "wb") as full:
                done = subprocess.run(
                    [BIN, "generate", "-m", self.model, "-p", "the", "-n", "1", "--raw", *options],
                    stdout=full, stderr=subprocess.PIPE, timeout=TIME_LIMIT_S, check=False)
                self.assertEqual(done.returncode, 1)
                self.assertIn(b"standard output", done.stderr)

    def test_long_runs_of_a_character(self):
        # libllama's splitting of text recurses once a character for these pre-tokenizers.
        for pre, text in [("default", "=" * 200_000), ("tekken", " " * 200_000)]:
            model = self.load()
            model.set("tokenizer.ggml.pre", raw.STRING, pre)
            with self.subTest(pre=pre):
                self.expect(CAPACITY, "1000", "generate", "-m", self.write(model), "--raw", "-n", 1,
                            "-c", 1000, "-f", self.write(text.encode(), "run.txt"))

    def test_byte_without_a_token(self):
        bad = self.load("llama2")
        key = "tokenizer.ggml.tokens"
        bad.set_array(key, raw.STRING, [t.replace(b"<0xC3>", b"<none>") for t in bad.strings(key)])
        self.expect(REJECTED, "", "generate", "-m", self.write(bad), "-p", "\u00e9", "--raw")

    def test_no_memory(self):
        # The hidden states of this prompt alone are larger than what the process may have.
        self.write(b"the land " * 400_000, "long.txt")
        self.expect(CAPACITY, "memory", "generate", "-m", self.model, "-n", 1, "--raw", "-f",
                    self.dir / "long.txt", memory_bytes=512 << 20)

    # ---- select

    def golden(self, **changes) -> Path:
        """A small case in the golden format; `changes` replace metadata or tensors."""
        n_head, n_kv, dim, length, budget, window = 4, 2, 16, 96, 32, 8
        rng = np.random.default_rng(1)
        ints = {"n_head": n_head, "n_head_kv": n_kv, "head_dim": dim, "n_embd": 32,
                "length": length, "budget": budget, "window": window, "kernel_size": 5, "beta": 4,
                "seed": 1}
        floats = {"alpha": 0.3, "tau": 1.0, "min_gap": 0.0}
        bools = {"use_wo": True, "use_ema": True, "use_norm": False}
        strings = {"name": "case", "policy": "restkv", "source": "rest-kv", "mode": "after",
                   "pooling": "adaptive"}
        tensors = {"q": (n_head, window, dim), "k": (n_kv, length, dim), "v": (n_kv, length, dim),
                   "wo": (32, n_head * dim)}
        path = self.dir / "golden.gguf"
        writer = gguf.GGUFWriter(path, "golden")
        for group, add in ((ints, writer.add_int32), (floats, writer.add_float32),
                           (bools, writer.add_bool), (strings, writer.add_string)):
            for key, value in group.items():
                value = changes.get(key, value)
                if value is not None:
                    add(f"golden.{key}", value)
        for name, shape in tensors.items():
            shape = changes.get(name, shape)
            if shape is not None:
                writer.add_tensor(name, rng.normal(size=shape).astype(np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    def test_select(self):
        self.assertEqual(run("select", self.golden(), "--json").returncode, 0)
        for changes, words in [
            ({"policy": None}, "golden.policy"),
            ({"budget": 8}, "budget"), ({"budget": -1}, "budget"), ({"window": 7}, "window"),
            ({"window": 0}, "window"), ({"kernel_size": 4}, "kernel"), ({"n_head_kv": 3}, "n_head"),
            ({"n_head": 0}, "n_head"), ({"head_dim": 2**30}, "head_dim"), ({"q": None}, "'q'"),
            ({"length": 1000}, "'k'"), ({"k": (2, 95, 16)}, "'k'"),
            ({"wo": (32, 63)}, "'wo'"), ({"alpha": float("nan")}, "alpha"),
        ]:
            with self.subTest(changes=changes):
                self.expect(REJECTED, words, "select", self.golden(**changes), "--json")
        # A policy that this version does not have: the file may be right, the request is not.
        self.expect(USAGE, "nosuch", "select", self.golden(policy="nosuch"))
        good = self.golden().read_bytes()
        for cut in (0, 3, 30, 500, len(good) - 1):
            with self.subTest(cut=cut):
                self.expect(REJECTED, "cut.gguf", "select", self.write(good[:cut], "cut.gguf"))
        self.expect(REJECTED, "golden", "select", self.model)


if __name__ == "__main__":
    unittest.main()
