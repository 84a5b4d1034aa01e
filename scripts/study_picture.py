#!/usr/bin/env python3
"""Draws the scores of the study by budget, from `restkv report --json`.

    scripts/study_picture.py REPORT.json FILE.svg

A column is a task at 4,096 tokens and their mean, a row a smoothing kernel; methods without one
stand in both rows. Bars are 95 % intervals, the grey line is the full cache.
"""

import json
import math
import pathlib
import sys
from html import escape

TASKS = ["mean over tasks", "niah_multikey_1", "niah_multikey_2", "niah_multivalue", "vt", "fwe",
         "json_words"]
LENGTH = 4096
# Of the same family the same hue; what does not pool is dashed.
STYLES = {"rest-kv": ("#c1272d", ""), "rest-kv+ada": ("#f08a24", ""), "snapkv": ("#1f5fa8", ""),
          "adakv": ("#4fa3d9", ""), "pyramidkv": ("#7b5ea7", ""), "h2o": ("#3a7d44", "5 3"),
          "tova": ("#8a6d3b", "5 3"), "lacache": ("#777777", "2 3"),
          "streaming-llm": ("#222222", "2 3")}
WIDTH, HEIGHT, GAP, LEFT, TOP, BOTTOM = 172, 168, 14, 74, 46, 84


def named(section, name):
    """The scores of a task, or of an average."""
    return [e for e in section["scores"]
            if e.get("average", e.get("task")) == name and e["length"] == LENGTH]


def points_of(scores, series):
    return sorted((e["budget"], e["value"], e["low"], e["high"]) for e in scores
                  if e["variant"] == series and e["budget"])


def text(x, y, words, anchor="middle", size=11, extra=""):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" {extra}>'
            f"{escape(words)}</text>")


class Panel:
    def __init__(self, x, y, budgets):
        self.x, self.y, self.budgets = x, y, budgets

    def at(self, budget, score):
        span = math.log2(self.budgets[-1] / self.budgets[0])
        return (self.x + 10 + (WIDTH - 20) * math.log2(budget / self.budgets[0]) / span,
                self.y + HEIGHT - HEIGHT * score / 100)

    def frame(self, full):
        parts = [f'<rect x="{self.x}" y="{self.y}" width="{WIDTH}" height="{HEIGHT}" '
                 'fill="none" stroke="#bbb"/>']
        for score in (25, 50, 75):
            y = self.at(self.budgets[0], score)[1]
            parts.append(f'<path d="M{self.x} {y:.1f}h{WIDTH}" stroke="#e4e4e4"/>')
        if full is not None:
            y = self.at(self.budgets[0], full)[1]
            parts.append(f'<path d="M{self.x} {y:.1f}h{WIDTH}" stroke="#999" stroke-width="2"/>')
        return parts

    def line(self, points, colour, dash, shift):
        """The intervals stand beside one another."""
        parts = []
        for budget, _, low, high in points:
            if low is None:
                continue
            x, top = self.at(budget, high)
            x += shift
            bottom = self.at(budget, low)[1]
            parts.append(f'<path d="M{x:.1f} {top:.1f}V{bottom:.1f}" stroke="{colour}" '
                         'stroke-opacity="0.35" stroke-width="2"/>')
        path = "L".join("{:.1f} {:.1f}".format(*self.at(b, v)) for b, v, _, _ in points)
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="1.8" '
                     f'stroke-dasharray="{dash}"/>')
        return parts


def panel_parts(panel, scores, kernel):
    full = next((e["value"] for e in scores if e["variant"] == "full"), None)
    parts = panel.frame(full)
    for i, (policy, (colour, dash)) in enumerate(STYLES.items()):
        points = points_of(scores, f"{policy} k{kernel}") or points_of(scores, policy)
        if points:
            parts += panel.line(points, colour, dash, 1.3 * (i - len(STYLES) / 2))
    return parts


def row_title(panel, kernel):
    y = panel.y + HEIGHT / 2
    turned = f'transform="rotate(-90 16 {y})"'
    return [text(16, y, f"kernel {kernel}", size=13, extra=turned)] + [
        text(panel.x - 6, panel.at(panel.budgets[0], score)[1] + 4, str(score), "end")
        for score in (0, 50, 100)]


def budget_titles(panel):
    return [text(panel.at(budget, 0)[0], panel.y + HEIGHT + 16, str(budget))
            for budget in panel.budgets]


def legend(width, height):
    entries = [(policy, f'stroke="{colour}" stroke-width="2.5" stroke-dasharray="{dash}"')
               for policy, (colour, dash) in STYLES.items()]
    entries.append(("full cache", 'stroke="#999" stroke-width="2"'))
    parts = []
    for i, (name, stroke) in enumerate(entries):
        x = LEFT + i * (width - LEFT) / len(entries)
        parts.append(f'<path d="M{x:.0f} {height - 20}h28" {stroke}/>')
        parts.append(text(x + 34, height - 16, name, "start", 12))
    return parts


def draw(section):
    names = [name for name in TASKS if named(section, name)]
    budgets = sorted({e["budget"] for e in section["scores"]
                      if e["budget"] and e["variant"] == "lacache"})
    width = LEFT + len(names) * (WIDTH + GAP)
    height = TOP + 2 * (HEIGHT + GAP) + BOTTOM
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
             f'width="{width}" height="{height}" font-family="sans-serif" fill="#222">',
             f'<rect width="{width}" height="{height}" fill="#fff"/>']
    for column, name in enumerate(names):
        x = LEFT + column * (WIDTH + GAP)
        parts.append(text(x + WIDTH / 2, TOP - 14, name, size=13))
        for row, kernel in enumerate((21, 5)):
            panel = Panel(x, TOP + row * (HEIGHT + GAP), budgets)
            parts += panel_parts(panel, named(section, name), kernel)
            if column == 0:
                parts += row_title(panel, kernel)
        parts += budget_titles(panel)
    parts.append(text((LEFT + width) / 2, height - 44,
                      f"entries per KV head; score in percent, {LENGTH:,} tokens", size=12))
    parts += legend(width, height)
    return "\n".join(parts) + "\n</svg>\n"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sections = json.loads(pathlib.Path(sys.argv[1]).read_text())["sections"]
    chosen = [s for s in sections if s["benchmark"] == "ruler"
              and any(e["variant"] == "lacache" for e in s["scores"])]
    if not chosen:
        sys.exit("the report has no results of the ruler part")
    out = pathlib.Path(sys.argv[2])
    part = out.with_name(out.name + ".part")
    part.write_text(draw(chosen[0]))
    part.replace(out)


if __name__ == "__main__":
    main()
