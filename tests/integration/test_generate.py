"""generate, eval perplexity and info as users run them: options, JSON, streams, signals.

Run by ctest; RESTKV_BIN is the path of the program, RESTKV_MODEL_DIR the folder of the default
model. Without the default model or the long text the tests that need them are skipped. One thread
throughout: more of them only slow small models down on a machine that is busy.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import pty
import re
import select
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

import numpy as np
import tiny_models

BIN = os.environ.get("RESTKV_BIN", "build/restkv")
ROOT = Path(__file__).resolve().parents[2]
MODEL_DIR = Path(os.environ.get("RESTKV_MODEL_DIR", ROOT / ".deps" / "models"))
DEFAULT_MODEL = MODEL_DIR / "SmolLM2-135M-Instruct.Q4_1.gguf"
LONG_TEXT = Path("/usr/share/common-licenses/GPL-3")
TIME_LIMIT_S = 60
USAGE, REJECTED, INTERRUPTED = 2, 3, 130

needs_default_model = unittest.skipUnless(DEFAULT_MODEL.exists(), "the default model is not there")
needs_long_text = unittest.skipUnless(LONG_TEXT.exists(), f"{LONG_TEXT} is not there")

PROMPT = "the land of the other and the rest of it, in the order of the thing\n" * 20
FRANCE = "The capital of France is"
LETTERS = "root ::= [a-z ]{12,40}"

NUMBER = (int, float)
# What `generate --json` prints: the type of every field.
FIELDS = {
    "text": str, "prompt_tokens": int, "completion_tokens": int, "finish_reason": str,
    "tokens": list,
    "kv": {"policy": str, "budget": int, "layer_budget": str, "head_budget": str,
           "granularity": str, "schedule": str, "positions": str, "type": str, "entries": int, "over_budget": int, "bytes": int,
           "peak_bytes": int, "full_bytes": int, "entries_per_layer": list},
    "prefill_attention": {"kind": str, "blocks_computed": int, "blocks_causal": int,
                          "share": NUMBER},
    "timings_ms": {"load": NUMBER, "prefill": NUMBER, "eviction": NUMBER, "first_token": NUMBER,
                   "decode": NUMBER, "decode_eviction": NUMBER, "decode_by_1000": list},
    "tokens_per_second": {"prefill": NUMBER, "decode": NUMBER},
    "memory": {"peak_rss_bytes": int},
    "model": {"family": str, "path": str},
}


def environment(**changes: str) -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("RESTKV_")}
    return clean | {"RESTKV_THREADS": "1"} | changes


def command(*args) -> list[str]:
    return [BIN, *map(str, args)]


def run(*args, stdin: bytes = b"", env: dict[str, str] | None = None):
    return subprocess.run(command(*args), input=stdin, env=environment(**(env or {})),
                          capture_output=True, check=False, timeout=TIME_LIMIT_S)


def run_json(*args, **kwargs) -> dict:
    done = run(*args, "--json", **kwargs)
    if done.returncode != 0:
        raise AssertionError(f"{args}: exit {done.returncode}: {done.stderr.decode()}")
    return json.loads(done.stdout)


class ProgramTest(unittest.TestCase):
    """Temporary files, tiny models by name, and how to run `generate` on them."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.dir = Path(cls.folder.name)
        for name in tiny_models.MODELS:
            tiny_models.write_model(cls.dir / f"{name}.gguf", name)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def model(self, name: str) -> Path:
        return self.dir / f"{name}.gguf"

    def write(self, text: str, name: str) -> Path:
        path = self.dir / name
        path.write_text(text, encoding="utf-8")
        return path

    def arguments(self, name: str, *options, prompt: str | None = PROMPT) -> list:
        """Greedy and raw, unless the options say otherwise: a later --temp may not be repeated."""
        given = ["-p", prompt] if prompt is not None else []
        greedy = [] if "--temp" in options else ["--temp", 0]
        return ["generate", "-m", self.model(name), *given, "--raw", *greedy, *options]

    def tiny(self, name: str, *options, **kwargs) -> dict:
        prompt = {"prompt": kwargs.pop("prompt")} if "prompt" in kwargs else {}
        return run_json(*self.arguments(name, *options, **prompt), **kwargs)

    def expect_one_line(self, stderr: bytes, *words: str) -> None:
        lines = stderr.decode().splitlines()
        self.assertEqual(len(lines), 1, f"not one line on stderr: {stderr!r}")
        for word in words:
            self.assertIn(word, lines[0])


