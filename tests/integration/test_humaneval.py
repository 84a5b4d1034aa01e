"""restkv eval humaneval as users run it, and the checker that executes what models write.

Run by ctest; RESTKV_BIN is the path of the program. The problems are made up here, in the form of
HumanEval's file, and the model is random and tiny: it solves nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import tiny_models

BIN = os.environ.get("RESTKV_BIN", "build/restkv")
CHECKER = Path(__file__).resolve().parents[2] / "scripts" / "check_humaneval.py"
TIME_LIMIT_S = 120
OK, FAILED, USAGE, REJECTED = 0, 1, 2, 3
# libllama knows this template by a piece of it.
TEMPLATE = "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' }}"


def environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("RESTKV_")}


class CheckerTest(unittest.TestCase):
    """Programs that are right, wrong, or do what no answer may do."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = Path(folder.name)

    def answer(self, program: str, command=(CHECKER,), **limits) -> dict:
        request = {"program": program, "cpu_s": 2, "wall_s": 20, **limits}
        done = subprocess.run([sys.executable, *command], input=json.dumps(request),
                              env={"PYTHONHASHSEED": "0", "TMPDIR": str(self.dir), "KEY": "secret"},
                              capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False)
        self.assertEqual(done.returncode, OK, done.stderr)
        self.assertEqual(list(self.dir.iterdir()), [], "something was left behind")
        return json.loads(done.stdout)

    def check(self, program: str, **limits) -> str:
        answer = self.answer(program, **limits)
        self.assertIn(answer["network"], ("none", "denied"))
        return answer["result"]

    def fails(self, what: str, program: str, **limits):
        result = self.check(program, **limits)
        self.assertTrue(result.startswith("failed: " + what), result)

    def test_right_and_wrong(self):
        solution = "def add(a, b):\n    return a + b\n"
        test = "\ndef check(candidate):\n    assert candidate(1, 2) == 3\ncheck(add)"
        self.assertEqual(self.check(solution + test), "passed")
        self.fails("AssertionError", solution.replace("+", "-") + test)
        self.fails("NameError: name 'sum_of' is not defined", solution.replace("a + b", "sum_of")
                   + test)
        self.fails("SyntaxError", "def add(a, b):\n    return (a + b\n" + test)

    def test_imports_that_answers_use(self):
        self.assertEqual(self.check("import math, re, typing, collections, itertools, hashlib\n"
                                    "hashlib.md5(b'x').hexdigest()"), "passed")

    def test_time(self):
        self.assertEqual(self.check("while True: pass", cpu_s=1), "timed out")
        self.assertEqual(self.check("import time; time.sleep(100)", wall_s=1), "timed out")
        self.assertEqual(self.check("try:\n    while True: pass\nexcept BaseException: pass",
                                    cpu_s=1), "timed out")

    def test_processes(self):
        for program in ("import os\nwhile True: os.fork()",
                        "import subprocess; subprocess.run(['true'])",
                        "import os; os.system('true')",
                        "import os; os.posix_spawn('/bin/true', ['true'], {})",
                        "import os; os.kill(os.getppid(), 9)",
                        "import multiprocessing as m\n"
                        "m.get_context('spawn').Process(target=print).start()"):
            with self.subTest(program=program):
                self.fails("PermissionError", program)

    def test_memory(self):
        self.fails("MemoryError", "x = []\nwhile True: x.append(bytearray(1 << 24))",
                   memory_mib=256)

    def test_ends_by_itself(self):
        self.fails("SystemExit", "import sys; sys.exit(0)")
        self.fails("KeyboardInterrupt", "raise KeyboardInterrupt")
        self.fails("ended by itself with code 0", "import os; os._exit(0)")
        self.fails("ended by a signal", "import os; os.abort()")
        self.fails("RecursionError", "def f(): return f()\nf()")

    def test_output_is_no_answer(self):
        self.fails("ZeroDivisionError", "print('{\"result\": \"passed\"}' * 10000)\n1 / 0")
        self.assertEqual(self.check("import sys; sys.stderr.write('x' * 100000)"), "passed")
        self.fails("EOFError", "input()")

    def test_files(self):
        self.assertEqual(self.check("with open('a', 'w') as f: f.write('x')\n"
                                    "assert open('a').read() == 'x'\n"
                                    "import os; os.mkdir('b'); os.rename('a', 'b/a')"), "passed")
        self.fails("OSError", "open('a', 'w').write('x' * (1 << 21))")
        kept = tempfile.TemporaryDirectory()
        self.addCleanup(kept.cleanup)
        victim = Path(kept.name) / "victim"
        victim.write_text("kept")
        for program in ("open({0!r}, 'w')", "open({0!r}, 'r+')", "import os; os.remove({0!r})",
                        "import os; os.truncate({0!r}, 0)", "import os; os.rename({0!r}, 'mine')",
                        "import os; os.symlink({0!r}, 'link'); open('link', 'w')",
                        "import pathlib; pathlib.Path({0!r}).unlink()",
                        "import os; os.open({0!r}, os.O_TRUNC | os.O_WRONLY)",
                        "import os; os.chmod({0!r}, 0)",
                        "import shutil; shutil.rmtree({1!r})"):
            with self.subTest(program=program):
                self.fails("PermissionError", program.format(str(victim), kept.name))
                self.assertEqual(victim.read_text(), "kept")

    def test_network(self):
        self.fails("PermissionError", "import socket; socket.create_connection(('127.0.0.1', 9))")
        self.fails("PermissionError", "import ctypes; ctypes.CDLL(None)")

    def test_where_namespaces_are_forbidden(self):
        denied = ("-c", f"import sys; sys.path[0] = {str(CHECKER.parent)!r}\n"
                        "import check_humaneval as checker\n"
                        "checker.separate = lambda: 'denied'\nsys.exit(checker.main())")
        for program, result in (("assert True", "passed"), ("while True: pass", "timed out"),
                                ("import socket; socket.socket()", "failed: PermissionError"),
                                ("import os; os.fork()", "failed: PermissionError"),
                                ("import os; os.abort()", "failed: ended by a signal")):
            with self.subTest(program=program):
                answer = self.answer(program, denied, cpu_s=1)
                self.assertEqual(answer["network"], "denied")
                self.assertTrue(answer["result"].startswith(result), answer["result"])

    def test_environment(self):
        self.assertEqual(self.check("import os, sys\nassert not os.environ\n"
                                    "assert sys.argv == ['']\nassert not os.listdir('.')"),
                         "passed")

    def test_the_same_every_time(self):
        program = "raise ValueError({'b', 'a', 'c', 'd'}, object())"
        self.assertEqual(self.check(program), self.check(program))

    def test_bad_requests(self):
        for request in ("", "[]", "{}", '{"program": 1}', '{"program": "", "cpu_s": 0}',
                        '{"program": "", "memory_mib": true}'):
            with self.subTest(request=request):
                done = subprocess.run([sys.executable, CHECKER], input=request, text=True,
                                      capture_output=True, check=False)
                self.assertEqual(done.returncode, USAGE)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)


