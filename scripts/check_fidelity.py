#!/usr/bin/env python3
"""Asks for facts planted in long prompts and counts right answers, per way of keeping the cache.

    scripts/check_fidelity.py -m MODEL.gguf [--prompts 12] [--configs full,rest-kv-21] [--out FILE]

Prompts are raw, of about --tokens tokens, and end in the beginning of the answer, in three kinds by
turns: six numbers hidden in an essay, nothing but such sentences, a JSON object of key and value.
A run takes a prefill for each prompt and configuration; with --out every answer is saved as a line
of JSON, and a second run with the same arguments only does what is missing.
"""

import argparse
import hashlib
import json
import math
import os
import pathlib
import random
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = os.environ.get("RESTKV_BIN", str(ROOT / "build" / "restkv"))
DEFAULT_MODEL = ROOT / ".deps" / "models" / "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"
HAYSTACK = pathlib.Path("/usr/share/common-licenses/GPL-3")
N_PREDICT = 12
MOST_TOKENS = 32768
DEEPEST = 0.9  # where the fact may stand: what is in the last window every policy keeps

# What to run, and the share of right answers it must reach, or must not exceed.
CONFIGS = {
    "full": (["--kv-policy", "full"], ">=", 85),
    "rest-kv-21": (["--kv-policy", "rest-kv", "--kv-kernel", "21"], ">=", 80),
    "rest-kv-5": (["--kv-policy", "rest-kv", "--kv-kernel", "5"], "<=", 50),
    "streaming-llm": (["--kv-policy", "streaming-llm"], "<=", 20),
    "snapkv-21": (["--kv-policy", "snapkv", "--kv-kernel", "21"], None, None),
    "snapkv-5": (["--kv-policy", "snapkv", "--kv-kernel", "5"], None, None),
}
DEFAULT_CONFIGS = "full,rest-kv-21,rest-kv-5,streaming-llm"

ADJECTIVES = """able ancient bright busy calm clever distant eager early famous gentle golden happy
heavy hidden honest hollow humble icy jolly kind large lively lonely loud lucky modern narrow noble
patient plain polite proud quick quiet rapid rare round rough royal salty shiny silent simple sleepy
slow smooth solid steep strong sunny sweet tall tidy tiny warm wild windy wise young""".split()
NOUNS = """anchor apple barrel basket beacon blanket bottle bridge candle canyon carpet castle
cellar cherry clock copper cottage desert donkey engine feather ferry forest garden glacier hammer
harbour island jacket kettle ladder lantern lemon letter market meadow mirror mountain needle ocean
orchard paper pepper piano pillow planet pocket rabbit ribbon river rocket saddle shadow shelter
spoon station summer teapot temple ticket tower tunnel valley violin wagon willow window""".split()

INTRODUCTION = ("Some special magic numbers are hidden within the following text. Make sure to "
                "memorize it. I will quiz you about the numbers afterwards.\n")
QUESTION = ("\nWhat is the special magic number for {key} mentioned in the provided text? "
            "The special magic number for {key} mentioned in the provided text is")


def fail(message: str) -> None:
    sys.exit(f"check_fidelity: {message}")


# ---- prompts

def estimate_tokens(text: str) -> float:
    """Near enough for tokenizers that give every digit its own token."""
    n_digit = sum(c.isdigit() for c in text)
    n_mark = sum(c in "\"{}:,-." for c in text)
    return n_digit + 0.6 * n_mark + (len(text) - n_digit - n_mark) / 4.6


class Facts:
    """Keys that differ and their seven-digit values."""

    def __init__(self, rng: random.Random):
        self.rng = rng
        self.keys: set[str] = set()

    def words(self) -> tuple[str, str]:
        return self._fact(lambda: f"{self.rng.choice(ADJECTIVES)}-{self.rng.choice(NOUNS)}")

    def identifier(self) -> tuple[str, str]:
        """Keys that share no words: among 130 pairs of words a small model confuses some."""
        return self._fact(lambda: f"{self.rng.getrandbits(32):08x}")

    def _fact(self, make_key) -> tuple[str, str]:
        key = make_key()
        while key in self.keys:
            key = make_key()
        self.keys.add(key)
        return key, str(self.rng.randint(1_000_000, 9_999_999))


