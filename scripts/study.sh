#!/usr/bin/env bash
# The study of docs/study.md: what eviction costs Qwen2.5-Coder-0.5B and SmolLM2-135M.
#
#   scripts/study.sh run [PART]...   result lines to build/study; goes on where it was stopped
#   scripts/study.sh report          from result lines to the tables of docs/study.md, their picture
#                                    and the whole report, build/study/report.html
#   scripts/study.sh pack            result lines as results/*.jsonl.xz
#
# Parts: ruler official needle ablations layouts fidelity code turns kernels layer, all by default. `report`
# reads the lines of results/ where a part was not run here, so that without a run it gives the
# numbers in the docs.
#
#   DATA          what the samples are made of (docs/study.md says where it comes from):
#                 haystack/adventures-of-sherlock-holmes.txt, words/*.txt, prompts/ruler.json, and
#                 RULER's own records, ruler/LENGTH/TASK.jsonl
#   MODEL, SMALL  the two models; scripts/get-model.sh fetches them
#   JOBS          arguments of every run, "--jobs 2 --threads 1 --together 5" by default
#   RESTKV_BIN    the program, build/restkv by default
set -euo pipefail
self=$(realpath "${BASH_SOURCE[0]}")
cd "$(dirname "$self")/.."

restkv=${RESTKV_BIN:-build/restkv}
python=.deps/venv/bin/python3
data=${DATA:-.deps/study-data}
model=${MODEL:-.deps/models/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf}
haystack=$data/haystack/adventures-of-sherlock-holmes.txt
small=${SMALL:-.deps/models/SmolLM2-135M-Instruct.Q4_1.gguf}
read -ra jobs <<< "${JOBS:---jobs 2 --threads 1 --together 5}"
out=build/study
parts=(ruler official needle ablations layouts fidelity code turns kernels layer)

tasks=(niah_multikey_1 json_words niah_multikey_2 fwe niah_multivalue vt)
names=("${tasks[@]}" official needle ablations layouts fidelity-large fidelity-small humaneval turns
  kernels)

policies=full,rest-kv,snapkv,adakv,pyramidkv,rest-kv+ada,h2o,tova,lacache,streaming-llm
budgets=64,128,256,512,1024
# Beside rest-kv and snapkv as the first part has them, on the same samples.
ablations=rest-kv:temporal=mean,rest-kv:temporal=none,rest-kv:spatial=avgpool,rest-kv:spatial=none
ablations+=,rest-kv:no-projection,rest-kv:mode=before
ablations+=,rest-kv:indicator=attn,rest-kv:indicator=attn-v

# evaluate NAME BENCHMARK ARGUMENT...: into build/study/NAME.jsonl
evaluate() {
  local name=$1 benchmark=$2
  shift 2
  echo "== $name"
  "$restkv" eval "$benchmark" "$@" --out "$out/$name.jsonl" > "$out/$name.txt"
}

ruler() {  # NAME ARGUMENT...
  local name=$1
  shift
  evaluate "$name" ruler -m "$model" --preset restkv --haystack "$haystack" \
    --words "$data/words" --prompts "$data/prompts/ruler.json" "${jobs[@]}" "$@"
}

run_ruler() {
  local task
  for task in "${tasks[@]}"; do
    ruler "$task" --task "$task" --length 2048,4096 -n 40 \
      --kv-policy "$policies" --kv-budget "$budgets" --kv-kernel 5,21
  done
}

official() {  # LENGTH TASKS
  evaluate official ruler -m "$model" --preset official --data "$data/ruler" --length "$1" \
    --task "$2" --kv-policy full
}

run_official() {
  official 1024 cwe,fwe,vt
  official 4096 reference
}

run_needle() {
  evaluate needle niah -m "$model" --length 1000,2000,4000 -n 4 --haystack "$haystack" \
    "${jobs[@]}" --kv-policy "$policies" --kv-budget 64,256,1024 --kv-kernel 5,21
}

run_ablations() {
  ruler ablations --task niah_multikey_1,json_words --length 4096 -n 40 \
    --kv-policy "$ablations" --kv-budget 64,128 --kv-kernel 5,21
}

# A cache for each query head, as published, beside one for each KV head: the same bytes at a seventh
# of the budget.
run_layouts() {
  ruler layouts --task niah_multikey_1,json_words --length 4096 -n 40 --kv-granularity query-head \
    --kv-policy rest-kv,snapkv,rest-kv+ada --kv-budget 64,128,256 --kv-kernel 5,21
}

