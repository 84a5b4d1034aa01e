#!/usr/bin/env bash
# A small evaluation of the default model, two minutes: a needle, a pass key, and the example
# questions behind other text, under four policies. Tables on stdout, a page and result lines in
# build/eval-smoke. Run again it goes on where it was stopped; `rm -r build/eval-smoke` starts anew.
#
#   RESTKV_BIN   the program, build/restkv by default
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

restkv=${RESTKV_BIN:-build/restkv}
out=build/eval-smoke
text=/usr/share/common-licenses/GPL-3
policies=full,rest-kv,snapkv,streaming-llm
mkdir -p "$out"

evaluate() {
  local name=$1
  shift
  "$restkv" eval "$@" --kv-policy "$policies" --kv-budget 64,256 --out "$out/$name.jsonl"
}

evaluate needle ruler --task niah_single_1 --length 1024 -n 8 --preset restkv
evaluate passkey infinitebench --task passkey --length 1024 -n 8
evaluate choice choice --data examples/choice.jsonl --pad-tokens 800 --haystack "$text"
evaluate cloze cloze --data examples/cloze.jsonl --pad-tokens 800 --haystack "$text"

"$restkv" report "$out"/{needle,passkey,choice,cloze}.jsonl --title "A small evaluation" \
  --html "$out/report.html" --markdown "$out/report.md"
echo "the page: $out/report.html"
