#!/usr/bin/env python3
"""Draws what every policy keeps of one and the same prompt.

    scripts/policy_picture.py [-m MODEL.gguf] [-t THREADS] [--kv-budget 256]
                              [--only rest-kv,snapkv] [--dumps FOLDER] [--out FILE.svg]

The prompt is the start of the GNU GPL 3, about 2,000 tokens, with a fact planted in it and a
question about the fact at its end. restkv reads it once for every policy (RESTKV_BIN names another
program than build/restkv) and writes down which positions every KV head keeps (--kv-dump). A strip
for each policy shows them: from left to right the positions, from top to bottom the layers, the
brighter the more KV heads keep the position. With --dumps, what restkv wrote stays in a folder, and
a second run with the same arguments only does what is missing there.
"""

import argparse
import base64
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from html import escape

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = os.environ.get("RESTKV_BIN", str(ROOT / "build" / "restkv"))
DEFAULT_MODEL = ROOT / ".deps" / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
DEFAULT_OUT = ROOT / "docs" / "images" / "policies-kept.svg"
TEXT = pathlib.Path("/usr/share/common-licenses/GPL-3")

N_CHARS = 9_300  # about 2,000 of SmolLM2's tokens
FACT = "One of the special magic numbers for harbour is: 4839217."
QUESTION = ("What is the special magic number for harbour mentioned in the provided text? "
            "The special magic number for harbour mentioned in the provided text is")
WINDOW = 32  # the default of --kv-window

# Strips from top to bottom: a name for the file, the options, and what to look for. The presets
# h2o-decode and streaming-decode keep of a prompt what h2o and streaming-llm keep; headkv needs a
# table that belongs to the model.
STRIPS = [
    ("rest-kv", "--kv-policy rest-kv", "the default: kernel 21"),
    ("rest-kv-5", "--kv-policy rest-kv --kv-kernel 5", "the paper's kernel on LongBench"),
    ("rest-kv-ada", "--kv-policy rest-kv --kv-head-budget ada", "heads share a layer's budget"),
    ("rest-kv-pyramid", "--kv-policy rest-kv --kv-layer-budget pyramid",
     "early layers keep more"),
    ("rest-kv-both", "--kv-policy rest-kv --kv-layer-budget pyramid --kv-head-budget ada", "both"),
    ("rest-kv-chunk", "--kv-policy rest-kv --kv-schedule chunk:512",
     "judged every 512 tokens, the fact before the question is known"),
    ("snapkv", "--kv-policy snapkv", "attention of the last 32 queries"),
    ("adakv", "--kv-policy adakv", "snapkv with the split ada"),
    ("pyramidkv", "--kv-policy pyramidkv", "snapkv with the split pyramid"),
    ("cam", "--kv-policy cam", "attention without pooling; evicted values are merged"),
    ("h2o", "--kv-policy h2o", "attention of all queries"),
    ("h2o-noncausal", "--kv-policy h2o-noncausal", "the same, queries look ahead as well"),
    ("tova", "--kv-policy tova", "the last query alone, one selection a layer"),
    ("expected-attention", "--kv-policy expected-attention", "queries like all those so far"),
    ("l2norm", "--kv-policy l2norm", "the shortest keys; the first two layers are left alone"),
    ("knorm", "--kv-policy knorm", "the shortest keys"),
    ("lacache", "--kv-policy lacache", "positions only: a ladder over the layers"),
    ("streaming-llm", "--kv-policy streaming-llm", "positions only: the first 4 and the last"),
    ("random", "--kv-policy random", "by a seed"),
]


def fail(message: str) -> None:
    sys.exit(f"policy_picture: {message}")


# ---- prompt

def build_prompt(text: str) -> list[str]:
    """The text before the fact, the fact, the text behind it, the question."""
    paragraphs = text[: text.rindex("\n\n", 0, N_CHARS)].split("\n\n")
    n_before = length = 0
    while length < N_CHARS * 2 // 5:
        length += len(paragraphs[n_before]) + 2
        n_before += 1
    before, behind = paragraphs[:n_before], paragraphs[n_before:]
    return ["\n\n".join(before) + "\n\n", FACT, "\n\n" + "\n\n".join(behind) + "\n\n", QUESTION]


# ---- runs

