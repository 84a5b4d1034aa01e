"""restkv eval as users run it: result lines, runs that are killed, processes, shards, bad input.

Run by ctest; RESTKV_BIN is the path of the program. The model is random and tiny: what is tested is
what becomes of its answers, not the answers.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

import tiny_models

BIN = os.environ.get("RESTKV_BIN", "build/restkv")
TIME_LIMIT_S = 120
OK, FAILED, USAGE, REJECTED, IMPOSSIBLE = 0, 1, 2, 3, 4
N_SAMPLE = 30
N_KILL = 20
POLICIES = "full,snapkv,rest-kv+ada,streaming-llm"


def environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("RESTKV_")}


def words(seed: int, n: int) -> str:
    rng = random.Random(seed)
    return " ".join(rng.choice(["the", "sea", "of", "green", "and", "ten"]) for _ in range(n))


class EvalTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.shared = Path(folder.name)
        cls.model = cls.shared / "tiny.gguf"
        tiny_models.write_model(cls.model, "llama3")
        cls.data = cls.shared / "data"
        for task, n_word in (("vt", 60), ("niah_single_1", 150)):
            path = cls.data / "1024" / f"{task}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = [{"index": i, "input": words(i, n_word + i), "outputs": ["e", str(i)],
                      "length": 900, "answer_prefix": " Answer:"} for i in range(N_SAMPLE)]
            path.write_text("".join(json.dumps(line) + "\n" for line in lines))

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = Path(folder.name)

    def command(self, out: Path, *args) -> list[str]:
        return [BIN, "eval", "ruler", "-m", str(self.model), "--data", str(self.data), "--task",
                "vt,niah_single_1", "--length", "1024", "--preset", "restkv", "--kv-policy",
                POLICIES, "--kv-budget", "64,96", "--threads", "1", "--out", str(out),
                *map(str, args)]

    def run_eval(self, out: Path, *args):
        return subprocess.run(self.command(out, *args), env=environment(), capture_output=True,
                              timeout=TIME_LIMIT_S, check=False)

    def whole(self, out: Path, *args) -> bytes:
        process = self.run_eval(out, *args)
        self.assertEqual(process.returncode, OK, process.stderr.decode())
        return out.read_bytes()

    def refused(self, code: int, names, out: Path, *args):
        process = self.run_eval(out, *args)
        message = process.stderr.decode()
        self.assertEqual(process.returncode, code, message)
        self.assertEqual(message.count("\n"), 1, message)
        for name in names:
            self.assertIn(name, message)


class LinesTest(EvalTest):
    def test_lines_and_summary(self):
        out = self.dir / "out.jsonl"
        process = self.run_eval(out, "-n", 3, "--json")
        self.assertEqual(process.returncode, OK, process.stderr.decode())
        lines = [json.loads(line) for line in out.read_text().splitlines()]
        self.assertEqual(len(lines), 2 * 3 * 7)
        names = ["full", "snapkv k21 B64", "snapkv k21 B96", "rest-kv+ada k21 B64",
                 "rest-kv+ada k21 B96", "streaming-llm B64", "streaming-llm B96"]
        self.assertEqual([line["variant"] for line in lines[:7]], names)
        self.assertEqual({line["task"] for line in lines[:21]}, {"vt"})
        for line in lines:
            self.assertEqual(line["batch"], 7)
            self.assertLessEqual(line["new_tokens"], 64)
            self.assertEqual(line["config"]["data"]["folder"], "data")
            self.assertEqual(line["config"]["model"]["name"], "tiny llama3")
        summary = json.loads(process.stdout)
        self.assertEqual(summary["answered"], 6)
        self.assertEqual(len(summary["scores"]), 14)
        times = [json.loads(line) for line in
                 (self.dir / "out.jsonl.times.jsonl").read_text().splitlines()]
        self.assertEqual(len(times), 6)
        self.assertEqual(set(times[0]["eviction_ms"]), set(names))

    def test_scores_agree_with_restkv_score(self):
        out = self.dir / "out.jsonl"
        self.whole(out, "-n", 12)
        parts = {}
        for line in map(json.loads, out.read_text().splitlines()):
            parts.setdefault((line["task"], line["variant"]), []).append(line)
        self.assertEqual(len(parts), 14)
        for (task, _), mine in parts.items():
            part = self.dir / f"{task}.jsonl"
            part.write_text("".join(json.dumps(line) + "\n" for line in mine))
            process = subprocess.run([BIN, "score", "ruler", "--task", task, part, "--json"],
                                     env=environment(), capture_output=True, check=True)
            score = json.loads(process.stdout)
            for name, values in (("score", [line["score"] for line in mine]),
                                 ("score_without_postprocess",
                                  [line["scores"]["without_postprocess"] for line in mine])):
                self.assertAlmostEqual(score[name], 100 * sum(values) / len(values), delta=0.0051)


class SurvivalTest(EvalTest):
    def kill_at_random(self, *args):
        whole_file, out = self.dir / "whole.jsonl", self.dir / "killed.jsonl"
        start = time.monotonic()
        whole = self.whole(whole_file, *args)
        whole_s = time.monotonic() - start
        rng = random.Random(1)
        n_kill = n_part = 0
        while n_kill < N_KILL:
            process = subprocess.Popen(self.command(out, *args), env=environment(),
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            try:
                process.wait(rng.uniform(0.01, 0.4 * whole_s))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                n_kill += 1
                n_part += out.exists() and 0 < out.stat().st_size < len(whole)
            else:  # it was done before: once more from the beginning
                self.assertEqual(process.returncode, OK, process.stderr.read().decode())
                self.assertEqual(out.read_bytes(), whole)
                out.unlink()
            process.stderr.close()
        self.assertGreater(n_part, N_KILL // 4, "the kills came too early or too late")
        self.assertEqual(self.whole(out, *args), whole)

    def test_kill_9_loses_and_repeats_nothing(self):
        self.kill_at_random()

    def test_kill_9_with_jobs(self):
        self.kill_at_random("--jobs", 2)

    def test_a_killed_job_is_an_error_and_the_run_goes_on(self):
        out = self.dir / "out.jsonl"
        whole = self.whole(self.dir / "whole.jsonl")
        process = subprocess.Popen(self.command(out, "--jobs", 2), env=environment(),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        jobs: list[str] = []
        while len(jobs) < 2 and process.poll() is None:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
            jobs = children.read_text().split()
            time.sleep(0.01)
        self.assertEqual(len(jobs), 2)
        os.kill(int(jobs[0]), signal.SIGKILL)
        message = process.communicate()[1].decode()
        self.assertEqual(process.returncode, FAILED, message)
        self.assertIn("signal 9", message)
        self.assertEqual(self.whole(out), whole)

    def test_ctrl_c(self):
        out = self.dir / "out.jsonl"
        whole = self.whole(self.dir / "whole.jsonl")
        for args in ((), ("--jobs", 2)):
            process = subprocess.Popen(self.command(out, *args), env=environment(),
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            while not out.exists() or out.stat().st_size < len(whole) // 8:
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            process.communicate()
            self.assertEqual(process.returncode, 130)
            self.assertEqual(self.whole(out), whole)
            out.unlink()

    def test_two_runs_on_one_file(self):
        out = self.dir / "out.jsonl"
        process = subprocess.Popen(self.command(out), env=environment(), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        while not out.exists() or out.stat().st_size == 0:
            time.sleep(0.01)
        self.refused(FAILED, ["in use"], out)
        process.kill()
        process.wait()


class PartsTest(EvalTest):
    def test_jobs_write_the_same_file(self):
        whole = self.whole(self.dir / "one.jsonl", "-n", 9)
        self.assertEqual(self.whole(self.dir / "three.jsonl", "-n", 9, "--jobs", 3), whole)

    def test_shards_merge_to_the_whole(self):
        whole = self.whole(self.dir / "whole.jsonl", "-n", 7)
        parts = [self.dir / f"part{i}.jsonl" for i in range(3)]
        for i, part in enumerate(parts):
            self.whole(part, "-n", 7, "--shard", f"{i}/3")
        merged = self.dir / "merged.jsonl"
        command = [BIN, "eval", "merge", merged, *parts]
        subprocess.run(command, env=environment(), capture_output=True, check=True)
        self.assertEqual(merged.read_bytes(), whole)
        again = subprocess.run(command, env=environment(), capture_output=True, check=False)
        self.assertEqual(again.returncode, USAGE)


class BadInputTest(EvalTest):
    def test_refusals(self):
        out = self.dir / "out.jsonl"
        for code, names, args in [
            (USAGE, ["--task", "no_task"], ["--task", "no_task"]),
            (IMPOSSIBLE, ["variant snapkv B16"], ["--kv-budget", 16]),
            (USAGE, ["--kv-policy", "snapkv+x"], ["--kv-policy", "snapkv+x"]),
            (USAGE, ["--shard", "3/3"], ["--shard", "3/3"]),
            (USAGE, ["--jobs"], ["--jobs", 0]),
            (USAGE, ["--samples is 0"], ["-n", 0]),
            (USAGE, ["--samples", "1000000"], ["-n", 10**20]),
            (USAGE, ["--seed", "-1"], ["--seed", -1]),
            (USAGE, ["--length", "1024 twice"], ["--length", "1024,2048,1024"]),
            (USAGE, ["--out is \"\""], ["--out", ""]),
            (FAILED, ["/dev/full", "regular file"], ["--out", "/dev/full"]),
            (USAGE, ["--max-length"], ["--max-length", 1]),
            (USAGE, ["--prompt-style"], ["--prompt-style", "loud"]),
            (REJECTED, ["no chat template"], ["--prompt-style", "chat"]),
            (REJECTED, ["none.json"], ["--prompts", self.dir / "none.json"]),
            (FAILED, ["cannot write"], ["--out", self.dir / "no" / "folder.jsonl"]),
        ]:
            with self.subTest(args=args):
                self.refused(code, names, out, *args)
                self.assertFalse(out.exists())

    def test_another_configuration(self):
        out = self.dir / "out.jsonl"
        self.whole(out, "-n", 1)
        self.refused(USAGE, ["seed", "43"], out, "-n", 1, "--seed", 43)

    def test_bad_lines(self):
        folder = self.dir / "data" / "1024"
        folder.mkdir(parents=True)
        good = (self.data / "1024" / "vt.jsonl").read_text().splitlines()
        (folder / "vt.jsonl").write_text("\n".join([good[0], "{", good[1]]) + "\n")
        args = ["--data", folder.parent, "--task", "vt"]
        self.refused(REJECTED, ["vt.jsonl:2"], self.dir / "out.jsonl", *args)
        process = self.run_eval(self.dir / "out.jsonl", *args, "--skip-bad", "--json")
        self.assertEqual(process.returncode, OK, process.stderr.decode())
        summary = json.loads(process.stdout)
        self.assertEqual((summary["samples"], summary["skipped"]), (2, 1))


if __name__ == "__main__":
    unittest.main()
