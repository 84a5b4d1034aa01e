#!/usr/bin/env python3
"""What schedules, key positions and storage types promise, measured on a real model.

    scripts/check_schedules.py [-m MODEL.gguf] [-t 2] [chunk] [decode] [positions] [storage] [nll]

chunk      peak anonymous memory of 8,192 and 65,536 prompt tokens, read in chunks
decode     10,000 decoded tokens: tokens per second of the first and the last thousand
positions  likelihood of a text, and what the model writes, beyond the trained context
storage    token likelihood with q8_0 and q4_0 against f16: the same entries, and the same bytes
nll        token likelihood by schedule

Without a name, all of them, which takes about an hour on two cores. Text: the licences of the
distribution, /usr/share/common-licenses. Prints Markdown.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = os.environ.get("RESTKV_BIN", str(ROOT / "build" / "restkv"))
DEFAULT_MODEL = ROOT / ".deps" / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
LICENCES = pathlib.Path("/usr/share/common-licenses")
NAMES = ["GPL-3", "MPL-2.0", "Apache-2.0", "LGPL-2.1", "GFDL-1.3", "GPL-2", "Artistic", "MPL-1.1"]
SAMPLE_S = 0.02


def anonymous_bytes(pid: int) -> int:
    try:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


class Study:
    def __init__(self, model: str, threads: int, folder: pathlib.Path):
        self.model, self.threads, self.folder = model, threads, folder
        parts = [(LICENCES / name).read_text() for name in NAMES if (LICENCES / name).exists()]
        self.text = "\n".join(parts)
        if not self.text:
            sys.exit(f"check_schedules: no text in {LICENCES}")
        self.bytes_per_token = len(self.text) / self.perplexity_tokens()

    def perplexity_tokens(self) -> int:
        """Tokens of the text, by asking for the impossible: the refusal names the count."""
        done = self.start("generate", "--raw", "-n", 1, "-c", 1, text=self.text)
        words = done.communicate()[1].split()
        return int(words[words.index("tokens,") - 1])

    def start(self, *arguments, text: str) -> subprocess.Popen:
        path = self.folder / "text.txt"
        path.write_text(text)
        return subprocess.Popen([PROGRAM, *map(str, arguments), "-m", self.model, "-t",
                                 str(self.threads), "-f", str(path)], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, *arguments, text: str) -> dict:
        """The JSON that the program prints, and the peak of its anonymous memory."""
        process = self.start(*arguments, "--json", text=text)
        peak = 0
        while True:
            try:
                out, err = process.communicate(timeout=SAMPLE_S)
                break
            except subprocess.TimeoutExpired:
                peak = max(peak, anonymous_bytes(process.pid))
        if process.returncode != 0:
            sys.exit(f"check_schedules: {arguments}: {err.strip()}")
        return json.loads(out) | {"anonymous_bytes": peak}

    def excerpt(self, n_token: int) -> str:
        n = int(n_token * self.bytes_per_token)
        return (self.text * (1 + n // len(self.text)))[:n]

    def nll(self, n_prefix: int, n_scored: int, *options) -> tuple[float, int]:
        text = self.excerpt(int(1.1 * (n_prefix + n_scored)))
        result = self.run("eval", "perplexity", "--prefix", n_prefix, "--score", n_scored, *options,
                          text=text)
        return result["nll"], result["kv"]["bytes"]


def table(head: list[str], rows: list[list]) -> None:
    print("| " + " | ".join(head) + " |")
    print("| --- |" + " ---: |" * (len(head) - 1))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |", flush=True)
    print(flush=True)


def chunk(study: Study) -> None:
    rows = []
    for n in (8192, 65536):
        result = study.run("generate", "--raw", "-n", 1, "--kv-schedule", "chunk:512",
                           text=study.excerpt(n))
        rows.append([f"{result['prompt_tokens']:,}", f"{result['anonymous_bytes'] / 2**20:.1f}",
                     f"{result['kv']['peak_bytes'] / 2**20:.1f}",
                     f"{result['tokens_per_second']['prefill']:.0f}"])
    table(["prompt tokens, chunk:512", "anonymous MiB", "K/V peak MiB", "tokens/s"], rows)


def decode(study: Study) -> None:
    rows = []
    for options in (["--kv-schedule", "decode:64"], ["--kv-schedule", "decode:64",
                                                     "--kv-head-budget", "ada"],
                    ["--kv-policy", "streaming-decode"]):
        result = study.run("generate", "--raw", "-n", 10001, "--ignore-eos", "--temp", 0.8, "-s", 1,
                           "--kv-budget", 1024, *options, text=study.excerpt(1500))
        by_1000 = result["timings_ms"]["decode_by_1000"]
        rows.append([" ".join(options), f"{1e6 / by_1000[0]:.1f}", f"{1e6 / by_1000[9]:.1f}",
                     f"{by_1000[0] / by_1000[9]:.3f}",
                     f"{result['timings_ms']['decode_eviction'] / sum(by_1000):.1%}",
                     f"{result['kv']['bytes'] / 2**20:.1f}",
                     f"{result['kv']['peak_bytes'] / 2**20:.1f}"])
    table(["10,000 decoded tokens", "tokens/s, first 1,000", "last 1,000", "ratio", "of it cuts",
           "K/V MiB", "peak MiB"], rows)


def positions(study: Study) -> None:
    info = subprocess.run([PROGRAM, "info", study.model, "--json"], capture_output=True, check=True)
    trained = json.loads(info.stdout)["n_ctx_train"]
    rows, texts = [], []
    for policy in ("streaming-llm", "rest-kv"):
        for where in ("original", "cache"):
            options = ["--kv-policy", policy, "--kv-positions", where, "--kv-schedule", "chunk:512"]
            inside = study.nll(trained // 2, 300, *options)[0]
            beyond = study.nll(2 * trained, 300, *options)[0]
            rows.append([f"{policy}, {where}", f"{inside:.3f}", f"{beyond:.3f}"])
            written = study.run("generate", "--raw", "-n", 40, "--temp", 0, *options,
                                text=study.excerpt(2 * trained))
            texts.append((policy, where, written["text"]))
    table([f"chunk:512, trained on {trained:,}", f"NLL after {trained // 2:,}",
           f"after {2 * trained:,}"], rows)
    for policy, where, text in texts:
        print(f"{policy}, {where}, after {2 * trained:,} tokens: {text!r}\n", flush=True)


def storage(study: Study) -> None:
    rows = []
    base = None
    for kind, budget in (("f16", 512), ("q8_0", 512), ("q4_0", 512), ("q8_0", 963), ("q4_0", 1820)):
        nll, size = study.nll(3000, 800, "--kv-type", kind, "--kv-budget", budget)
        base = nll if base is None else base
        rows.append([f"{kind}, {budget:,} entries", f"{size / 2**20:.2f}", f"{nll:.4f}",
                     f"{nll - base:+.4f}"])
    table(["rest-kv, 800 tokens after 3,000", "K/V MiB", "NLL", "against f16, 512"], rows)


def nll(study: Study) -> None:
    rows = []
    for options in (["--kv-policy", "full"], [], ["--kv-schedule", "decode:64"],
                    ["--kv-schedule", "decode:16"], ["--kv-schedule", "decode:1"],
                    ["--kv-schedule", "chunk:1024"], ["--kv-schedule", "chunk:256"],
                    ["--kv-head-budget", "ada"], ["--kv-layer-budget", "pyramid"],
                    ["--kv-head-budget", "ada", "--kv-layer-budget", "pyramid"]):
        value, size = study.nll(3000, 800, "--kv-budget", 512, *options)
        rows.append([" ".join(options) or "prompt, rest-kv", f"{value:.4f}",
                     f"{size / 2**20:.2f}"])
    table(["512 entries, 800 tokens after 3,000", "NLL", "K/V MiB after the prefix"], rows)


def main() -> None:
    studies = {"chunk": chunk, "decode": decode, "positions": positions, "storage": storage,
               "nll": nll}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-m", "--model", default=str(DEFAULT_MODEL))
    parser.add_argument("-t", "--threads", type=int, default=os.cpu_count())
    parser.add_argument("names", nargs="*", choices=[[], *studies], metavar="NAME")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        study = Study(args.model, args.threads, pathlib.Path(folder))
        for name in args.names or studies:
            studies[name](study)


if __name__ == "__main__":
    main()