# The same pieces of text for both models, as far as their tokens allow.
run_fidelity() {
  local size file
  for size in large small; do
    file=$model
    [[ $size == small ]] && file=$small
    evaluate "fidelity-$size" fidelity -m "$file" -f "$haystack" \
      --length 1024,4096,7936 --score 64 -n 20 "${jobs[@]}" \
      --kv-policy full,rest-kv,snapkv,h2o,streaming-llm --kv-budget 128,512
  done
}

code() {  # NAME POLICIES BUDGETS ARGUMENT...
  local name=$1 policies=$2 budgets=$3
  shift 3
  evaluate "$name" humaneval --allow-code-execution -m "$model" --prompt-style chat "${jobs[@]}" \
    --kv-policy "$policies" --kv-budget "$budgets" "$@"
}

run_code() {
  code humaneval full,rest-kv,snapkv,streaming-llm 128,256 --length 0,2048,4096,8192 -n 40
}

run_turns() {
  local policies=full,rest-kv,rest-kv:temporal=mean,rest-kv:indicator=attn,snapkv,streaming-llm
  code turns "$policies" 128,256,512 --multi-turn --length 1024,2048 -n 40 --kv-schedule turn
}

# The full cache and an evicted one by ggml's kernels, beside ours in the first part.
run_kernels() {
  ruler kernels --task niah_multikey_1,json_words --length 2048 -n 20 --kernels ggml \
    --kv-policy full,rest-kv,snapkv --kv-budget 64,256
}

# One layer of a 70B model at 262,144 tokens, keys of a structure of ours.
layer() {  # KERNEL BUDGET POLICIES
  echo "== layer, kernel $1, budget $2"
  "$restkv" bench layer --shape llama3-70b --ctx 262144 --no-prefill --policies "$3" \
    --kv-kernel "$1" --kv-budget "$2" --json > "$out/layer-k$1-b$2.json.part"
  mv "$out/layer-k$1-b$2.json.part" "$out/layer-k$1-b$2.json"
}

run_layer() {
  layer 21 1024 full,rest-kv,snapkv,streaming-llm
  layer 5 1024 rest-kv,snapkv
  layer 21 4096 rest-kv,snapkv
}

# Fills `lines` with the files that there are: of a run, or of results/.
find_lines() {
  local name packed=$out/packed
  mkdir -p "$packed"
  lines=()
  for name in "${names[@]}"; do
    if [[ -s $out/$name.jsonl ]]; then
      lines+=("$out/$name.jsonl")
    elif [[ -e results/$name.jsonl.xz ]]; then
      xz -dc "results/$name.jsonl.xz" > "$packed/$name.jsonl.part"
      mv "$packed/$name.jsonl.part" "$packed/$name.jsonl"
      lines+=("$packed/$name.jsonl")
    fi
  done
}

# Fills `layers` with the files of the part of that name.
find_layers() {
  layers=("$out"/layer-*.json)
  [[ -e ${layers[0]} ]] || layers=(results/layer-*.json)
}

report() {
  local lines layers policy against=()
  find_lines
  find_layers
  for policy in snapkv adakv pyramidkv h2o tova lacache streaming-llm rest-kv; do
    grep -qsm1 "\"policy\":\"$policy\"" "${lines[@]}" && against+=(--against "$policy")
  done
  "$restkv" report "${lines[@]}" "${against[@]}" --json > "$out/report.json"
  "$restkv" report "${lines[@]}" --title "What eviction costs" --html "$out/report.html" \
    --markdown "$out/report.md"
  "$python" scripts/study_tables.py "$out/report.json" docs/study.md "${lines[@]}" "${layers[@]}"
  "$python" scripts/study_picture.py "$out/report.json" docs/images/study-ruler.svg
}

pack() {
  local name layers
  mkdir -p results
  find_layers
  [[ ${layers[0]} == results/* ]] || cp "${layers[@]}" results
  for name in "${names[@]}"; do
    [[ -s $out/$name.jsonl ]] || continue
    xz -9e -c "$out/$name.jsonl" > "results/$name.jsonl.xz.part"
    mv "results/$name.jsonl.xz.part" "results/$name.jsonl.xz"
  done
  ls -l results
}

command=${1:-}
shift || true
case $command in
  run)
    mkdir -p "$out"
    [[ $# -gt 0 ]] && parts=("$@")
    for part in "${parts[@]}"; do
      declare -F "run_$part" > /dev/null || { echo "there is no part $part" >&2; exit 2; }
      "run_$part"
    done
    ;;
  report) report ;;
  pack) pack ;;
  *) sed -n '2,21s/^# \{0,1\}//p' "$self"; exit 2 ;;
esac