def restkv(options: argparse.Namespace, text: str, arguments: list[str]) -> dict:
    """Reads `text` without answering and returns restkv's JSON."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as file:
        file.write(text)
        file.flush()
        command = [PROGRAM, "generate", "-m", str(options.model), "--raw", "-f", file.name,
                   "-n", "0", "--json", "-t", str(options.threads), *arguments]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        fail(f"restkv {' '.join(arguments)} ended with exit code {done.returncode}")
    return json.loads(done.stdout)


def count_tokens(options: argparse.Namespace, text: str) -> int:
    return restkv(options, text, ["--kv-policy", "streaming-llm"])["prompt_tokens"]


def load_or_run(path: pathlib.Path, produce) -> dict:
    """What `path` holds, made by `produce` and written there first where it is missing."""
    if not path.is_file():
        result = produce()
        path.write_text(json.dumps(result), encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))


def measure_parts(options: argparse.Namespace, parts: list[str]) -> dict:
    """Where the fact and the question stand, in tokens."""
    ends = [count_tokens(options, "".join(parts[: i + 1])) for i in range(len(parts))]
    return {"fact": [ends[0], ends[1]], "question": [ends[2], ends[3]]}


def dump_strip(options: argparse.Namespace, prompt: str, arguments: list[str],
               folder: pathlib.Path) -> dict:
    file = folder / "kept.tmp"
    result = restkv(options, prompt, ["--kv-budget", str(options.kv_budget), *arguments,
                                      "--kv-dump", str(file)])
    dump = json.loads(file.read_text(encoding="utf-8"))
    file.unlink()
    return dump | {"kv": result["kv"]}


# ---- picture

GROUND = (24, 29, 38)
BRIGHT = (255, 214, 102)
STRIP_WIDTH = 1000
ROW_HEIGHT = 2  # of a layer
LEFT, RIGHT, TOP = 48, 16, 98
TITLE_HEIGHT, GAP = 19, 14
INK, FAINT, FACT_INK, ASK_INK = "#1c2128", "#656d76", "#cf222e", "#0969da"


def png(rows: list[list[float]]) -> bytes:
    """Rows of shares from 0 to 1 as a PNG with a palette of 64 colours."""
    n_colour = 64
    palette = bytearray()
    for i in range(n_colour):
        share = i / (n_colour - 1)
        palette += bytes(round(g + (b - g) * share) for g, b in zip(GROUND, BRIGHT))
    data = b"".join(b"\0" + bytes(round(x * (n_colour - 1)) for x in row) for row in rows)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (struct.pack(">I", len(body)) + kind + body
                + struct.pack(">I", zlib.crc32(kind + body)))

    head = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 3, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"PLTE", bytes(palette))
            + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b""))


def bin_size(n_token: int) -> int:
    return max(1, round(n_token / STRIP_WIDTH))


def shares(dump: dict) -> list[list[float]]:
    """[layer][bin] share of the KV heads that keep the positions of a bin."""
    n_token = dump["n_token"]
    per_bin = bin_size(n_token)
    n_bin = -(-n_token // per_bin)
    rows = []
    for heads in dump["layers"]:
        row = [0.0] * n_bin
        for positions in heads:
            for position in positions:
                row[position // per_bin] += 1
        sizes = [min(per_bin, n_token - i * per_bin) for i in range(n_bin)]
        rows.append([count / (size * len(heads)) for count, size in zip(row, sizes)])
    return rows


def kept_share(dump: dict, span: list[int]) -> float:
    """How much of a span all layers and heads keep."""
    heads = [positions for layer in dump["layers"] for positions in layer]
    kept = sum(span[0] <= p < span[1] for positions in heads for p in positions)
    return kept / (len(heads) * (span[1] - span[0]))


class Picture:
    def __init__(self, n_token: int, n_layer: int, parts: dict):
        self.n_token, self.n_layer, self.parts = n_token, n_layer, parts
        self.height = TOP
        self.body: list[str] = []

    def x(self, position: float) -> float:
        return LEFT + STRIP_WIDTH * position / self.n_token

    def text(self, x: float, y: float, text: str, *, size: float = 12, ink: str = INK,
             anchor: str = "start", bold: bool = False) -> None:
        weight = ' font-weight="600"' if bold else ""
        self.body.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{ink}" '
                         f'text-anchor="{anchor}"{weight}>{escape(text)}</text>')

    def rect(self, x: float, y: float, width: float, height: float, ink: str) -> None:
        self.body.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
                         f'height="{height:.1f}" fill="{ink}"/>')

    def marks(self, y: float) -> None:
        """Bars over the fact and the question."""
        for span, ink in ((self.parts["fact"], FACT_INK), (self.parts["question"], ASK_INK)):
            self.rect(self.x(span[0]), y - 4, self.x(span[1]) - self.x(span[0]), 3, ink)

    def heading(self, title: str, lines: list[str]) -> None:
        self.text(LEFT, 26, title, size=17, bold=True)
        for i, line in enumerate(lines):
            self.text(LEFT, 47 + 17 * i, line, size=12.5, ink=FAINT)
        for name, ink, anchor in (("fact", FACT_INK, "middle"), ("question", ASK_INK, "end")):
            span = self.parts[name]
            x = self.x(span[1]) if anchor == "end" else self.x(sum(span) / 2)
            self.text(x, TOP - 6, f"the {name}", size=12, ink=ink, anchor=anchor, bold=True)

    def strip(self, arguments: str, remark: str, dump: dict) -> None:
        y = self.height + TITLE_HEIGHT
        height = self.n_layer * ROW_HEIGHT
        name, _, options = arguments.removeprefix("--kv-policy ").partition(" ")
        about = " · ".join(part for part in (options, remark) if part)
        self.body.append(
            f'<text x="{LEFT}" y="{y - 7:.1f}" font-size="13" fill="{INK}" font-weight="600">'
            f'{escape(name)}<tspan dx="9" font-size="11.5" font-weight="400" fill="{FAINT}">'
            f"{escape(about)}</tspan></text>")
        kept = f"keeps {100 * kept_share(dump, self.parts['fact']):.0f} % of the fact"
        self.text(LEFT + STRIP_WIDTH, y - 7, kept, size=11.5, ink=FACT_INK, anchor="end")
        self.marks(y)
        image = base64.b64encode(png(shares(dump))).decode()
        self.body.append(
            f'<image x="{LEFT}" y="{y:.1f}" width="{STRIP_WIDTH}" height="{height:.1f}" '
            'preserveAspectRatio="none" style="image-rendering:pixelated" '
            f'href="data:image/png;base64,{image}"/>')
        self.text(LEFT - 5, y + 9, "0", size=10, ink=FAINT, anchor="end")
        self.text(LEFT - 5, y + height, str(self.n_layer - 1), size=10, ink=FAINT, anchor="end")
        self.text(LEFT - 5, y + height / 2 + 4, "layer", size=10, ink=FAINT, anchor="end")
        self.height = y + height + GAP

    def axis(self) -> None:
        y = self.height - GAP + 2
        for position in range(0, self.n_token, 250):
            self.rect(self.x(position) - 0.5, y, 1, 5, FAINT)
            self.text(self.x(position), y + 18, f"{position:,}", size=11, ink=FAINT,
                      anchor="middle")
        self.text(LEFT + STRIP_WIDTH / 2, y + 34, "position in the prompt", size=12, ink=FAINT,
                  anchor="middle")
        self.height = y + 44

    def svg(self, description: str) -> str:
        width, height = LEFT + STRIP_WIDTH + RIGHT, round(self.height)
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" '
            'font-family="system-ui,-apple-system,Segoe UI,Helvetica,Arial,sans-serif">',
            f"<title>{escape(description)}</title>",
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>', *self.body, "</svg>", ""])


def draw(options: argparse.Namespace, parts: dict, dumps: list[tuple]) -> str:
    first = dumps[0][2]
    picture = Picture(first["n_token"], len(first["layers"]), parts)
    n_head = len(first["layers"][0])
    column = bin_size(first["n_token"])
    picture.heading(
        f"What each policy keeps of one prompt, {options.kv_budget} entries per KV head",
        [f"{options.model.name}, {first['n_token']:,} tokens of the GNU GPL with a planted fact "
         f"and a question about it, which lies inside the window, the last {WINDOW}.",
         f"Rows are layers, a column is {column} positions: the brighter, the more of a layer's "
         f"{n_head} KV heads keep them. Red: the share of the fact kept, all layers and heads."])
    for arguments, remark, dump in dumps:
        picture.strip(arguments, remark, dump)
    picture.axis()
    return picture.svg("Positions of one prompt that each KV-cache eviction policy keeps")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-m", "--model", type=pathlib.Path, default=DEFAULT_MODEL)
    parser.add_argument("-t", "--threads", type=int, default=0, help="0: one for each core")
    parser.add_argument("--kv-budget", type=int, default=256, help="entries per KV head (256)")
    parser.add_argument("--only", help="strips, of " + ", ".join(name for name, *_ in STRIPS))
    parser.add_argument("--dumps", type=pathlib.Path, help="folder to keep restkv's output in")
    parser.add_argument("--out", type=pathlib.Path, default=DEFAULT_OUT)
    options = parser.parse_args()
    wanted = options.only.split(",") if options.only else [name for name, *_ in STRIPS]
    for name in wanted:
        if name not in [strip[0] for strip in STRIPS]:
            fail(f"strip {name!r} is none of {', '.join(strip[0] for strip in STRIPS)}")
    for path in (options.model, TEXT):
        if not path.is_file():
            fail(f"{path} is missing")
    if shutil.which(PROGRAM) is None:
        fail(f"{PROGRAM} is missing, run: make build")

    parts = build_prompt(TEXT.read_text(encoding="utf-8"))
    prompt = "".join(parts)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.dumps or pathlib.Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        spans = load_or_run(folder / "spans.json", lambda: measure_parts(options, parts))
        dumps = []
        for name, arguments, remark in STRIPS:
            if name not in wanted:
                continue
            print(f"restkv {arguments}", file=sys.stderr, flush=True)
            file = folder / f"{name}-{options.kv_budget}.json"
            dump = load_or_run(
                file, lambda: dump_strip(options, prompt, arguments.split(), folder))
            dumps.append((arguments, remark, dump))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(draw(options, spans, dumps), encoding="utf-8")
    print(f"{options.out}: {options.out.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
