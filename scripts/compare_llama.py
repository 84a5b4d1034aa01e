#!/usr/bin/env python3
"""Speed and memory of restkv beside libllama: the same model, text, threads and machine.

    scripts/compare_llama.py [-m MODEL.gguf] [--prompt-tokens 4096] [--decode-after 16384]
                             [--budget 1024] [--threads 2] [--repeat 3] [--json]
    scripts/compare_llama.py --memory [--prompt-tokens 16384] [--budget 1024]

Both run by turns, each time in a process of its own, and medians are compared. libllama, through
the llama_cpp binding, has flash attention on, batches of 2048 in chunks of 512 and the full cache.
--memory samples the anonymous memory of both processes from outside, every 20 ms.
"""

import argparse
import ctypes
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = os.environ.get("RESTKV_BIN", str(ROOT / "build" / "restkv"))
VENV_PYTHON = ROOT / ".deps" / "venv" / "bin" / "python3"
DEFAULT_MODEL = ROOT / ".deps" / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
TEXT = pathlib.Path("/usr/share/common-licenses/GPL-3")
N_STEP = 32  # decode steps that are timed
SAMPLE_S = 0.02
MIB = 1 << 20

# Ratios restkv / libllama; eviction in % of prefill.
BARS = {"prefill": (">=", 0.95), "decode": (">=", 2.5), "eviction": ("<=", 1.5),
        "anonymous memory": ("<=", 0.6), "K/V peak": ("<=", 1.1)}


def fail(message: str) -> None:
    sys.exit(f"compare_llama: {message}")


# ---- libllama, in a process of its own

class Libllama:
    def __init__(self, path: str, vocab_only: bool = False):
        import llama_cpp

        self.lib = llama_cpp

        @llama_cpp.llama_log_callback
        def quiet(_level, _text, _data):
            pass

        self.quiet = quiet
        self.lib.llama_log_set(quiet, ctypes.c_void_p(0))
        self.lib.llama_backend_init()
        params = self.lib.llama_model_default_params()
        params.n_gpu_layers = 0
        params.vocab_only = vocab_only
        self.model = self.lib.llama_model_load_from_file(path.encode(), params)
        if not self.model:
            fail(f"libllama does not load {path}")
        self.vocab = self.lib.llama_model_get_vocab(self.model)

    def tokenize(self, text: str) -> list[int]:
        """As `restkv generate --raw` does: BOS where the model wants it, special tokens parsed."""
        data = text.encode()
        ids = (self.lib.llama_token * (len(data) + 8))()
        n = self.lib.llama_tokenize(self.vocab, data, len(data), ids, len(ids), True, True)
        return list(ids[:n])

    def make_context(self, n_ctx: int, n_threads: int):
        params = self.lib.llama_context_default_params()
        params.n_ctx = n_ctx
        params.n_batch, params.n_ubatch = 2048, 512
        params.n_threads = params.n_threads_batch = n_threads
        params.flash_attn_type = 1
        context = self.lib.llama_init_from_model(self.model, params)
        if not context:
            fail(f"libllama makes no context of {n_ctx} tokens")
        return context

    def decode(self, context, tokens: list[int]) -> None:
        ids = (self.lib.llama_token * len(tokens))(*tokens)
        if self.lib.llama_decode(context, self.lib.llama_batch_get_one(ids, len(tokens))) != 0:
            fail("libllama does not decode")


