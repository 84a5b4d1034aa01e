"""restkv score as users run it: recorded cases, result lines of a task, folders, bad input.

Run by ctest; RESTKV_BIN is the path of the program. tests/data/metrics holds cases whose scores the
benchmarks' published code computed; docs/metrics.md describes them. Where the folder that they are
taken from stands beside the checkout, all of its cases run.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

BIN = os.environ.get("RESTKV_BIN", "build/restkv")
ROOT = Path(__file__).resolve().parents[2]
CASES = ROOT / "tests" / "data" / "metrics"
ALL_CASES = ROOT.parent / "shared" / "golden-metrics"
TIME_LIMIT_S = 60
OK, FAILED, USAGE, REJECTED = 0, 1, 2, 3
TOLERANCE = 1e-9


def run(*args, stdin: bytes = b""):
    env = {k: v for k, v in os.environ.items() if not k.startswith("RESTKV_")}
    return subprocess.run([BIN, "score", *map(str, args)], input=stdin, env=env,
                          capture_output=True, timeout=TIME_LIMIT_S, check=False)


def is_expected(name: str) -> bool:
    return name.startswith(("score", "error"))


def same(got, expected) -> bool:
    if isinstance(got, dict) and isinstance(expected, dict):
        return got.keys() == expected.keys() and all(same(got[k], expected[k]) for k in got)
    if isinstance(got, float) and isinstance(expected, (int, float)):
        return abs(got - expected) <= TOLERANCE
    return got == expected


class ScoreTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = Path(folder.name)

    def write(self, *lines, name="lines.jsonl") -> Path:
        path = self.dir / name
        path.write_bytes(b"".join((line if isinstance(line, bytes) else json.dumps(line).encode())
                                  + b"\n" for line in lines))
        return path

    def json(self, *args, **kwargs):
        process = run(*args, "--json", **kwargs)
        self.assertEqual(process.returncode, OK, process.stderr.decode())
        return json.loads(process.stdout)

    def expect(self, code: int, words, *args, **kwargs):
        process = run(*args, **kwargs)
        message = process.stderr.decode()
        self.assertEqual(process.returncode, code, message)
        self.assertEqual(message.count("\n"), 1, message)
        for word in words:
            self.assertIn(word, message)


class CasesTest(ScoreTest):
    def check(self, path: Path) -> int:
        cases = [json.loads(line) for line in path.read_text().splitlines()]
        results = self.json("--cases", path)["results"]
        self.assertEqual([r["id"] for r in results], [c["id"] for c in cases])
        for case, result in zip(cases, results):
            for name in filter(is_expected, {**case, **result}):
                self.assertTrue(name in case and name in result and same(result[name], case[name]),
                                f"{path.name}: {result}, expected of {case}")
        return len(cases)

    def test_recorded_cases(self):
        files = sorted(CASES.glob("*.jsonl"))
        self.assertGreaterEqual(sum(map(self.check, files)), 800)

    @unittest.skipUnless(ALL_CASES.is_dir(), f"{ALL_CASES} is not there")
    def test_all_cases(self):
        files = sorted(ALL_CASES.glob("*.jsonl"))
        self.assertGreaterEqual(sum(map(self.check, files)), 800)

    def test_cases_without_expected_scores(self):
        path = self.write({"id": 7, "metric": "qa_f1", "prediction": "a cat", "references": ["cat"]},
                          b"",
                          {"metric": "infinitebench_math_find", "prediction": "8.5", "label": 8})
        self.assertEqual(self.json("--cases", path)["results"], [
            {"id": 7, "score": 1.0},
            {"id": None, "score_official": None, "error_official": "ValueError",
             "score_restkv": 1.0}])
        self.assertEqual(run("--cases", path).returncode, OK)

    def test_a_deviation_is_shown_and_fails(self):
        path = self.write({"id": "x", "metric": "count", "prediction": "7", "references": ["7"],
                           "score": 0.5})
        process = run("--cases", path)
        self.assertEqual(process.returncode, FAILED)
        self.assertIn(b"should be 0.5", process.stdout)
        self.assertIn(b"1 cases, 1 deviate", process.stdout)

    def test_bad_cases(self):
        good = {"id": 1, "metric": "count", "prediction": "7", "references": ["7"]}
        for bad, words in (({**good, "metric": "bleu"}, ["bleu", "qa_f1"]),
                           ({"id": 1}, ["metric is missing"]),
                           ({**good, "prediction": 7}, ["prediction", "number"]),
                           ({**good, "references": [[]]}, ["references", "array"]),
                           ({"metric": "longbench_sample", "dataset": "x"}, ["\"x\"", "qasper"]),
                           ({"metric": "ruler_string_match_all", "predictions": ["x"],
                             "references": []}, ["references", "0", "1"]),
                           ([], ["array"]), (b"{", ["not JSON"])):
            path = self.write(good, bad)
            self.expect(REJECTED, ["lines.jsonl:2: ", *words], "--cases", path)
            document = self.json("--cases", path, "--skip-bad")
            self.assertEqual((len(document["results"]), document["skipped"]), (1, 1))
        self.expect(REJECTED, ["no cases"], "--cases", self.write())
        self.expect(REJECTED, ["cannot open"], "--cases", self.dir / "none.jsonl")
        self.expect(REJECTED, ["directory"], "--cases", self.dir)
        self.expect(USAGE, ["--cases"])


class TaskTest(ScoreTest):
    def test_longbench(self):
        lines = [{"pred": "Paris\nLondon", "answers": ["Paris"], "all_classes": None,
                  "length": 3999},
                 {"pred": "Rome", "answers": ["Paris", "rome"], "length": 9000},
                 {"pred": "Rome", "answers": ["Paris"], "length": 9000}]
        document = self.json("longbench", "--task", "triviaqa", self.write(*lines))
        self.assertEqual(document, {
            "benchmark": "longbench", "task": "triviaqa", "samples": 3, "skipped": 0,
            "category": "few-shot", "metric": "qa_f1", "score": 66.67,
            "score_e": {"0-4k": 100.0, "4-8k": None, "8k+": 50.0}})

    def test_code_sets_have_two_forms(self):
        path = self.write({"pred": "abcdXYZ", "answers": ["XYZaXbYcZd"]})
        self.assertEqual(self.json("longbench", "--task", "lcc", path)["score"], 35)
        document = self.json("longbench", "--task", "lcc", "--levenshtein", path)
        self.assertEqual((document["metric"], document["score"]), ("code_sim_levenshtein", 47))
        self.assertNotIn("score_e", document)
        self.expect(USAGE, ["--levenshtein", "qasper"], "longbench", "--task", "qasper",
                    "--levenshtein", path)

    def test_classes_are_needed(self):
        line = {"pred": "Date", "answers": ["Date"], "all_classes": ["Date", "Food"]}
        self.assertEqual(self.json("longbench", "--task", "trec", self.write(line))["score"], 100)
        self.expect(REJECTED, [":1: ", "all_classes"], "longbench", "--task", "trec",
                    self.write({**line, "all_classes": None}))

    def test_ruler(self):
        path = self.write({"pred": "a\r\nb", "outputs": ["a\n\nb", "z"], "index": 0})
        document = self.json("ruler", "--task", "vt", path)
        self.assertEqual((document["score"], document["score_without_postprocess"]), (50, 0))
        self.assertEqual(self.json("ruler", "--task", "qa_1", path)["score"], 100)

    def test_needle(self):
        line = {"model_response": "eat a sandwich", "needle": "eat a sandwich",
                "expected_answer": "a sandwich"}
        document = self.json("niah", self.write(line, {**line, "model_response": ""}))
        self.assertEqual((document["score"], document["score_heatmap"]), (5, 0.5))

    def test_infinitebench(self):
        path = self.write({"prediction": "3.5", "ground_truth": 3}, {"prediction": "4", "label": 3})
        document = self.json("infinitebench", "--task", "math_find", path)
        self.assertEqual((document["score_official"], document["error_official"],
                          document["score_restkv"]), (None, "ValueError", 50))
        path = self.write({"prediction": "B. two", "answer": ["two"], "options": ["one", "two"]})
        self.assertEqual(self.json("infinitebench", "--task", "code_debug", path)["score_restkv"],
                         100)

    def test_standard_input_and_bytes_that_are_not_utf8(self):
        line = b'{"prediction": "caf\xe9", "label": ["caf\xef\xbf\xbd"]}\n'
        document = self.json("infinitebench", "--task", "longbook_qa_eng", "-", stdin=line)
        self.assertEqual(document["score_restkv"], 100)

    def test_bad_lines(self):
        good = {"pred": "7", "outputs": ["7"]}
        for bad, word in (({"pred": "7"}, "outputs"), ({"outputs": ["7"]}, "prediction"),
                          ({"pred": None, "outputs": ["7"]}, "null"),
                          ({"pred": "7", "outputs": []}, "empty"), (b"pred", "not JSON")):
            path = self.write(good, bad, good)
            self.expect(REJECTED, ["lines.jsonl:2: ", word], "ruler", "--task", "cwe", path)
            document = self.json("ruler", "--task", "cwe", "--skip-bad", path)
            self.assertEqual((document["samples"], document["skipped"], document["score"]),
                             (2, 1, 100))

    def test_one_task_and_variant_at_a_time(self):
        def made(variant, task="vt"):
            return {"benchmark": "ruler", "task": task, "variant": variant, "pred": "7",
                    "outputs": ["7"]}
        good = made("full")
        self.assertEqual(self.json("ruler", "--task", "vt", self.write(good, good))["samples"], 2)
        for bad, word in ((made("h2o B64"), "h2o B64"), (made("full", "cwe"), "cwe"),
                          ({**good, "length": 2048}, "2048")):
            path = self.write(good, bad)
            self.expect(REJECTED, ["lines.jsonl:2: ", word], "ruler", "--task", "vt", path)
            self.expect(REJECTED, [word], "ruler", "--task", "vt", "--skip-bad", path)

    def test_cases_go_without_a_benchmark(self):
        path = self.write({"pred": "7", "outputs": ["7"]})
        for flags in (["--cases", path], ["--json"], ["--skip-bad"]):
            self.expect(USAGE, ["--cases"], *flags, "ruler", "--task", "vt", path)

    def test_nothing_to_score(self):
        path = self.write()
        for benchmark, task in (("longbench", "qasper"), ("ruler", "vt"),
                                ("infinitebench", "passkey")):
            self.expect(REJECTED, ["no predictions"], benchmark, "--task", task, path)
            self.expect(USAGE, ["\"x\"", task], benchmark, "--task", "x", path)
            self.expect(USAGE, ["--task"], benchmark, path)
            self.expect(REJECTED, ["cannot open"], benchmark, "--task", task, self.dir / "none")
            self.expect(REJECTED, ["<task>.jsonl"], benchmark, self.dir / ".")
            self.expect(USAGE, ["folder"], benchmark, "--task", task, self.dir)
        self.expect(REJECTED, ["no predictions", "1 lines"], "niah", self.write(b"{"), "--skip-bad")
        self.expect(USAGE, [], "bleu", path)

    def test_folder(self):
        self.write({"pred": "x", "answers": ["x"]}, name="qasper.jsonl")
        self.write({"pred": "x", "answers": ["y"]}, name="narrativeqa.jsonl")
        self.write({"pred": "x", "answers": ["x"]}, name="lcc.jsonl")
        document = self.json("longbench", self.dir)
        self.assertEqual([t["task"] for t in document["tasks"]], ["narrativeqa", "qasper", "lcc"])
        averages = document["averages"]
        self.assertEqual(averages["categories"], {"single-document QA": 50.0, "code": 100.0})
        self.assertAlmostEqual(averages["of_data_sets"], 200 / 3)
        self.assertEqual(averages["of_categories"], 75)
        self.assertEqual(len(document["missing"]), 13)
        self.assertIn(b"of_categories", run("longbench", self.dir).stdout)

    def test_folder_of_infinitebench_counts_the_papers_ten(self):
        self.write({"prediction": "1", "label": "1"}, name="passkey.jsonl")
        self.write({"prediction": "1", "label": 2}, name="code_run.jsonl")
        averages = self.json("infinitebench", self.dir)["averages"]
        self.assertEqual(averages, {"of_tasks": 50.0, "of_tasks_as_the_reference": 100.0})


if __name__ == "__main__":
    unittest.main()
