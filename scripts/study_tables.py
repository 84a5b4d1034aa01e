#!/usr/bin/env python3
"""Writes the tables of the study into a document, from `restkv report --json`.

    scripts/study_tables.py REPORT.json DOCUMENT.md

The document keeps its words: what stands between `<!-- table NAME -->` and `<!-- end -->` is
replaced by the table of that name. A table whose results are not in the report says so.
"""

import json
import pathlib
import re
import sys

POOLED = ["rest-kv", "rest-kv+ada", "snapkv", "adakv", "pyramidkv"]
OTHERS = ["h2o", "tova", "lacache", "streaming-llm"]
ROWS = [f"{policy} k{kernel}" for kernel in (21, 5) for policy in POOLED] + OTHERS
MODELS = {"Qwen": "Qwen2.5-Coder-0.5B", "Smollm2": "SmolLM2-135M"}  # by how the files' names begin
TASKS = ["niah_multikey_1", "niah_multikey_2", "niah_multivalue", "vt", "fwe", "json_words"]


class NotRun(Exception):
    """The report has no results of a part."""


class Report:
    """Estimates by section, scope, series and budget."""

    def __init__(self, path):
        self.sections = json.loads(pathlib.Path(path).read_text())["sections"]

    def section(self, benchmark, model="Qwen", measure="score", kernels="auto", holds=None):
        for section in self.sections:
            config = section["config"]
            if (section["benchmark"], section["measure"]) != (benchmark, measure):
                continue
            if not config["model"]["name"].startswith(model) or config["kernels"] != kernels:
                continue
            if holds and not any(holds(score) for score in section["scores"]):
                continue
            return section
        raise NotRun


def shown(entry, signed=False):
    if entry is None:
        return ""
    text = f"{entry['value']:+.1f}" if signed else f"{entry['value']:.1f}"
    if entry["low"] is not None:
        text += f" [{entry['low']:.0f}, {entry['high']:.0f}]"
    if signed and entry["excludes_zero"]:
        text += " *"
    return text


def in_scope(entry, name, length):
    return entry.get("average", entry.get("task")) == name and entry["length"] == length


def official_table(report):
    section = report.section("ruler", holds=lambda e: e.get("task") == "cwe")
    tasks = dict.fromkeys(e["task"] for e in section["scores"] if "task" in e)
    lengths = sorted({e["length"] for e in section["scores"] if e["length"]})
    rows = []
    for task in tasks:
        found = {e["length"]: e for e in section["scores"] if e.get("task") == task}
        rows.append([task] + [f"{found[n]['value']:.1f}, n {found[n]['n']}" if n in found else ""
                              for n in lengths])
    return table(["task"] + [f"{n:,} tokens" for n in lengths], rows)