def libllama_child(path: str, text_file: str, n_threads: int) -> None:
    """Prefill and greedy decode steps; prints times and the memory that Python alone takes."""
    import numpy as np

    python_bytes = anonymous_bytes(os.getpid())
    llama = Libllama(path)
    tokens = llama.tokenize(pathlib.Path(text_file).read_text(encoding="utf-8"))
    context = llama.make_context(len(tokens) + 64, n_threads)
    n_vocab = llama.lib.llama_vocab_n_tokens(llama.vocab)

    def likeliest() -> int:
        logits = llama.lib.llama_get_logits_ith(context, -1)
        return int(np.ctypeslib.as_array(logits, shape=(n_vocab,)).argmax())

    start = time.perf_counter()
    for first in range(0, len(tokens), 2048):
        llama.decode(context, tokens[first:first + 2048])
    answer = [likeliest()]
    prefill_s = time.perf_counter() - start
    start = time.perf_counter()
    for _ in range(N_STEP):
        llama.decode(context, answer[-1:])
        answer.append(likeliest())
    decode_s = time.perf_counter() - start
    print(json.dumps({"prompt_tokens": len(tokens), "prefill": len(tokens) / prefill_s,
                      "decode": N_STEP / decode_s, "python_bytes": python_bytes}))


# ---- processes watched from outside

def anonymous_bytes(pid: int) -> int:
    try:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def run_watched(command: list[str]) -> tuple[str, int]:
    """Stdout and the peak of anonymous memory."""
    peak = 0
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(command, stdout=out)
        try:
            while process.poll() is None:
                peak = max(peak, anonymous_bytes(process.pid))
                time.sleep(SAMPLE_S)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode != 0:
            fail(f"{command[0]} ended with exit code {process.returncode}")
        out.seek(0)
        return out.read(), peak


def run_restkv(options: argparse.Namespace, text_file: str) -> dict:
    command = [PROGRAM, "generate", "-m", str(options.model), "--raw", "-f", text_file, "--json",
               "--ignore-eos", "--temp", "0", "-n", str(N_STEP + 1), "-t", str(options.threads),
               "--kv-policy", options.policy, "--kv-budget", str(options.budget)]
    out, peak = run_watched(command)
    return json.loads(out) | {"anonymous_peak": peak}


def run_libllama(options: argparse.Namespace, text_file: str) -> dict:
    out, peak = run_watched([sys.executable, __file__, "--libllama-child", str(options.model),
                             text_file, str(options.threads)])
    result = json.loads(out)
    return result | {"anonymous_peak": peak - result["python_bytes"]}


# ---- texts

def long_text(source: str, n_token: int, llama: Libllama) -> str:
    """The source again and again, each time under another number, cut to n_token tokens."""
    text, n_part = "", 0
    while len(text) < 8 * n_token:
        n_part += 1
        text += f"Copy {n_part}, page {n_part * 37}.\n\n{source}\n\n"
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if len(llama.tokenize(text[:middle])) <= n_token:
            low = middle
        else:
            high = middle - 1
    return text[:low]


# ---- measurements

def summary(values: list[float]) -> dict:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def measure_speed(options: argparse.Namespace, text_file: str) -> dict:
    """tokens/s of both at this prompt, by turns."""
    ours, theirs = [], []
    for i in range(options.repeat):
        note(f"run {i + 1} of {options.repeat}: restkv")
        ours.append(run_restkv(options, text_file))
        note(f"run {i + 1} of {options.repeat}: libllama")
        theirs.append(run_libllama(options, text_file))
    if ours[0]["prompt_tokens"] != theirs[0]["prompt_tokens"]:
        fail(f"restkv read {ours[0]['prompt_tokens']} tokens, libllama "
             f"{theirs[0]['prompt_tokens']}")
    result = {"prompt_tokens": ours[0]["prompt_tokens"]}
    for what in ("prefill", "decode"):
        result[what] = {"restkv": summary([r["tokens_per_second"][what] for r in ours]),
                        "libllama": summary([r[what] for r in theirs])}
        result[what]["ratio"] = (result[what]["restkv"]["median"]
                                 / result[what]["libllama"]["median"])
    result["eviction_percent"] = summary(
        [100 * r["timings_ms"]["eviction"] / r["timings_ms"]["prefill"] for r in ours])
    return result