def needle(key: str, value: str) -> str:
    return f"One of the special magic numbers for {key} is: {value}."


def essay_prompt(rng: random.Random, n_token: int, haystack: list[str]) -> tuple[str, str]:
    """Six needles between the sentences of a stretch of the haystack; one is asked for."""
    facts = Facts(rng)
    needles = [facts.words() for _ in range(6)]
    room = n_token - estimate_tokens(INTRODUCTION + QUESTION) - sum(
        estimate_tokens(needle(*fact)) for fact in needles)
    start = rng.randrange(len(haystack))
    sentences = []
    while room > 0:
        sentences.append(haystack[(start + len(sentences)) % len(haystack)])
        room -= estimate_tokens(sentences[-1]) + 0.2
    for fact in needles:
        sentences.insert(rng.randint(0, int(DEEPEST * len(sentences))), needle(*fact))
    key, value = rng.choice(needles)
    return INTRODUCTION + " ".join(sentences) + QUESTION.format(key=key), value


def needles_prompt(rng: random.Random, n_token: int, _haystack: list[str]) -> tuple[str, str]:
    facts = Facts(rng)
    room = n_token - estimate_tokens(INTRODUCTION + QUESTION)
    pairs = []
    while room > 0:
        pairs.append(facts.words())
        room -= estimate_tokens(needle(*pairs[-1])) + 1
    key, value = rng.choice(pairs[:int(DEEPEST * len(pairs))])
    text = "\n".join(needle(*pair) for pair in pairs)
    return INTRODUCTION + text + QUESTION.format(key=key), value


def json_prompt(rng: random.Random, n_token: int, _haystack: list[str]) -> tuple[str, str]:
    facts = Facts(rng)
    head = "Extract the value corresponding to the specified key in the JSON object below.\n\n"
    room = n_token - estimate_tokens(head) - 40
    pairs = []
    while room > 0:
        key, value = facts.identifier()
        pairs.append((key, value))
        room -= estimate_tokens(f'"{key}": "{value}", ')
    key, value = rng.choice(pairs[:int(DEEPEST * len(pairs))])
    return f'{head}{json.dumps(dict(pairs))}\n\nKey: "{key}"\nThe value of "{key}" is: "', value


KINDS = {"essay": essay_prompt, "needles": needles_prompt, "json": json_prompt}


def make_prompts(options: argparse.Namespace) -> list[dict]:
    """The same arguments give the same prompts; prompt i does not depend on how many there are."""
    text = " ".join(options.haystack.read_text(encoding="utf-8").split())
    haystack = [s + "." for s in text.split(". ")]
    prompts = []
    for i in range(options.prompts):
        kind = list(KINDS)[i % len(KINDS)]
        rng = random.Random(f"{options.seed}-{i}")
        prompt, value = KINDS[kind](rng, options.tokens, haystack)
        prompts.append({"index": i, "kind": kind, "prompt": prompt, "value": value})
    return prompts


# ---- runs

def identify(options: argparse.Namespace, prompt: dict, arguments: list[str]) -> str:
    """What an answer depends on, but for the program itself."""
    parts = [options.model.name, prompt["prompt"], *arguments]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def load_answers(path: pathlib.Path | None) -> dict[str, dict]:
    if path is None or not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return {answer["id"]: answer for answer in map(json.loads, filter(None, lines))}