class JsonTest(ProgramTest):
    def expect_fields(self, document: dict, fields: dict, at: str = "") -> None:
        self.assertLessEqual(fields.keys(), document.keys(), at)
        for key, kind in fields.items():
            value = document[key]
            if isinstance(kind, dict):
                self.expect_fields(value, kind, f"{at}{key}.")
                continue
            self.assertIsInstance(value, kind, at + key)
            self.assertNotIsInstance(value, bool, at + key)
            if kind is int or kind is NUMBER:
                self.assertGreaterEqual(value, 0, at + key)
                self.assertTrue(math.isfinite(value), at + key)

    def test_fields(self):
        budget, n = 64, 5
        for name in ("llama2", "llama3", "mistral", "qwen2", "gemma"):
            with self.subTest(model=name):
                result = self.tiny(name, "--kv-budget", budget, "-n", n, "--ignore-eos")
                self.expect_fields(result, FIELDS)
                self.assertEqual(result["completion_tokens"], n)
                self.assertEqual(len(result["tokens"]), n)
                self.assertEqual(result["finish_reason"], "length")
                self.assertEqual(result["model"]["family"], tiny_models.MODELS[name].arch)
                self.assertEqual(result["model"]["path"], str(self.model(name)))
                self.expect_cache(result, tiny_models.MODELS[name], budget)
                self.expect_timings(result)
                self.expect_dense(result, tiny_models.MODELS[name])

    def expect_dense(self, result: dict, shape: tiny_models.Shape) -> None:
        n_block = -(-result["prompt_tokens"] // 128)
        n = n_block * (n_block + 1) // 2 * shape.n_layer * shape.n_head
        self.assertEqual(result["prefill_attention"],
                         {"kind": "dense", "blocks_computed": n, "blocks_causal": n, "share": 1.0})

    def test_blocks_left_out(self):
        """What `prefill_attention` says of a prompt that is not computed densely."""
        shape = tiny_models.MODELS["llama3"]
        for kind, *options in (("a-shape", "--prefill-local", 128),
                               ("flex", "--prefill-gamma", 0.4, "--prefill-min-budget", 128),
                               ("minference", "--prefill-vertical", 128, "--prefill-slash", 128)):
            with self.subTest(kind=kind):
                result = self.tiny("llama3", "--kv-budget", 64, "-n", 3, "--ignore-eos",
                                   "--prefill-attention", kind, *options)
                told = result["prefill_attention"]
                n_block = -(-result["prompt_tokens"] // 128)
                causal = n_block * (n_block + 1) // 2 * shape.n_layer * shape.n_head
                self.assertEqual(told.keys(), FIELDS["prefill_attention"].keys())
                self.assertEqual((told["kind"], told["blocks_causal"]), (kind, causal))
                self.assertTrue(0 < told["blocks_computed"] < causal, told)
                self.assertAlmostEqual(told["share"], told["blocks_computed"] / causal)
                self.assertEqual(result["kv"]["entries"], 64 * shape.n_layer * shape.n_head_kv)
                self.assertEqual(result["completion_tokens"], 3)

    def expect_cache(self, result: dict, shape: tiny_models.Shape, budget: int) -> None:
        kv = result["kv"]
        told = {key: kv[key] for key in ("policy", "budget", "layer_budget", "head_budget",
                                         "granularity", "type", "over_budget")}
        self.assertEqual(told, {"policy": "rest-kv", "budget": budget, "layer_budget": "uniform",
                                "head_budget": "uniform", "granularity": "kv-head", "type": "f16",
                                "over_budget": 0})
        n_head = shape.n_layer * shape.n_head_kv
        entry_bytes = 2 * 2 * shape.head_dim  # K and V, 2 bytes each
        one_layer = result["prompt_tokens"] * shape.n_head_kv * entry_bytes
        self.assertGreater(result["prompt_tokens"], 4 * budget)
        self.assertEqual(kv["entries_per_layer"], [budget] * shape.n_layer)
        self.assertEqual(kv["entries"], budget * n_head)
        self.assertEqual(kv["bytes"], kv["entries"] * entry_bytes)
        self.assertEqual(kv["full_bytes"], one_layer * shape.n_layer)
        self.assertGreaterEqual(kv["peak_bytes"], one_layer)
        self.assertGreaterEqual(kv["peak_bytes"], kv["bytes"])
        # One KV head at a time is packed for our attention: in blocks of 128 keys, at most in float.
        packed_head = -(-result["prompt_tokens"] // 128) * 128 * 2 * 4 * shape.head_dim
        self.assertLessEqual(kv["peak_bytes"], 1.1 * (one_layer + kv["bytes"] + packed_head))

    def expect_timings(self, result: dict) -> None:
        timings, rate = result["timings_ms"], result["tokens_per_second"]
        self.assertLess(timings["eviction"], timings["prefill"])
        self.assertLessEqual(timings["prefill"], timings["first_token"])
        self.assertAlmostEqual(rate["prefill"], 1000 * result["prompt_tokens"] / timings["prefill"],
                               delta=0.01 * rate["prefill"])
        self.assertGreater(rate["decode"], 0)
        self.assertGreater(result["memory"]["peak_rss_bytes"], 1 << 20)

    def test_bench_patterns(self):
        result = run_json("bench", "patterns", "-m", self.model("llama3"), "-f", "-",
                          "--prompt-tokens", 1500, "--chunk", 256, "--layers", 2,
                          "--prefill-local", 128, stdin=(PROMPT * 4).encode())
        self.assertEqual([row["kind"] for row in result["rows"]], ["flex", "minference", "a-shape"])
        for row in result["rows"]:
            self.assertEqual(row["heads"], 2 * tiny_models.MODELS["llama3"].n_head)
            self.assertTrue(0 < row["share"] <= 1 and 0 < row["least_mass"] <= row["mass"] <= 1.001)
        self.assertLess(result["rows"][2]["share"], 0.9)

    def test_info(self):
        for name, shape in tiny_models.MODELS.items():
            with self.subTest(model=name):
                info = run_json("info", self.model(name), "-c", 4096, "--kv-budget", 256)
                for key in ("n_layer", "n_embd", "n_head", "n_head_kv", "head_dim", "n_ff"):
                    self.assertEqual(info[key], getattr(shape, key), key)
                self.assertEqual(info["family"], shape.arch)
                self.assertEqual(info["n_ctx_train"], shape.n_ctx)
                self.assertEqual(info["rope"]["scaling"], shape.rope_scaling.get("type", "none"))
                token = 4 * shape.n_layer * shape.n_head_kv * shape.head_dim
                memory = info["memory"]
                self.assertEqual(memory["kv_bytes_per_token"], token)
                self.assertEqual(memory["kv_full_bytes"], 4096 * token)
                self.assertEqual(memory["kv_evicted_bytes"], 256 * token)
        table = run("info", self.model("llama3"))
        self.assertEqual((table.returncode, table.stderr), (0, b""))
        self.assertIn(b"llama", table.stdout)


class CacheTest(ProgramTest):
    def test_query_heads(self):
        for name in ("llama3", "qwen2"):
            shape = tiny_models.MODELS[name]
            with self.subTest(model=name):
                shared = self.tiny(name, "--kv-budget", 64, "-n", 3)["kv"]
                own = self.tiny(name, "--kv-budget", 64, "-n", 3, "--kv-granularity",
                                "query-head")["kv"]
                self.assertEqual(own["granularity"], "query-head")
                self.assertEqual(own["bytes"], shared["bytes"] * shape.n_head // shape.n_head_kv)
                self.assertEqual(own["entries_per_layer"], shared["entries_per_layer"])

    def test_budget_above_the_prompt(self):
        full = self.tiny("llama3", "--kv-policy", "full", "-n", 16)
        for granularity in ("kv-head", "query-head"):
            with self.subTest(granularity=granularity):
                roomy = self.tiny("llama3", "--kv-budget", 100_000, "-n", 16, "--kv-granularity",
                                  granularity)
                self.assertEqual(roomy["tokens"], full["tokens"])
                n = roomy["prompt_tokens"]
                self.assertEqual(roomy["kv"]["entries_per_layer"], [n] * 3)
                self.assertEqual(roomy["kv"]["over_budget"], 0)
        self.assertEqual(full["kv"]["bytes"], full["kv"]["full_bytes"])

    def test_every_policy(self):
        help_text = run("generate", "--help").stdout.decode()
        names = re.search(r"--kv-policy[^\n]*\n\s+([a-z0-9, -]+)\n", help_text)
        self.assertIsNotNone(names, help_text)
        policies = [name.strip() for name in names[1].split(",")]
        self.assertLessEqual({"full", "rest-kv", "snapkv", "streaming-llm", "adakv"}, set(policies))
        # The methods' own arithmetic: a slope over layers, layers left alone, a window on top.
        own = {"pyramidkv": [95, 64, 33], "l2norm": [None, None, 64], "headkv": [64 + 32] * 3,
               "lacache": [65] * 3}
        needs = {"headkv": ["--kv-head-budget", "table:TABLE"], "lacache": ["--kv-span", 1]}
        for policy in policies:
            for name in ("llama2", "qwen2"):
                with self.subTest(policy=policy, model=name):
                    shape = tiny_models.MODELS[name]
                    caps = " ".join(["64"] * shape.n_head) + "\n"
                    table = self.write("# past entries of every query head\n" + caps * 3,
                                       "heads.txt")
                    options = [str(o).replace("TABLE", str(table)) for o in needs.get(policy, [])]
                    result = self.tiny(name, "--kv-policy", policy, "--kv-budget", 64, "-n", 8,
                                       "--ignore-eos", *options)
                    n = result["prompt_tokens"]
                    kept = [n] * 3 if policy == "full" else own.get(policy, [64] * 3)
                    kept = [n if k is None else k for k in kept]
                    kv = result["kv"]
                    self.assertEqual(kv["policy"], policy)
                    self.assertEqual(kv["entries_per_layer"], kept)
                    n_head = shape.n_head_kv
                    over = 0 if policy == "full" else kv["entries"] - 3 * n_head * min(64, n)
                    self.assertEqual(kv["over_budget"], max(0, over))
                    self.assertEqual(result["completion_tokens"], 8)
                    if policy == "full":
                        continue
                    strict = self.tiny(name, "--kv-policy", policy, "--kv-budget", 64, "-n", 1,
                                       "--kv-strict", *options)["kv"]
                    self.assertEqual(strict["over_budget"], 0)
                    self.assertLessEqual(strict["entries"], 3 * n_head * 64)

    def test_splits_schedules_and_positions(self):
        layers = self.write("100\n60 # the middle\n32\n", "layers.txt")
        for options, kept, shown in (
            (["--kv-layer-budget", "pyramid"], [95, 64, 33], {"layer_budget": "pyramid"}),
            (["--kv-layer-budget", f"table:{layers}", "--kv-window", 16], [100, 60, 32],
             {"layer_budget": "table", "over_budget": 0}),
            (["--kv-head-budget", "ada"], [64] * 3, {"head_budget": "ada"}),
            (["--kv-head-budget", "ada", "--kv-layer-budget", "pyramid"], [95, 64, 33], {}),
            (["--kv-schedule", "decode:4"], [64] * 3, {"schedule": "decode:4"}),
            (["--kv-schedule", "chunk:50"], [64] * 3, {"schedule": "chunk:50"}),
            (["--kv-schedule", "turn"], [64] * 3, {"schedule": "turn"}),
            (["--kv-positions", "cache"], [64] * 3, {"positions": "cache"}),
            (["--kv-policy", "streaming-llm", "--kv-positions", "original"], [64] * 3,
             {"positions": "original", "schedule": "prompt"}),
            (["--kv-policy", "streaming-decode"], [64] * 3,
             {"positions": "cache", "schedule": "decode:1"}),
            (["--kv-budget-mib", 1], None, {"budget": (1 << 20) // (2 * 2 * 16 * 2 * 3)}),
        ):
            with self.subTest(options=options):
                budget = [] if kept is None else ["--kv-budget", 64]
                kv = self.tiny("llama3", *budget, "-n", 20, "--ignore-eos", *options)["kv"]
                if kept is not None:
                    for got, want in zip(kv["entries_per_layer"], kept, strict=True):
                        self.assertAlmostEqual(got, want, delta=1 if "ada" in options else 0)
                self.assertLessEqual(shown.items(), kv.items())

    def test_a_dump_says_what_was_kept(self):
        dump = self.dir / "kept.json"
        result = self.tiny("llama3", "--kv-budget", 64, "-n", 1, "--kv-sink", 4, "--kv-pin", "20:30",
                           "--kv-pin", "25:34", "--kv-dump", dump)
        kept = json.loads(dump.read_text())
        self.assertEqual(kept["n_token"], result["prompt_tokens"])
        self.assertEqual(len(kept["layers"]), 3)
        for layer in kept["layers"]:
            for head in layer:
                self.assertEqual(head, sorted(set(head)))
                self.assertEqual(len(head), 64)
                last = range(kept["n_token"] - 32, kept["n_token"])
                self.assertLessEqual({*range(4), *range(20, 34), *last}, set(head))
        done = run(*self.arguments("llama3", "-n", 1, "--kv-dump", "/no/such/folder/x.json"))
        self.assertEqual(done.returncode, 1)
        self.expect_one_line(done.stderr, "/no/such/folder/x.json")

    def test_switches(self):
        for options in (["--kv-mode", "before"], ["--kv-mode", "before", "--kv-norm"],
                        ["--kv-temporal", "none"], ["--kv-temporal", "inv-ema"],
                        ["--kv-spatial", "none"], ["--kv-spatial", "maxpool"],
                        ["--kv-indicator", "attn"], ["--kv-indicator", "attn-v"],
                        ["--kv-no-projection"], ["--kv-group", "max"], ["--kv-group", "sum"],
                        ["--kv-group", "norm-mean"], ["--kv-kernel", 5], ["--kv-window", 8],
                        ["--kv-sink", 4], ["--kv-alpha", 0.9], ["--kv-beta", 4],
                        ["--kv-tau", 2]):
            with self.subTest(options=options):
                kv = self.tiny("llama3", "--kv-budget", 64, "-n", 2, *options)["kv"]
                self.assertEqual(kv["entries_per_layer"], [64] * 3)

    def test_environment(self):
        for variable, options, budget in (("48", [], 48), ("48", ["--kv-budget", 80], 80)):
            result = self.tiny("llama3", "-n", 1, *options, env={"RESTKV_KV_BUDGET": variable})
            self.assertEqual(result["kv"]["budget"], budget)
            self.assertEqual(result["kv"]["entries_per_layer"], [budget] * 3)
        done = run(*self.arguments("llama3"), env={"RESTKV_KV_BUDGET": "many"})
        self.assertEqual(done.returncode, USAGE)
        self.expect_one_line(done.stderr, "many")
        model = {"RESTKV_MODEL": str(self.model("gemma")), "RESTKV_N_PREDICT": "3"}
        result = run_json("generate", "-p", "the", "--raw", "--ignore-eos", env=model)
        self.assertEqual(result["model"]["family"], "gemma")
        self.assertEqual(result["completion_tokens"], 3)


class ChatTest(ProgramTest):
    """Turns of a conversation, one line of standard input each."""

    LINES = ["the land of the other, " * n for n in (40, 3, 25, 1, 60)]
    # libllama knows this template by a piece of it.
    TEMPLATE = "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' }}"

    def chat(self, name: str, *options) -> list[dict]:
        tiny_models.write_model(self.model(name), name, chat_template=self.TEMPLATE)
        done = run("chat", "-m", self.model(name), "--json", "--temp", 0, "-n", 12, "--ignore-eos",
                   *options, stdin="\n".join([*self.LINES, "/exit", "never"]).encode())
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.decode().splitlines()]

    def test_back_at_the_budget_before_every_answer(self):
        for options in ([], ["--kv-head-budget", "ada"], ["--kv-positions", "cache"],
                        ["--kv-pin", "system", "--system", "the land"],
                        ["--kv-schedule", "decode:4"], ["--kv-policy", "h2o"],
                        ["--kv-schedule", "chunk:32", "--kv-granularity", "query-head"]):
            with self.subTest(options=options):
                turns = self.chat("llama3", "--kv-budget", 96, *options)
                self.assertEqual(len(turns), len(self.LINES))
                for turn in turns:
                    kv = turn["kv"]
                    self.assertLessEqual(kv["over_budget"], 2 if "ada" in options else 0)
                    self.assertEqual(turn["completion_tokens"], 12)
                # The last token of an answer is read with the next turn, as part of its prompt.
                self.assertEqual(turns[-1]["tokens_so_far"],
                                 sum(turn["prompt_tokens"] + 11 for turn in turns))

    def test_the_schedule_prompt_grows(self):
        turns = self.chat("llama3", "--kv-budget", 96, "--kv-schedule", "prompt")
        entries = [turn["kv"]["entries"] for turn in turns]
        self.assertEqual(entries, sorted(entries))
        self.assertGreater(entries[-1], entries[0])

    def test_no_template(self):
        done = run("chat", "-m", self.model("gemma"), stdin=b"the\n")
        self.assertEqual(done.returncode, REJECTED)
        self.expect_one_line(done.stderr, "template")


class SamplingTest(ProgramTest):
    def test_determinism(self):
        greedy = [self.tiny("llama3", "--kv-budget", 64, "-n", 24)["tokens"] for _ in range(2)]
        self.assertEqual(greedy[0], greedy[1])
        hot = ("-n", 24, "--temp", 1, "--ignore-eos")

        def sampled(*options):
            return self.tiny("llama3", *hot, *options)["tokens"]

        self.assertEqual(sampled("-s", 7), sampled("-s", 7))
        self.assertNotEqual(sampled("-s", 7), sampled("-s", 8))
        self.assertNotEqual(sampled(), sampled())

    def test_grammar(self):
        for text, pattern in [('root ::= "yes" | "no"', "yes|no"), (LETTERS, "[a-z ]{12,40}"),
                              ('root ::= "(" [0-9]{3} ")"', r"\([0-9]{3}\)")]:
            for name in ("llama2", "llama3"):
                for options in (["--temp", 0], ["--temp", 1, "-s", 3]):
                    with self.subTest(grammar=text, model=name, options=options):
                        result = self.tiny(name, "-n", 60, *options, "--grammar-file",
                                           self.write(text, "rules.gbnf"))
                        self.assertRegex(result["text"], f"^(?:{pattern})$")
                        self.assertEqual(result["finish_reason"], "stop")

    def test_bad_grammar(self):
        done = run(*self.arguments("llama3", "--grammar-file", self.write("root ::= (", "bad")))
        self.assertEqual((done.returncode, done.stdout), (REJECTED, b""))
        self.expect_one_line(done.stderr, "grammar")

    def test_length(self):
        none = self.tiny("llama3", "-n", 0)
        self.assertEqual((none["text"], none["tokens"], none["completion_tokens"],
                          none["finish_reason"]), ("", [], 0, "length"))
        some = self.tiny("llama3", "-n", 9, "--ignore-eos")
        self.assertEqual((some["completion_tokens"], some["finish_reason"]), (9, "length"))
        for n in (-1, 500):
            context = some["prompt_tokens"] + 30
            filled = self.tiny("llama3", "-n", n, "-c", context, "--ignore-eos", "--kv-budget", 64)
            self.assertEqual(filled["prompt_tokens"] + filled["completion_tokens"], context)
            self.assertEqual(filled["finish_reason"], "length")
        exact = self.tiny("llama3", "-n", -1, "-c", some["prompt_tokens"])
        self.assertEqual(exact["completion_tokens"], 0)

    def test_stop(self):
        # A grammar makes the random model's text readable and the stop strings sure to occur.
        rules = ["--grammar-file", self.write('root ::= "one two, three two, four"', "count.gbnf"),
                 "-n", 60]
        whole = self.tiny("llama3", *rules)
        self.assertEqual(whole["text"], "one two, three two, four")
        for stops, text in [(["two"], "one "), (["o, th"], "one tw"), (["four", "three"],
                            "one two, "), (["o"], ""), (["two, f"], "one two, three "),
                            (["fourteen", "nine"], whole["text"])]:
            with self.subTest(stops=stops):
                options = [word for stop in stops for word in ("--stop", stop)]
                result = self.tiny("llama3", *rules, *options)
                self.assertEqual((result["text"], result["finish_reason"]), (text, "stop"))
                plain = run(*self.arguments("llama3", *rules, *options))
                self.assertEqual(plain.stdout.decode(), text + "\n")
                if text != whole["text"]:
                    self.assertLess(result["completion_tokens"], whole["completion_tokens"])


class InputTest(ProgramTest):
    def test_document_and_question(self):
        question = "What is the order of the thing?"
        document = self.write(PROMPT, "document.txt")
        joined = self.tiny("llama3", "-n", 8, prompt=PROMPT.rstrip("\n") + "\n\n" + question)
        asked = self.tiny("llama3", "-n", 8, "-f", document, prompt=question)
        self.assertEqual(asked["prompt_tokens"], joined["prompt_tokens"])
        self.assertEqual(asked["tokens"], joined["tokens"])
        piped = self.tiny("llama3", "-n", 8, "-f", "-", prompt=question, stdin=PROMPT.encode())
        self.assertEqual(piped["tokens"], joined["tokens"])

    def test_standard_input(self):
        given = self.tiny("llama3", "-n", 8)["tokens"]
        for options in ([], ["-f", "-"], ["-f", self.write(PROMPT, "prompt.txt")]):
            with self.subTest(options=options):
                result = self.tiny("llama3", "-n", 8, *options, prompt=None, stdin=PROMPT.encode())
                self.assertEqual(result["tokens"], given)

    def test_only_the_text_on_stdout(self):
        rules = ["--grammar-file", self.write(LETTERS, "letters.gbnf"), "-n", 30]
        for options in ([], ["--kv-budget", 64], ["--kv-policy", "full"]):
            text = self.tiny("llama3", *rules, *options)["text"]
            plain = run(*self.arguments("llama3", *rules, *options))
            self.assertEqual((plain.returncode, plain.stderr), (0, b""))
            self.assertEqual(plain.stdout.decode(), text + "\n")

    def test_no_chat_template(self):
        done = run("generate", "-m", self.model("llama3"), "-p", "the", "-n", 1)
        self.assertEqual(done.returncode, 0)
        self.expect_one_line(done.stderr, "warning", "chat template")

    def test_beyond_the_trained_context(self):
        for name in ("llama3-yarn", "llama3-linear", "qwen2"):
            n_train = tiny_models.MODELS[name].n_ctx
            prompt = PROMPT * (1 + n_train // 512)
            with self.subTest(model=name):
                done = run(*self.arguments(name, "-n", 4, "--ignore-eos", "--json", "--kv-budget",
                                           64, prompt=prompt))
                self.assertEqual(done.returncode, 0, done.stderr)
                result = json.loads(done.stdout)
                self.assertGreater(result["prompt_tokens"], n_train)
                self.assertEqual(result["completion_tokens"], 4)
                self.expect_one_line(done.stderr, "warning", str(n_train),
                                     str(result["prompt_tokens"]))


class PerplexityTest(ProgramTest):
    def measure(self, name: str, *options) -> dict:
        text = self.write(PROMPT, "text.txt")
        return run_json("eval", "perplexity", "-m", self.model(name), "-f", text, "--token-nll",
                        *options)

    def test_one_pass(self):
        for name in tiny_models.MODELS:
            with self.subTest(model=name):
                result = self.measure(name)
                nll = np.array(result["token_nll"])
                self.assertEqual(len(nll), result["tokens"] - 1)
                self.assertTrue(np.isfinite(nll).all() and (nll >= 0).all())
                self.assertAlmostEqual(result["nll"], nll.mean(), places=5)
                self.assertAlmostEqual(result["perplexity"], math.exp(result["nll"]),
                                       delta=1e-4 * result["perplexity"])

    def test_prefix_with_the_full_cache(self):
        for name in tiny_models.MODELS:
            whole = self.measure(name)
            n_prefix = whole["tokens"] - 100
            for options in (["--kv-policy", "full"], ["--kv-budget", 10_000],
                            ["--kv-budget", 10_000, "--kv-granularity", "query-head"]):
                with self.subTest(model=name, options=options):
                    tail = self.measure(name, "--prefix", n_prefix, *options)
                    nll = np.array(tail["token_nll"])
                    expected = np.array(whole["token_nll"][n_prefix - 1:])
                    self.assertEqual(tail["tokens"], whole["tokens"])
                    self.assertEqual(len(nll), 100)
                    # One query at a time takes ggml's path that adds up in 16 bits: libllama
                    # differs from itself by 0.02 to 0.06 nats here, 1 % at most.
                    self.assertLessEqual(np.max(np.abs(nll - expected) / (1 + expected)), 2e-2)
                    self.assertLessEqual(abs(nll.mean() - expected.mean()), 1e-2)

    def test_prefix_with_an_evicted_cache(self):
        whole = self.measure("llama3")
        for policy in ("rest-kv", "snapkv", "streaming-llm"):
            result = self.measure("llama3", "--prefix", whole["tokens"] - 100, "--kv-budget", 48,
                                  "--kv-policy", policy)
            nll, full = np.array(result["token_nll"]), np.array(whole["token_nll"][-100:])
            self.assertEqual(len(nll), 100)
            self.assertTrue(np.isfinite(nll).all())
            # Something was really thrown away, and what is left still predicts alike.
            self.assertGreater(np.max(np.abs(nll - full)), 1e-2)
            self.assertLess(abs(nll.mean() - full.mean()), 1.0)

    def test_ranges(self):
        text = self.write(PROMPT, "text.txt")
        for n_prefix in (-1, 1_000_000):
            done = run("eval", "perplexity", "-m", self.model("llama3"), "-f", text, "--prefix",
                       n_prefix)
            self.assertEqual((done.returncode, done.stdout), (USAGE, b""))
            self.expect_one_line(done.stderr, "prefix", str(n_prefix))
        plain = run("eval", "perplexity", "-m", self.model("llama3"), "-f", text)
        self.assertEqual((plain.returncode, plain.stderr), (0, b""))
        self.assertIn(b"perplexity", plain.stdout)


@contextlib.contextmanager
def started(*args):
    """The program with pipes; never left running."""
    process = subprocess.Popen(command(*args), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=environment())
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def on_terminal(*args, until: str | None = None) -> tuple[int, str, bytes]:
    """Runs with stderr on a terminal: exit code, what the terminal showed, stdout.

    `until`: the program is interrupted (as by Ctrl-C) when the terminal has shown this.
    """
    leader, follower = pty.openpty()
    process = subprocess.Popen(command(*args), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=follower, env=environment())
    os.close(follower)
    shown, deadline = b"", time.monotonic() + TIME_LIMIT_S
    try:
        while time.monotonic() < deadline:
            if not select.select([leader], [], [], 1)[0]:
                continue
            try:
                part = os.read(leader, 65536)
            except OSError:  # closed by the program's end
                break
            shown += part
            if until is not None and until.encode() in shown:
                process.send_signal(signal.SIGINT)
                until = None
        out = process.communicate(timeout=10)[0]
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(leader)
    return process.returncode, shown.decode(errors="replace"), out


class TerminalTest(ProgramTest):
    def test_progress(self):
        rules = ["--grammar-file", self.write(LETTERS, "letters.gbnf"), "-n", 30]
        code, shown, out = on_terminal(*self.arguments("llama3", *rules, prompt=PROMPT * 3))
        self.assertEqual(code, 0)
        self.assertIn("loading", shown)
        self.assertRegex(shown, r"reading: +\d+ %  layer 1 of 3, token \d+ of \d+")
        self.assertRegex(shown, r"reading: 100 %  layer 3 of 3")
        # The line is gone before the text comes, and leaves no line behind.
        self.assertTrue(shown.endswith("\r"), repr(shown[-80:]))
        self.assertNotIn("\n", shown)
        piped = run(*self.arguments("llama3", *rules, prompt=PROMPT * 3))
        self.assertEqual((piped.stdout, piped.stderr), (out, b""))

    def test_interrupted_text(self):
        rules = ["--grammar-file", self.write("root ::= [a-z ]+", "endless.gbnf")]
        arguments = self.arguments("llama3", *rules, "--kv-budget", 64)
        with started(*arguments, "-n", -1) as process:
            early = os.read(process.stdout.fileno(), 1)
            process.send_signal(signal.SIGINT)
            rest, told = process.communicate(timeout=10)
        self.assertEqual((process.returncode, told), (INTERRUPTED, b""))
        text = (early + rest).decode()
        self.assertTrue(text.endswith("\n"))
        whole = run(*arguments, "-n", len(text)).stdout.decode()
        self.assertTrue(whole.startswith(text[:-1]), (text[:40], whole[:40]))

    def test_interrupted_json(self):
        for wait_s in (0.5, 2, 8):  # nothing tells that decoding has begun
            with started(*self.arguments("llama3", "-n", -1, "--ignore-eos", "--json",
                                         prompt="the")) as process:
                time.sleep(wait_s)
                process.send_signal(signal.SIGINT)
                out, told = process.communicate(timeout=10)
            if process.returncode == INTERRUPTED and out:
                break
        self.assertEqual((process.returncode, told), (INTERRUPTED, b""))
        result = json.loads(out)
        self.assertEqual(result["finish_reason"], "interrupted")
        self.assertEqual(result["completion_tokens"], len(result["tokens"]))
        self.assertGreater(result["completion_tokens"], 0)
        self.assertGreater(len(result["text"]), 0)

    @needs_default_model
    @needs_long_text
    def test_interrupted_reading(self):
        arguments = ["generate", "-m", DEFAULT_MODEL, "-f", LONG_TEXT, "-n", 4]
        start = time.monotonic()
        code, shown, out = on_terminal(*arguments, until="reading:")
        self.assertEqual((code, out), (INTERRUPTED, b""))
        self.assertIn("interrupted", shown.split("\r")[-2])
        with started(*arguments, "--json") as process:
            time.sleep(2)
            process.send_signal(signal.SIGINT)
            out, told = process.communicate(timeout=10)
        self.assertEqual((process.returncode, out), (INTERRUPTED, b""))
        self.expect_one_line(told, "interrupted")
        self.assertLess(time.monotonic() - start, 25)


@needs_default_model
class DefaultModelTest(ProgramTest):
    def ask(self, *options, prompt: str = FRANCE, raw: bool = True) -> dict:
        return run_json("generate", "-m", DEFAULT_MODEL, "-p", prompt, *(["--raw"] * raw),
                        "--temp", 0, *options)

    def test_answers(self):
        result = self.ask("-n", 24, prompt="What is the capital of France?", raw=False)
        self.assertIn("Paris", result["text"])
        self.assertEqual(result["finish_reason"], "stop")
        self.assertLess(result["completion_tokens"], 24)
        longer = self.ask("-n", 24, "--ignore-eos", prompt="What is the capital of France?",
                          raw=False)
        self.assertEqual((longer["completion_tokens"], longer["finish_reason"]), (24, "length"))
        n = result["completion_tokens"]
        self.assertEqual(longer["tokens"][:n], result["tokens"])
        self.assertTrue(longer["text"].startswith(result["text"]))

    def test_stop_across_tokens(self):
        whole = self.ask("-n", 24)["text"]
        for first in (3, 11, 18):
            stop = whole[first:first + 9]
            with self.subTest(stop=stop):
                result = self.ask("-n", 24, "--stop", stop)
                self.assertEqual(result["text"], whole[:whole.index(stop)])
                self.assertEqual(result["finish_reason"], "stop")
                plain = run("generate", "-m", DEFAULT_MODEL, "-p", FRANCE, "--raw", "--temp", 0,
                            "-n", 24, "--stop", stop)
                self.assertEqual(plain.stdout.decode(), result["text"] + "\n")

    def test_users_text_is_no_special_token(self):
        # Raw, each is one special token; in a message, it stays the text that it is.
        n, text = 10, "<|im_start|>"
        empty = self.ask("-n", 0, prompt="a", raw=False)["prompt_tokens"]
        chat = self.ask("-n", 0, prompt="a" + text * n, raw=False)["prompt_tokens"] - empty
        raw = self.ask("-n", 0, prompt=text * n)["prompt_tokens"]
        self.assertLessEqual(raw, n + 1)
        self.assertGreaterEqual(chat, 4 * n)

    def test_system_message(self):
        ours = self.ask("-n", 0, "--system", "You are a captain. " * 20, prompt="Hello", raw=False)
        plain = self.ask("-n", 0, prompt="Hello", raw=False)
        self.assertGreater(ours["prompt_tokens"], plain["prompt_tokens"] + 60)

    def test_more_threads(self):
        one, two = (self.ask("-n", 3, "-t", n)["tokens"] for n in (1, 2))
        self.assertEqual(one, two)

    @needs_long_text
    def test_prefix_with_the_full_cache(self):
        text = self.write(LONG_TEXT.read_text()[:900], "licence.txt")
        measure = ["eval", "perplexity", "-m", DEFAULT_MODEL, "-f", text, "--token-nll"]
        whole = run_json(*measure)
        n_prefix = whole["tokens"] - 40
        tail = run_json(*measure, "--prefix", n_prefix, "--kv-policy", "full")
        nll = np.array(tail["token_nll"])
        expected = np.array(whole["token_nll"][n_prefix - 1:])
        self.assertEqual(len(nll), 40)
        # libllama's own means, in one pass and token by token, differ by 0.02 here.
        self.assertLessEqual(abs(nll.mean() - expected.mean()), 5e-2)
        self.assertLessEqual(np.max(np.abs(nll - expected) / (1 + expected)), 0.2)


if __name__ == "__main__":
    unittest.main()