def measure_memory(options: argparse.Namespace, text_file: str, short_file: str) -> dict:
    note("restkv, a short prompt")
    short = run_restkv(options, short_file)
    note("restkv")
    ours = run_restkv(options, text_file)
    note("libllama")
    theirs = run_libllama(options, text_file)
    info = json.loads(subprocess.run(
        [PROGRAM, "info", str(options.model), "-c", str(ours["prompt_tokens"]), "--json"],
        stdout=subprocess.PIPE, check=True).stdout)
    kv = ours["kv"]
    one_layer = kv["full_bytes"] // info["n_layer"]
    grown = ours["anonymous_peak"] - short["anonymous_peak"]
    return {
        "prompt_tokens": ours["prompt_tokens"],
        "restkv": ours["anonymous_peak"],
        "libllama": theirs["anonymous_peak"],
        "ratio": ours["anonymous_peak"] / theirs["anonymous_peak"],
        "python": theirs["python_bytes"],
        "kv_peak": kv["peak_bytes"], "kv_compressed": kv["bytes"], "kv_one_layer": one_layer,
        "kv_full": kv["full_bytes"],
        "kv_ratio": kv["peak_bytes"] / (one_layer + kv["bytes"]),
        "short_prompt_tokens": short["prompt_tokens"],
        "restkv_short": short["anonymous_peak"],
        "restkv_grown": grown,
        "hidden": info["memory"]["hidden_bytes"],
        "other": grown - kv["peak_bytes"] - info["memory"]["hidden_bytes"],
    }


# ---- report

