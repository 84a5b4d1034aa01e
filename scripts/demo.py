#!/usr/bin/env python3
"""Asks a question about a long text twice: with the full KV cache and with a small one.

The text is the start of the GNU GPL 3, about 4,000 tokens, which every Debian carries. A fact is
planted in its middle. The answers and what they cost are printed as they come, right or wrong.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "build" / "restkv"
DEFAULT_MODEL = ROOT / ".deps" / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
TEXT = pathlib.Path("/usr/share/common-licenses/GPL-3")

N_CHARS = 18_700  # about 4,000 of SmolLM2's tokens
NUMBER = "4839217"
FACT = f"One of the special magic numbers for harbour is: {NUMBER}."
QUESTION = "What is the special magic number for harbour mentioned in the provided text?"
ANSWER_START = "The special magic number for harbour mentioned in the provided text is"


def fail(message: str) -> None:
    sys.exit(f"demo: {message}")


def build_prompt(text: str) -> str:
    """The first N_CHARS of `text` up to a paragraph's end, the fact between the middle two."""
    paragraphs = text[: text.rindex("\n\n", 0, N_CHARS)].split("\n\n")
    n_before = length = 0
    while length < N_CHARS // 2:
        length += len(paragraphs[n_before]) + 2
        n_before += 1
    planted = paragraphs[:n_before] + [FACT] + paragraphs[n_before:]
    return "\n\n".join(planted + [f"{QUESTION} {ANSWER_START}"])


def generate(model: str, prompt_file: str, kv_options: list[str]) -> dict:
    """Runs restkv and returns its JSON; its progress and errors pass through on stderr."""
    command = [str(PROGRAM), "generate", "-m", model, "--raw", "-f", prompt_file]
    command += ["-n", "16", "--temp", "0", "--json", *kv_options]
    print("$ restkv generate --raw -f PROMPT -n 16 --temp 0", *kv_options, flush=True)
    run = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8")
    if run.returncode != 0:
        fail(f"restkv ended with exit code {run.returncode}")
    result = json.loads(run.stdout)
    text = result["text"].rstrip().replace("\n", "\n  ")
    print(f"  ...{ANSWER_START}{text}\n", flush=True)
    return result


def kib(n_bytes: int) -> str:
    return f"{n_bytes / 1024:,.0f} KiB"


ROWS = {
    "KV cache after the prompt": lambda r: kib(r["kv"]["bytes"]),
    "KV cache at its peak": lambda r: kib(r["kv"]["peak_bytes"]),
    "entries kept, all layers": lambda r: f"{r['kv']['entries']:,}",
    "time to first token": lambda r: f"{r['timings_ms']['first_token'] / 1000:.1f} s",
    "decoding": lambda r: f"{r['tokens_per_second']['decode']:.1f} tokens/s",
    f"answer contains {NUMBER}": lambda r: "yes" if NUMBER in r["text"] else "no",
}


def print_table(results: dict[str, dict]) -> None:
    print(" " * 27 + "".join(f"{name:>18}" for name in results))
    for label, cell in ROWS.items():
        print(f"{label:<27}" + "".join(f"{cell(result):>18}" for result in results.values()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-m", "--model", default=str(DEFAULT_MODEL), help="a GGUF file")
    parser.add_argument("--kv-budget", default="256", help="entries kept per KV head (256)")
    options = parser.parse_args()
    sys.stdout.reconfigure(errors="replace")  # a locale that lacks a character is no reason to stop
    if not TEXT.is_file():
        fail(f"{TEXT} is missing; it belongs to Debian's package base-files")
    if not PROGRAM.is_file():
        fail(f"{PROGRAM} is missing, run: make build")

    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as prompt_file:
        prompt_file.write(build_prompt(TEXT.read_text(encoding="utf-8")))
        prompt_file.flush()
        print(f'The start of {TEXT} with this in its middle: "{FACT}"')
        print(f"Then: {QUESTION}\n", flush=True)
        evicting = ["--kv-policy", "rest-kv", "--kv-budget", options.kv_budget]
        results = {
            "full": generate(options.model, prompt_file.name, ["--kv-policy", "full"]),
            f"rest-kv, {options.kv_budget}": generate(options.model, prompt_file.name, evicting),
        }
    n_prompt = next(iter(results.values()))["prompt_tokens"]
    print(f"{pathlib.Path(options.model).name}, {n_prompt:,} prompt tokens\n")
    print_table(results)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
