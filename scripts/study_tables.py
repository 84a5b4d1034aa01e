#!/usr/bin/env python3
"""Writes the tables of the study into a document, from `restkv report --json` and result lines.

    scripts/study_tables.py REPORT.json DOCUMENT.md LINES.jsonl... LAYER.json...

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


LAYER = r"layer-k(\d+)-b(\d+)\.json"


class NotRun(Exception):
    """The report has no results of a part."""


class Report:
    """Estimates by section, scope, series and budget; the files of lines that they are made of;
    and those of `restkv bench layer --json`, by names that say kernel and budget."""

    def __init__(self, path, files):
        self.sections = json.loads(pathlib.Path(path).read_text())["sections"]
        self.lines = [path for path in files if path.endswith(".jsonl")]
        self.layers = [path for path in files if re.fullmatch(LAYER, pathlib.Path(path).name)]

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


QUERY_HEADS = " granularity=query-head"


def layout_columns(section):
    """Budget, layout and MiB, ascending by bytes, as `rest-kv k21` holds them."""
    held = {(e["budget"], e["variant"].endswith(QUERY_HEADS)): e["kv_bytes"] / 2**20
            for e in section["scores"] if e["length"] == 4096
            and e["variant"].removesuffix(QUERY_HEADS) == "rest-kv k21"}
    return sorted(((budget, by_query, mib) for (budget, by_query), mib in held.items()),
                  key=lambda column: column[2])


def layout_table(report):
    """A row a variant, a column a budget of either layout."""
    section = report.section("ruler", holds=lambda e: e["variant"].endswith(QUERY_HEADS))
    columns, parts = layout_columns(section), []
    titles = [f"B {budget} per {'query' if by_query else 'KV'} head, {mib:.2f} MiB"
              for budget, by_query, mib in columns]
    for task in ("niah_multikey_1", "json_words"):
        found = {(e["variant"], e["budget"]): e
                 for e in section["scores"] if in_scope(e, task, 4096)}
        rows = [[f"{policy} k{kernel}"] +
                [shown(found.get((f"{policy} k{kernel}" + QUERY_HEADS * by_query, budget)))
                 for budget, by_query, _ in columns]
                for kernel in (21, 5) for policy in ("rest-kv", "rest-kv+ada", "snapkv")]
        parts.append(f"**{task}, 4,096 tokens**\n\n" + table(["variant"] + titles, rows))
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
    section, budgets = code_section(report, turns=False), [128, 256]
    names = [n for n in dict.fromkeys(e["variant"] for e in section["scores"]) if n != "full"]
    parts = ["**mean over lengths**\n\n" +
             scores(section, "mean over lengths", None, names, budgets),
             "**difference to the full cache, mean over lengths**\n\n" +
             differences(section, "mean over lengths", None, [(n, "full") for n in names], budgets)]
    for length in sorted({e["length"] for e in section["scores"] if e["length"] is not None}):
        parts.append(f"**behind {length:,} tokens of other code**\n\n" +
                     scores(section, "humaneval", length, names, budgets))
    return "\n\n".join(parts)


def turn_name(variant, budget):
    return variant.removesuffix(" schedule=turn") + (f", B {budget}" if budget else "")


def turn_rows(turns, length, kind):
    """Scores or differences: a row a variant, its reference and a budget, a column a turn. With
    `indicator=attn` the answers are SnapKV's, letter by letter, which the text says."""
    found = [{(e["variant"], e.get("minus"), e["budget"]): e for e in turn[kind]
              if in_scope(e, "repository", length) and "indicator=" not in e["variant"]}
             for turn in turns]
    return [(key, [one.get(key) for one in found]) for key in found[0]]