def note(message: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{message:<60}", end="", file=sys.stderr, flush=True)


def machine() -> dict:
    model = "unknown"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return {"cpu": model, "cores": os.cpu_count(), "load_before": os.getloadavg()[0]}


def verdict(what: str, value: float) -> str:
    relation, bar = BARS[what]
    good = value >= bar if relation == ">=" else value <= bar
    return f"{relation} {bar:g} | {'yes' if good else 'no'}"


def spread(s: dict, digits: int = 1) -> str:
    return f"{s['median']:.{digits}f} ({s['min']:.{digits}f} to {s['max']:.{digits}f})"


def print_speed(result: dict) -> None:
    print("\n| tokens/s, median (min to max) | restkv | libllama | ratio | bar | reached |")
    print("| --- | --- | --- | --- | --- | --- |")
    for what, at in (("prefill", "prefill_at"), ("decode", "decode_after")):
        if at not in result:
            continue
        row = result[at][what]
        label = f"{what}, {result[at]['prompt_tokens']:,} tokens"
        print(f"| {label} | {spread(row['restkv'])} | {spread(row['libllama'])} | "
              f"{row['ratio']:.2f} | {verdict(what, row['ratio'])} |")
    for part in (result[at] for at in ("prefill_at", "decode_after") if at in result):
        share = part["eviction_percent"]
        print(f"| eviction, % of prefill, {part['prompt_tokens']:,} tokens | "
              f"{spread(share, 2)} | | | {verdict('eviction', share['median'])} |")


def print_memory(m: dict) -> None:
    def mib(name: str) -> str:
        return f"{m[name] / MIB:.1f}"

    print(f"\n| MiB, prompt of {m['prompt_tokens']:,} tokens | restkv | libllama | ratio | bar | "
          "reached |")
    print("| --- | --- | --- | --- | --- | --- |")
    print(f"| peak anonymous memory | {mib('restkv')} | {mib('libllama')} | {m['ratio']:.2f} | "
          f"{verdict('anonymous memory', m['ratio'])} |")
    expected = f"{(m['kv_one_layer'] + m['kv_compressed']) / MIB:.1f}"
    print(f"| K/V peak / (one full layer + compressed cache = {expected}) | {mib('kv_peak')} | "
          f"{mib('kv_full')} (full cache) | {m['kv_ratio']:.3f} | "
          f"{verdict('K/V peak', m['kv_ratio'])} |")
    print(f"\nFrom a prompt of {m['short_prompt_tokens']} tokens (restkv {mib('restkv_short')} MiB)"
          f" it grew by {mib('restkv_grown')} MiB: K/V peak {mib('kv_peak')}, hidden states "
          f"{mib('hidden')}, everything else {mib('other')}.")
    print(f"libllama's figure is without the {mib('python')} MiB that Python had taken before.")


def measure(options: argparse.Namespace) -> dict:
    llama = Libllama(str(options.model), vocab_only=True)
    source = options.text.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        def write(n_token: int) -> str:
            path = pathlib.Path(folder) / f"{n_token}.txt"
            path.write_text(long_text(source, n_token, llama), encoding="utf-8")
            return str(path)

        if options.memory:
            return {"memory": measure_memory(options, write(options.prompt_tokens), write(64))}
        result = {}
        if options.prompt_tokens > 0:
            result["prefill_at"] = measure_speed(options, write(options.prompt_tokens))
        if options.decode_after > 0:
            result["decode_after"] = measure_speed(options, write(options.decode_after))
        return result


def passes(result: dict) -> bool:
    values = []
    if "memory" in result:
        values = [("anonymous memory", result["memory"]["ratio"]),
                  ("K/V peak", result["memory"]["kv_ratio"])]
    if "prefill_at" in result:
        values.append(("prefill", result["prefill_at"]["prefill"]["ratio"]))
        values.append(("eviction", result["prefill_at"]["eviction_percent"]["median"]))
    if "decode_after" in result:
        values.append(("decode", result["decode_after"]["decode"]["ratio"]))
    return all(verdict(what, value).endswith("yes") for what, value in values)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-m", "--model", type=pathlib.Path, default=DEFAULT_MODEL)
    parser.add_argument("--prompt-tokens", type=int,
                        help="prefill is compared here (4096; with --memory 16384), 0: not")
    parser.add_argument("--decode-after", type=int, default=16384,
                        help="decoding is compared after a prompt of this length, 0: not")
    parser.add_argument("--policy", default="rest-kv")
    parser.add_argument("--budget", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--memory", action="store_true", help="compare memory instead of speed")
    parser.add_argument("--text", type=pathlib.Path, default=TEXT)
    parser.add_argument("--json", action="store_true", help="JSON instead of tables")
    parser.add_argument("--check", action="store_true", help="exit code 1 when a bar is missed")
    options = parser.parse_args()
    if options.prompt_tokens is None:
        options.prompt_tokens = 16384 if options.memory else 4096
    if options.repeat < 1 or options.threads < 1 or options.budget < 1:
        fail("--repeat, --threads and --budget must be at least 1")
    for path in (options.model, options.text):
        if not path.is_file():
            fail(f"{path} is missing")
    return options


def main() -> None:
    if sys.argv[1:2] == ["--libllama-child"]:
        return libllama_child(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    try:
        import llama_cpp  # noqa: F401
    except ImportError:
        if VENV_PYTHON.exists() and sys.executable != str(VENV_PYTHON):
            os.execv(VENV_PYTHON, [str(VENV_PYTHON), *sys.argv])
        fail("the llama_cpp binding is not installed, run: make build")
    options = parse_arguments()
    where = machine()
    if where["load_before"] > 0.3:
        print(f"compare_llama: warning: the load average is {where['load_before']:.1f}, something "
              "else runs on this machine", file=sys.stderr)
    result = {"machine": where, "model": options.model.name, "policy": options.policy,
              "budget": options.budget, "threads": options.threads} | measure(options)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        print(f"{result['model']}, {options.policy}, budget {options.budget}, {options.threads} "
              f"threads, {where['cores']} cores of {where['cpu']}")
        if options.memory:
            print_memory(result["memory"])
        else:
            print_speed(result)
    sys.exit(1 if options.check and not passes(result) else 0)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
