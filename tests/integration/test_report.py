"""restkv report as users run it: the page in a browser, Markdown, JSON, bad input.

Run by ctest; RESTKV_BIN is the path of the program. The browser's test runs where Chromium is
installed: it loads the page with no network and looks at what was drawn.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

BIN = os.environ.get("RESTKV_BIN", "build/restkv")
TIME_LIMIT_S = 60
OK, FAILED, USAGE, REJECTED = 0, 1, 2, 3
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CHART_JS = Path("/usr/share/javascript/chart.js/chart.min.js")


def run(*args, stdin: bytes = b""):
    env = {k: v for k, v in os.environ.items() if not k.startswith("RESTKV_")}
    return subprocess.run([BIN, "report", *map(str, args)], input=stdin, env=env,
                          capture_output=True, timeout=TIME_LIMIT_S, check=False)


def line(policy="full", budget=None, kernel=None, **fields):
    name = policy + (f" k{kernel}" if kernel else "") + (f" B{budget}" if budget else "")
    return {"benchmark": "ruler", "task": "vt", "length": 4096, "sample": "0", "variant": name,
            "kv": {"policy": policy, "budget": budget, "layer_budget": "uniform",
                   "head_budget": "uniform", "granularity": "kv-head", "kernel": kernel,
                   "type": "f16", "entries": 48, "over_budget": 0,
                   "bytes": (budget or 4096) * 24576, "full_bytes": 4096 * 24576},
            "prompt_tokens": 4000, "truncated_tokens": 0, "new_tokens": 3,
            "finish_reason": "stop", "prediction": "</script><b>", "score": 1.0, "scores": {},
            "config": {"restkv": "0.1.0", "prompt_style": "raw", "seed": 42,
                       "model": {"name": "tiny", "family": "llama", "bytes": 98}}, **fields}


def study(n_sample=6):
    """Two benchmarks, two lengths, four policies, scores from a fixed seed."""
    numbers = random.Random(5)
    variants = [("full", None, None)] + [
        (policy, budget, kernel) for policy, kernel in
        (("rest-kv", 21), ("snapkv", 21), ("h2o", None)) for budget in (64, 256)]
    for policy, budget, kernel in variants:
        for length in (2048, 4096):
            for task in ("niah_multikey_1", "fwe"):
                for i in range(n_sample):
                    yield line(policy, budget, kernel, task=task, length=length, sample=str(i),
                               score=round(numbers.random(), 3))
            for depth in (0, 50, 100):
                yield line(policy, budget, kernel, benchmark="niah", task="niah", length=length,
                           depth=depth, sample=str(depth), score=round(numbers.random(), 3))


class Fixture(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = Path(folder.name)

    def write(self, lines, name="results.jsonl") -> Path:
        path = self.dir / name
        path.write_bytes(b"".join((x if isinstance(x, bytes) else json.dumps(x).encode()) + b"\n"
                                  for x in lines))
        return path

    def good(self, *args, **kwargs) -> str:
        process = run(*args, **kwargs)
        self.assertEqual(process.returncode, OK, process.stderr.decode())
        return process.stdout.decode()

    def expect(self, code: int, words, *args):
        process = run(*args)
        message = process.stderr.decode()
        self.assertEqual(process.returncode, code, message)
        self.assertEqual(message.count("\n"), 1, message)
        for word in words:
            self.assertIn(word, message)


class ReportTest(Fixture):
    def test_one_run_writes_everything(self):
        results = self.write(study())
        page, text = self.dir / "page.html", self.dir / "page.md"
        document = json.loads(self.good(results, "--html", page, "--markdown", text, "--json",
                                        "--title", "A study"))
        self.assertEqual([s["benchmark"] for s in document["sections"]], ["ruler", "niah"])
        self.assertIn("<h1>A study</h1>", page.read_text())
        self.assertIn("### Needle: length by depth", text.read_text())
        self.assertEqual(sorted(p.name for p in self.dir.iterdir()),
                         ["page.html", "page.md", "results.jsonl"])
        scores = [s for s in document["sections"][0]["scores"] if s.get("average")]
        self.assertEqual({s["average"] for s in scores},
                         {"mean over tasks and lengths", "mean over tasks"})
        self.assertEqual({d["minus"] for d in document["sections"][0]["differences"]},
                         {"full", "snapkv k21"})

    def test_order_of_lines_and_files_does_not_matter(self):
        lines = list(study())
        first = self.good(self.write(lines))
        random.Random(1).shuffle(lines)
        parts = self.write(lines[:50], "a.jsonl"), self.write(lines[50:], "b.jsonl")
        self.assertEqual(self.good(*parts), first)
        self.assertEqual(self.good("-", stdin=b"".join(p.read_bytes() for p in parts)), first)
        self.assertEqual(self.good(*parts, "--seed", 1), first)
        self.assertNotEqual(self.good(*parts, "--seed", 2), first)

    def test_against(self):
        results = self.write(study())
        text = self.good("--against", "rest-kv", "--against", "h2o", results)
        self.assertIn("| snapkv k21 | rest-kv k21 |", text)
        self.assertIn("| snapkv k21 | h2o |", text)
        self.assertNotIn("| rest-kv k21 | snapkv k21 |", text)

    def test_bad_lines(self):
        for bad, words in ((b"{", ["not JSON"]), ([], ["array"]), (line(score=2), ["score", "2"]),
                           (line(score=0.5), ["another line"]), ({"x": 1}, ["benchmark"])):
            path = self.write([line(), bad])
            self.expect(REJECTED, ["results.jsonl:2: ", *words], path)
            self.assertIn("1 malformed line skipped", self.good(path, "--skip-bad"))

    def test_bad_usage(self):
        results = self.write([line()])
        self.expect(USAGE, ["files"])
        self.expect(USAGE, ["--resamples", "0"], results, "--resamples", 0)
        self.expect(USAGE, ["--against", "snap", "full"], results, "--against", "snap")
        self.expect(REJECTED, ["cannot open", "none.jsonl"], self.dir / "none.jsonl")
        self.expect(REJECTED, ["no result lines"], self.write([], "empty.jsonl"))
        self.expect(REJECTED, ["directory"], self.dir)
        self.expect(FAILED, ["cannot write"], results, "--html", self.dir / "no" / "page.html")
        self.expect(USAGE, ["--maps", "-1"], results, "--maps", -1)
        page = self.dir / "page"
        self.expect(USAGE, ["both"], results, "--html", page, "--markdown", page)
        self.expect(USAGE, ["both"], results, "--html", page, "--markdown", self.dir / "." / "page")

    def test_results_are_not_written_over(self):
        results = self.write([line()])
        other = self.write([line()], "other.jsonl")
        before = results.read_bytes()
        self.expect(USAGE, ["--html", "results.jsonl", "JSON"], "--html", results, other)
        self.expect(USAGE, ["--markdown"], results, "--markdown", results)
        self.assertEqual(results.read_bytes(), before)

    def test_links_and_devices_stay_what_they_are(self):
        results = self.write([line()])
        link = self.dir / "link.html"
        link.symlink_to(self.dir / "target.html")
        (self.dir / "target.html").write_text("old")
        self.good(results, "--html", link)
        self.assertTrue(link.is_symlink())
        self.assertIn("<html", (self.dir / "target.html").read_text())
        self.assertIn("### Scores", self.good(results, "--markdown", "/dev/stdout"))
        ahead = self.dir / "ahead.html"
        ahead.symlink_to("later.html")
        self.good(results, "--html", ahead)
        self.assertTrue(ahead.is_symlink() and (self.dir / "later.html").is_file())

    def test_what_stdout_holds_stays(self):
        notes = self.dir / "notes.md"
        notes.write_text("before\n")
        with notes.open("ab") as stdout:
            subprocess.run([BIN, "report", self.write([line()]), "--markdown", "/dev/stdout"],
                           stdout=stdout, timeout=TIME_LIMIT_S, check=True)
        text = notes.read_text()
        self.assertTrue(text.startswith("before\n") and "### Scores" in text)

    def test_deep_nesting_is_a_bad_line(self):
        deep = json.dumps(line())[:-1].encode() + b', "x": ' + b"[" * 100000 + b"]" * 100000 + b"}"
        self.expect(REJECTED, ["results.jsonl:1: ", "nested"], self.write([deep]))


# What a copy of the page says about itself once it has been drawn.
PROBE = """<script>
const errors = [];
addEventListener('error', (event) => errors.push(event.message));
addEventListener('securitypolicyviolation', (event) => errors.push(event.violatedDirective));
setTimeout(() => {
  const drawn = [...document.querySelectorAll('canvas')].map((canvas) => {
    const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return data.filter((value, i) => i % 4 === 3 && value > 0).length;
  });
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  document.body.textContent = 'PROBE' + JSON.stringify({drawn, errors, wide}) + 'PROBE';
}, 500);
</script>"""


@unittest.skipUnless(CHROMIUM, "Chromium is not installed")
class BrowserTest(Fixture):
    def look(self, page: Path, width: int):
        copy = self.dir / "probe.html"
        copy.write_text(page.read_text().replace("<head>", "<head>" + PROBE, 1))
        process = subprocess.run(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
             f"--user-data-dir={self.dir / 'profile'}", "--virtual-time-budget=5000",
             f"--window-size={width},900", "--dump-dom", copy.as_uri()],
            capture_output=True, timeout=TIME_LIMIT_S, check=False)
        console = [x for x in process.stderr.decode().splitlines() if ":CONSOLE" in x]
        self.assertEqual(console, [])
        found = re.search(r"PROBE(\{.*\})PROBE", process.stdout.decode())
        self.assertIsNotNone(found, process.stderr.decode()[-2000:])
        return json.loads(found.group(1))

    @unittest.skipUnless(CHART_JS.exists(), f"{CHART_JS} is not there: pages have no charts")
    def test_charts_are_drawn_without_errors(self):
        page = self.dir / "page.html"
        self.good(self.write(study()), "--html", page)
        for width in (1280, 500):
            seen = self.look(page, width)
            self.assertEqual(seen["errors"], [])
            self.assertEqual(seen["wide"], 0, "the page scrolls sideways")
            # By budget, by length and by bytes, of two benchmarks.
            self.assertEqual(len(seen["drawn"]), 6)
            self.assertGreater(min(seen["drawn"]), 1000)


if __name__ == "__main__":
    unittest.main()