def problems(n: int) -> str:
    lines = [{"task_id": f"Made/{i}", "entry_point": f"add_{i}",
              "prompt": f"def add_{i}(x):\n    \"\"\"The sum of x and {i}.\"\"\"\n",
              "canonical_solution": f"    return x + {i}\n",
              "test": f"def check(candidate):\n    assert candidate(1) == {i + 1}\n"}
             for i in range(n)]
    return "".join(json.dumps(line) + "\n" for line in lines)


class CommandTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.shared = Path(folder.name)
        cls.model = cls.shared / "tiny.gguf"
        tiny_models.write_model(cls.model, "llama3", chat_template=TEMPLATE)
        cls.problems = cls.shared / "problems.jsonl"
        cls.problems.write_text(problems(6))

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.out = Path(folder.name) / "out.jsonl"

    def run_eval(self, *args, problems_file: Path | None = None, allow: bool = True):
        command = [BIN, "eval", "humaneval", "-m", self.model, "--kv-policy", "full,snapkv,rest-kv",
                   "--kv-budget", 64, "--threads", 1, "--out", self.out, *args]
        if "--multi-turn" not in args:
            command += ["--problems", problems_file or self.problems]
        if allow:
            command.append("--allow-code-execution")
        return subprocess.run(list(map(str, command)), env=environment(), capture_output=True,
                              timeout=TIME_LIMIT_S, check=False)

    def lines(self, *args) -> list[dict]:
        done = self.run_eval(*args)
        self.assertEqual(done.returncode, OK, done.stderr.decode())
        return [json.loads(line) for line in self.out.read_text().splitlines()]

    def refused(self, code: int, names, *args, **kwargs):
        done = self.run_eval(*args, **kwargs)
        message = done.stderr.decode()
        self.assertEqual(done.returncode, code, message)
        self.assertEqual(message.count("\n"), 1, message)
        for name in names:
            self.assertIn(name, message)
        self.assertFalse(self.out.exists())

    def test_lines(self):
        lines = self.lines("--length", "0,600", "-n", 2)
        self.assertEqual(len(lines), 2 * 2 * 3)
        self.assertEqual([line["length"] for line in lines], [0] * 6 + [600] * 6)
        for line in lines:
            self.assertEqual((line["benchmark"], line["task"]), ("humaneval", "humaneval"))
            self.assertEqual(line["score"], float(line["scores"]["result"] == "passed"))
            self.assertEqual(line["sample"], f"Made/{line['number']}")
            self.assertEqual(line["config"]["data"]["check_seconds"], 10)
        for line in lines[:6]:
            self.assertEqual(line["padding_tokens"], 0)
        for line in lines[6:]:
            self.assertGreater(line["padding_tokens"], 450)
            self.assertLessEqual(line["padding_tokens"], 600)
            self.assertGreater(line["prompt_tokens"], line["padding_tokens"])

    def test_scores_are_the_checkers(self):
        passing = self.out.parent / "passing.py"
        passing.write_text("import json, sys\njson.load(sys.stdin)\n"
                           "print(json.dumps({'result': 'passed', 'network': 'none'}))\n")
        lines = self.lines("--length", 0, "-n", 2, "--checker", f"{sys.executable} {passing}")
        self.assertEqual({line["score"] for line in lines}, {1})

    def test_chat(self):
        lines = self.lines("--length", "0,600", "-n", 1, "--prompt-style", "chat")
        self.assertEqual(len(lines), 2 * 3)

    def test_runs_that_are_repeated_and_jobs(self):
        args = ("--length", 600, "-n", 4)
        self.lines(*args)
        whole = self.out.read_bytes()
        self.lines(*args)
        self.assertEqual(self.out.read_bytes(), whole)
        self.out.write_bytes(whole[:len(whole) // 2])
        self.lines(*args, "--jobs", 2)
        self.assertEqual(self.out.read_bytes(), whole)

    def test_multi_turn(self):
        for style in ("raw", "chat"):
            for schedule in ("prompt", "turn"):
                with self.subTest(style=style, schedule=schedule):
                    self.out.unlink(missing_ok=True)
                    lines = self.lines("--multi-turn", "--length", 1200, "-n", 2, "--prompt-style",
                                       style, "--kv-schedule", schedule)
                    self.assertEqual(len(lines), 2 * 3)
                    for line in lines:
                        self.assertEqual(line["task"], "repository")
                        scores = line["scores"]
                        mean = sum(scores[f"turn_{i}"] for i in (1, 2, 3)) / 3
                        self.assertAlmostEqual(line["score"], mean)
                        self.assertEqual(len(scores["answers"]), 3)
                        self.assertIn("result", scores)
                        self.assertLessEqual(line["prompt_tokens"], 1200)
                        self.assertGreater(line["prompt_tokens"], 1200 * 0.85)

    def test_refusals(self):
        self.refused(USAGE, ["--allow-code-execution", "executed"], allow=False)
        for code, names, args in [
            (USAGE, ["--length", "-1"], ["--length", -1]),
            (USAGE, ["--length", "0"], ["--length", 0, "--multi-turn"]),
            (USAGE, ["--check-seconds", "0"], ["--check-seconds", 0]),
            (USAGE, ["--check-mib"], ["--check-mib", 0]),
            (USAGE, ["--problems", "--multi-turn"], ["--multi-turn", "--problems", self.problems]),
            (USAGE, ["--prompts"], ["--prompts", "x.json"]),
            (USAGE, ["--checker"], ["--checker", " "]),
            (FAILED, ["/no/checker"], ["--checker", "/no/checker"]),
            (FAILED, ["/bin/true", "nothing"], ["--checker", "/bin/true"]),
        ]:
            with self.subTest(args=args):
                self.refused(code, names, *args)

    def test_bad_problems(self):
        self.refused(REJECTED, ["none.jsonl"], problems_file=self.shared / "none.jsonl")
        bad = self.shared / "bad.jsonl"
        bad.write_text(problems(1) + '{"task_id": "Made/9"}\n')
        self.refused(REJECTED, ["bad.jsonl:2", "prompt"], problems_file=bad)
        done = self.run_eval("--skip-bad", "--length", 0, "--json", problems_file=bad)
        self.assertEqual(done.returncode, OK, done.stderr.decode())
        self.assertEqual(json.loads(done.stdout)["skipped"], 1)


if __name__ == "__main__":
    unittest.main()