def table(columns, rows):
    lines = ["| " + " | ".join(columns) + " |",
             "| --- |" + " ---: |" * (len(columns) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def scores(section, name, length, rows, budgets, label="variant"):
    """A row a series, a column a budget."""
    found = {(e["variant"], e["budget"]): e
             for e in section["scores"] if in_scope(e, name, length)}
    lines = []
    if ("full", None) in found:
        label = f"full cache: {shown(found['full', None])}, n {found['full', None]['n']}"
    for row in rows:
        cells = [shown(found.get((row, budget))) for budget in budgets]
        if any(cells):
            lines.append([row] + cells)
    return table([label] + [f"B {b}" for b in budgets], lines)


def differences(section, name, length, pairs, budgets):
    found = {(e["variant"], e["minus"], e["budget"]): e
             for e in section["differences"] if in_scope(e, name, length)}
    lines = []
    for variant, minus in pairs:
        cells = [shown(found.get((variant, minus, budget)), signed=True) for budget in budgets]
        if any(cells):
            lines.append([f"{variant} minus {minus}"] + cells)
    return table(["percentage points"] + [f"B {b}" for b in budgets], lines)


def kernel_pairs(variant):
    pairs = []
    for kernel in (21, 5):
        pairs += [(f"{variant} k{kernel}", f"{policy} k{kernel}")
                  for policy in ("snapkv", "adakv", "pyramidkv")]
        pairs += [(f"{variant} k{kernel}", policy) for policy in OTHERS]
    return pairs


BUDGETS = [64, 128, 256, 512, 1024]


def ruler(report):
    return report.section("ruler", holds=lambda e: e["variant"] == "lacache")


def mean_table(report):
    return scores(ruler(report), "mean over tasks and lengths", None, ROWS, BUDGETS)


def task_tables(report):
    parts = []
    for task in TASKS:
        for length in (2048, 4096):
            parts.append(f"**{task}, {length:,} tokens**\n\n" +
                         scores(ruler(report), task, length, ROWS, BUDGETS))
    return "\n\n".join(parts)


def difference_table(report):
    pairs = kernel_pairs("rest-kv") + kernel_pairs("rest-kv+ada")
    return differences(ruler(report), "mean over tasks and lengths", None, pairs, BUDGETS)


def full_table(report):
    section, lines = ruler(report), []
    for length in (2048, 4096):
        pairs = [(f"{p} k{k}", "full") for k in (21, 5) for p in ("rest-kv", "rest-kv+ada")]
        lines.append(f"**{length:,} tokens**\n\n" +
                     differences(section, "mean over tasks", length, pairs, BUDGETS))
    return "\n\n".join(lines)


def needle_table(report):
    section = report.section("niah")
    parts = []
    for length in (1000, 2000, 4000):
        parts.append(f"**{length:,} tokens**\n\n" +
                     scores(section, "niah", length, ROWS, [64, 256, 1024]))
    return "\n\n".join(parts)


def ablation_section(report):
    section = ruler(report)
    if not any("indicator=attn" in e["variant"] for e in section["scores"]):
        raise NotRun
    return section


def ablation_names(section, kernel):
    names = dict.fromkeys(e["variant"] for e in section["scores"])
    return [n for n in names
            if n.startswith(("rest-kv", "snapkv")) and "+ada" not in n
            and "query-head" not in n and (f"k{kernel}" in n or " k" not in n)]


def ablation_table(report):
    section, parts = ablation_section(report), []
    for task in ("niah_multikey_1", "json_words"):
        rows = ablation_names(section, 21) + ablation_names(section, 5)
        parts.append(f"**{task}, 4,096 tokens**\n\n" +
                     scores(section, task, 4096, dict.fromkeys(rows), [64, 128]))
    return "\n\n".join(parts)


def ablation_differences(report):
    section, parts = ablation_section(report), []
    for task in ("niah_multikey_1", "json_words"):
        pairs = [(name, f"rest-kv k{kernel}") for kernel in (21, 5)
                 for name in ablation_names(section, kernel) if name != f"rest-kv k{kernel}"]
        parts.append(f"**{task}, 4,096 tokens**\n\n" +
                     differences(section, task, 4096, pairs, [64, 128]))
    return "\n\n".join(parts)


def layout_table(report):
    section = report.section("ruler", holds=lambda e: "query-head" in e["variant"])
    parts = []
    for task in ("niah_multikey_1", "json_words"):
        found = [e for e in section["scores"]
                 if in_scope(e, task, 4096) and e["variant"].startswith(("rest-kv", "snapkv"))
                 and "=" not in e["variant"].replace("granularity=query-head", "")
                 and "-projection" not in e["variant"]]
        rows = [[e["variant"], f"{e['budget']:,}", f"{e['kv_bytes'] / 2**20:.2f}", shown(e)]
                for e in sorted(found, key=lambda e: (e["kv_bytes"], e["variant"]))]
        parts.append(f"**{task}, 4,096 tokens**\n\n" +
                     table(["variant", "budget", "MiB", "score"], rows))
    return "\n\n".join(parts)


def fidelity_table(report):
    parts = []
    for model in ("Qwen", "Smollm2"):
        for measure, unit in (("score", "same likeliest token, percent"),
                              ("KL divergence", "KL divergence, hundredths of a nat")):
            section = report.section("fidelity", model, measure)
            lengths = sorted({e["length"] for e in section["scores"] if e["length"]})
            names = [n for n in dict.fromkeys(e["variant"] for e in section["scores"])
                     if n != "full"]
            for budget in (128, 512):
                rows = []
                for name in names:
                    found = {e["length"]: e for e in section["scores"]
                             if e["variant"] == name and e["budget"] == budget and "task" in e}
                    if found:
                        rows.append([name] + [shown(found.get(length)) for length in lengths])
                parts.append(f"**{MODELS[model]}, B {budget}: {unit}**\n\n" +
                             table(["variant"] + [f"{n:,} tokens" for n in lengths], rows))
    return "\n\n".join(parts)


def code_section(report, turns):
    return report.section("humaneval",
                          holds=lambda e: (e.get("task") == "repository") == turns and "task" in e)


def code_table(report):
    section, parts = code_section(report, turns=False), []
    for length in sorted({e["length"] for e in section["scores"] if e["length"] is not None}):
        rows = [n for n in dict.fromkeys(e["variant"] for e in section["scores"]) if n != "full"]
        name = next(e["task"] for e in section["scores"] if "task" in e)
        parts.append(f"**behind {length:,} tokens of other code**\n\n" +
                     scores(section, name, length, rows, [128, 256, 512]))
    return "\n\n".join(parts)


def turn_table(report):
    rows = []
    first = report.section("humaneval", measure="turn 1")
    for name in dict.fromkeys((e["variant"], e["budget"]) for e in first["scores"]):
        row = [name[0] + (f" B {name[1]}" if name[1] else "")]
        for turn in (1, 2, 3):
            section = report.section("humaneval", measure=f"turn {turn}")
            row.append(shown(next((e for e in section["scores"] if "task" in e and
                                   (e["variant"], e["budget"]) == name), None)))
        rows.append(row)
    return table(["variant", "which file", "its signature", "its change"], rows)


def kernel_table(report):
    rows = []
    for kernels in ("auto", "ggml"):
        section = (ruler(report) if kernels == "auto" else
                   report.section("ruler", kernels=kernels, holds=lambda e: e["variant"] == "full"))
        for task in ("niah_multikey_1", "json_words"):
            found = {(e["variant"], e["budget"]): e
                     for e in section["scores"] if in_scope(e, task, 2048)}
            wanted = [("full", None), ("rest-kv k21", 64), ("rest-kv k21", 256),
                      ("snapkv k21", 64), ("snapkv k21", 256)]
            rows.append([f"{task}, {kernels}, n {found['full', None]['n']}"] +
                        [shown(found.get(key)) for key in wanted])
    return table(["kernels", "full", "rest-kv B 64", "rest-kv B 256", "snapkv B 64",
                  "snapkv B 256"], rows)


TABLES = {"official": official_table, "mean": mean_table, "tasks": task_tables, "differences": difference_table,
          "full": full_table, "needle": needle_table, "ablations": ablation_table,
          "ablation-differences": ablation_differences, "layouts": layout_table,
          "fidelity": fidelity_table, "code": code_table, "turns": turn_table,
          "kernels": kernel_table}


def made(report, name):
    if name not in TABLES:
        sys.exit(f"there is no table {name}, only {', '.join(TABLES)}")
    try:
        return TABLES[name](report)
    except NotRun:
        return "This part was not run."


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    report, path = Report(sys.argv[1]), pathlib.Path(sys.argv[2])
    text = re.sub(r"<!-- table (\S+) -->\n.*?<!-- end -->",
                  lambda m: f"<!-- table {m[1]} -->\n{made(report, m[1])}\n<!-- end -->",
                  path.read_text(), flags=re.S)
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    part.replace(path)


if __name__ == "__main__":
    main()