def ask(options: argparse.Namespace, prompt: dict, arguments: list[str]) -> dict:
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as file:
        file.write(prompt["prompt"])
        file.flush()
        done = subprocess.run(
            [PROGRAM, "generate", "-m", str(options.model), "--raw", "-f", file.name, "--temp", "0",
             "-n", str(N_PREDICT), "--json", *arguments], stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        fail(f"restkv ended with exit code {done.returncode}")
    return json.loads(done.stdout)


def collect(options: argparse.Namespace, prompts: list[dict], configs: list[str]) -> list[dict]:
    known = load_answers(options.out)
    answers = []
    for prompt in prompts:
        for config in configs:
            arguments = ["--kv-budget", str(options.budget), *CONFIGS[config][0],
                         *options.restkv_option]
            if options.prefill_attention != "dense":
                arguments += ["--prefill-attention", options.prefill_attention]
            key = identify(options, prompt, arguments)
            answer = known.get(key)
            if answer is None:
                result = ask(options, prompt, arguments)
                answer = {"id": key, "index": prompt["index"], "kind": prompt["kind"],
                          "config": config, "value": prompt["value"], "text": result["text"],
                          "right": prompt["value"] in result["text"],
                          "prompt_tokens": result["prompt_tokens"], "kv": result["kv"]["bytes"]}
                if options.out is not None:
                    with options.out.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(answer) + "\n")
            print(f"{prompt['index']:3} {prompt['kind']:<8} {config:<14} "
                  f"{'right' if answer['right'] else 'wrong'}  {answer['value']}  "
                  f"{answer['text']!r}", file=sys.stderr, flush=True)
            answers.append(answer | {"config": config})
    return answers


# ---- report

def percent(answers: list[dict]) -> str:
    if not answers:
        return ""
    return f"{100 * sum(a['right'] for a in answers) / len(answers):.0f}"


def report(answers: list[dict], configs: list[str]) -> bool:
    """Prints the table; true when every bar is reached."""
    kinds = [kind for kind in KINDS if any(a["kind"] == kind for a in answers)]
    print("| cache | " + " | ".join(kinds) + " | all | standard error | bar | reached |")
    print("| --- |" + " --- |" * (len(kinds) + 4))
    reached = True
    for config in configs:
        mine = [a for a in answers if a["config"] == config]
        share = sum(a["right"] for a in mine) / len(mine)
        error = 100 * math.sqrt(share * (1 - share) / len(mine))
        _, relation, bar = CONFIGS[config]
        good = bar is None or (100 * share >= bar if relation == ">=" else 100 * share <= bar)
        reached = reached and good
        cells = [percent([a for a in mine if a["kind"] == kind]) for kind in kinds]
        cells += [percent(mine), f"{error:.0f}", f"{relation} {bar}" if bar is not None else "",
                  "" if bar is None else "yes" if good else "no"]
        print(f"| {config} | " + " | ".join(cells) + " |")
    return reached


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-m", "--model", type=pathlib.Path, default=DEFAULT_MODEL)
    parser.add_argument("--prompts", type=int, default=12)
    parser.add_argument("--tokens", type=int, default=2000, help="length of a prompt, about")
    parser.add_argument("--budget", type=int, default=128)
    parser.add_argument("--configs", default=DEFAULT_CONFIGS,
                        help="of " + ", ".join(CONFIGS) + f" ({DEFAULT_CONFIGS})")
    parser.add_argument("--haystack", type=pathlib.Path, default=HAYSTACK, help="the essay's text")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--out", type=pathlib.Path, help="JSONL file of answers, to resume from")
    parser.add_argument("--restkv-option", action="append", default=[], metavar="OPTION",
                        help="passed on to restkv, as in --restkv-option=--kv-window=16")
    parser.add_argument("--prefill-attention", default="dense",
                        help="passed on: dense, flex, minference, a-shape (dense)")
    parser.add_argument("--check", action="store_true", help="exit code 1 when a bar is missed")
    options = parser.parse_args()
    configs = options.configs.split(",")
    for config in configs:
        if config not in CONFIGS:
            fail(f"configuration {config!r} is none of {', '.join(CONFIGS)}")
    for path in (options.model, options.haystack):
        if not path.is_file():
            fail(f"{path} is missing")
    if options.prompts < 1:
        fail(f"--prompts is {options.prompts}, it must be at least 1")
    if not 256 <= options.tokens <= MOST_TOKENS:
        fail(f"--tokens is {options.tokens}, allowed: 256 to {MOST_TOKENS}")

    answers = collect(options, make_prompts(options), configs)
    lengths = [a["prompt_tokens"] for a in answers]
    print(f"{options.model.name}, budget {options.budget}, prefill attention "
          f"{options.prefill_attention}, {options.prompts} prompts of "
          f"{min(lengths)} to {max(lengths)} tokens, answers right in %\n")
    reached = report(answers, configs)
    sys.exit(1 if options.check and not reached else 0)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