def turn_table(report):
    turns = [report.section("humaneval", measure=f"turn {turn}") for turn in (1, 2, 3)]
    columns, parts = ["which file", "its signature", "its change"], []
    for length in sorted({e["length"] for e in turns[0]["scores"] if e["length"]}):
        rows = turn_rows(turns, length, "scores")
        parts.append(f"**{length:,} tokens, n {rows[0][1][0]['n']}**\n\n" +
                     table(["variant"] + columns, [[turn_name(variant, budget), *map(shown, entries)]
                                                   for (variant, _, budget), entries in rows]))
        pairs = [(f"{turn_name(variant, None)} minus {turn_name(minus, None)}, B {budget}", entries)
                 for (variant, minus, budget), entries in turn_rows(turns, length, "differences")
                 if variant.startswith("rest-kv") and minus.startswith("snapkv")]
        parts.append(table(["percentage points"] + columns,
                           [[name, *(shown(entry, signed=True) for entry in entries)]
                            for name, entries in pairs]))
    return "\n\n".join(parts)


def answers_by_kernels(paths):
    """Result lines of our kernels and of ggml's, of the samples, by place, that both ran."""
    lines = {"auto": {}, "ggml": {}}
    for path in paths:
        with open(path, encoding="utf-8") as file:
            for line in map(json.loads, file):
                if line["benchmark"] == "ruler" and line["config"]["preset"] == "restkv":
                    key = (line["config"]["model"]["name"], line["task"], line["length"],
                           line["variant"], line["sample"])
                    lines[line["config"]["kernels"]][key] = line
    both = [key for key in lines["ggml"] if key in lines["auto"]]
    return [{key: lines[kernels][key] for key in both} for kernels in ("auto", "ggml")]


def kernel_table(report):
    """The same samples by both, answer by answer."""
    ours, ggml = answers_by_kernels(report.lines)
    if not ggml:
        raise NotRun
    rows = []
    for task, variant in dict.fromkeys((key[1], key[3]) for key in ggml):
        pairs = [(ours[key], line) for key, line in ggml.items()
                 if (key[1], key[3]) == (task, variant)]
        percent = [100 * sum(pair[i]["score"] for pair in pairs) / len(pairs) for i in (0, 1)]
        rows.append([f"{task}, {variant}", *(f"{p:.1f}" for p in percent)] +
                    [str(sum(a[name] == b[name] for a, b in pairs))
                     for name in ("score", "prediction")] + [str(len(pairs))])
    return table(["", "ours", "ggml's", "the same score", "the same answer", "n"], rows)


def layer_table(report):
    rows = []
    for path in report.layers:
        kernel, budget = map(int, re.fullmatch(LAYER, pathlib.Path(path).name).groups())
        for row in json.loads(pathlib.Path(path).read_text())["rows"]:
            rows.append((-kernel, budget, [
                row["policy"] + (f" k{kernel}" if row["policy"] in POOLED else ""),
                "" if row["policy"] == "full" else f"{budget:,}",
                f"{row['eviction_ms']['median']:,.0f}", f"{row['decode_ms']['median']:.1f}",
                f"{100 * row['recall']:.0f}"]))
    if not rows:
        raise NotRun
    rows.sort(key=lambda row: row[:2])
    full = [row for row in rows if row[2][0] == "full"]  # every file has it
    rows = full[:1] + [row for row in rows if row not in full]
    return table(["variant", "budget", "eviction, ms", "decoding a token, ms",
                  "planted entries kept, %"], [cells for *_, cells in rows])


TABLES = {"official": official_table, "mean": mean_table, "tasks": task_tables,
          "differences": difference_table, "full": full_table, "needle": needle_table,
          "ablations": ablation_table, "ablation-differences": ablation_differences,
          "layouts": layout_table, "fidelity": fidelity_table, "code": code_table,
          "turns": turn_table, "kernels": kernel_table, "layer": layer_table}


def made(report, name):
    if name not in TABLES:
        sys.exit(f"there is no table {name}, only {', '.join(TABLES)}")
    try:
        return TABLES[name](report)
    except NotRun:
        return "This part was not run."


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    report, path = Report(sys.argv[1], sys.argv[3:]), pathlib.Path(sys.argv[2])
    text = re.sub(r"<!-- table (\S+) -->\n.*?<!-- end -->",
                  lambda m: f"<!-- table {m[1]} -->\n{made(report, m[1])}\n<!-- end -->",
                  path.read_text(), flags=re.S)
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    part.replace(path)


if __name__ == "__main__":
    main()
