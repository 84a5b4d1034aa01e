"""With the full cache and ggml's kernels restkv computes what libllama computes.

Run by ctest; RESTKV_BIN is the path of the program, RESTKV_MODEL_DIR the folder of the default
model. Without the llama_cpp binding, the model or the text the tests that need them are skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

import numpy as np
import tiny_models

try:
    from libllama_oracle import Oracle
except ImportError:
    Oracle = None

BIN = os.environ.get("RESTKV_BIN", "build/restkv")
ROOT = Path(__file__).resolve().parents[2]
MODEL_DIR = Path(os.environ.get("RESTKV_MODEL_DIR", ROOT / ".deps" / "models"))
DEFAULT_MODEL = MODEL_DIR / "SmolLM2-135M-Instruct.Q4_1.gguf"
LONG_TEXT = Path("/usr/share/common-licenses/GPL-3")
FULL = ("--kv-policy", "full", "--kernels", "ggml")

# libllama with and without flash attention differs by 1e-4 to 9e-4 itself.
MAX_TOKEN_DIFFERENCE = 1e-3  # of difference / (1 + NLL)
MAX_MEAN_DIFFERENCE = 5e-3

TEXT = """The harbour was quiet when the first of the boats came in, and the men on the quay were
talking of the weather and of the price of herring, in that order. Nobody had seen the light on
the northern rock since the autumn storms; some said that the keeper had gone, others that he
had never been there at all. An old woman counted 17 baskets, then 19, then began again. "If it
rains before noon," she told the boy, "the other half is yours." He wrote that down: 1/2, noon,
rain. Then there was the matter of the letter, which had been opened and closed again so often
that the paper was soft as cloth. It said (in a careful hand): the land beyond the river is to be
sold, the house is to be kept, and the dog goes with the house. """ * 3

PROMPTS = [
    "The capital of France is", "Once upon a time there was a fisherman who",
    "To make bread at home, first", "The three most important rules of chess are",
    "Water boils at 100 degrees Celsius because", "My favourite season is autumn, since",
    "def fibonacci(n):\n    ",
    "The licence of a program says what users may do with it. For example",
    "In 1969 the first people to land on the Moon", "A short letter to an old friend:\n\nDear",
]


def run_json(*args) -> dict:
    done = subprocess.run([BIN, *map(str, args), "--json"], capture_output=True, check=False,
                          timeout=600)
    if done.returncode != 0:
        raise AssertionError(f"{args}: exit {done.returncode}: {done.stderr.decode()}")
    return json.loads(done.stdout)


@unittest.skipIf(Oracle is None, "the llama_cpp binding is not installed")
class ParityTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.dir = Path(cls.folder.name)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def token_nll(self, model: Path, text: str, *options) -> np.ndarray:
        path = self.dir / "text.txt"
        path.write_text(text)
        result = run_json("eval", "perplexity", "-m", model, "-f", path, "--token-nll", *options)
        nll = np.array(result["token_nll"])
        self.assertEqual(len(nll), result["tokens"] - 1)
        self.assertAlmostEqual(nll.mean(), result["nll"], places=4)
        return nll

    def difference(self, model: Path, n_token: int) -> float:
        with Oracle(model, 512) as oracle:
            text = oracle.longest_prefix(TEXT, n_token)
            tokens = oracle.tokenize(text)
            expected = oracle.token_nll(tokens)
        # The models must be able to tell right from wrong: neither flat nor certain.
        self.assertGreater(expected.std(), 0.5)
        nll = self.token_nll(model, text, *FULL)
        self.assertEqual(len(nll), len(tokens) - 1)
        return float(np.max(np.abs(nll - expected) / (1 + expected)))

    def test_tiny_models(self):
        for name in tiny_models.MODELS:
            model = self.dir / f"{name}.gguf"
            tiny_models.write_model(model, name)
            with self.subTest(model=name):
                self.assertLessEqual(self.difference(model, 300), MAX_TOKEN_DIFFERENCE)

    def test_weight_types(self):
        for kind in ("F16", "BF16", "Q8_0", "Q4_0", "Q5_1"):
            model = self.dir / f"llama3.{kind}.gguf"
            tiny_models.write_model(model, "llama3", kind)
            with self.subTest(type=kind):
                self.assertLessEqual(self.difference(model, 300), MAX_TOKEN_DIFFERENCE)

    @unittest.skipUnless(DEFAULT_MODEL.exists(), "the default model is not there")
    @unittest.skipUnless(LONG_TEXT.exists(), f"{LONG_TEXT} is not there")
    def test_default_model(self):
        with Oracle(DEFAULT_MODEL, 2048) as oracle:
            text = oracle.longest_prefix(LONG_TEXT.read_text(), 2000)
            expected = oracle.token_nll(oracle.tokenize(text))
        nll = self.token_nll(DEFAULT_MODEL, text, *FULL)
        self.assertEqual(len(nll), len(expected))
        self.assertLessEqual(abs(nll.mean() - expected.mean()), MAX_MEAN_DIFFERENCE)

    @unittest.skipUnless(DEFAULT_MODEL.exists(), "the default model is not there")
    def test_greedy(self):
        same = []
        with Oracle(DEFAULT_MODEL, 512) as oracle:
            for prompt in PROMPTS:
                expected = oracle.greedy(oracle.tokenize(prompt), 64)
                tokens = run_json("generate", "-m", DEFAULT_MODEL, "-p", prompt, "--raw", "--temp",
                                  0, "-n", 64, *FULL)["tokens"]
                while tokens and oracle.is_end(tokens[-1]):
                    tokens.pop()
                same.append(tokens == expected)
        self.assertGreaterEqual(sum(same), len(PROMPTS) - 1, same)


if __name__ == "__main__":
    unittest.main()
