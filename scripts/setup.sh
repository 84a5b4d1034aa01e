#!/usr/bin/env bash
# Sets up everything that building, testing and the demo need. Safe to run again, and after Ctrl-C:
# each step looks at what is there and does only what is missing. Uses the network only then.
#
#   CMAKE_PREFIX_PATH      a prefix with its own llama.cpp: llama-cpp-python is not built
#   RESTKV_SYSTEM_LLAMA=1  the same, for a llama.cpp that CMake finds without help
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
deps=$root/.deps
venv=$deps/venv

say() { echo "setup: $*" >&2; }
die() { say "$*"; exit 1; }

# run_logged LOG COMMAND...: output goes to LOG, whose tail is shown if the command fails.
run_logged() {
  local log=$1
  shift
  if "$@" >"$log" 2>&1 </dev/null; then return 0; fi
  tail -n 30 "$log" >&2
  die "failed: $* (whole log: $log)"
}

# Lines of a list file without comments.
entries() { grep -v -e '^#' -e '^[[:space:]]*$' "$1"; }

# A second set-up in the same tree waits for the first.
take_lock() {
  command -v flock >/dev/null || return 0
  exec 9>"$deps/setup.lock"
  flock -n 9 && return 0
  say "waiting for another set-up of this tree"
  flock 9
}

missing_packages() {
  local package
  for package in $(entries "$root/scripts/debian-packages.txt"); do
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || echo "$package"
  done
}

setup_packages() {
  if ! command -v dpkg-query >/dev/null; then
    say "not a Debian system; the packages of scripts/debian-packages.txt are taken to be there"
    return 0
  fi
  local missing
  missing=$(missing_packages | tr '\n' ' ')
  missing=${missing% }
  [[ -n $missing ]] || return 0
  if [[ $(id -u) != 0 ]]; then
    die "packages are missing, run: sudo apt-get install --no-install-recommends $missing"
  fi
  say "installing Debian packages: $missing"
  export DEBIAN_FRONTEND=noninteractive
  run_logged "$deps/apt.log" dpkg --configure -a # heals an interrupted installation
  run_logged "$deps/apt.log" apt-get update
  # shellcheck disable=SC2086  # one word per package
  run_logged "$deps/apt.log" apt-get install -y --no-install-recommends \
    -o DPkg::Lock::Timeout=300 $missing
}

# True if the user brings a llama.cpp.
has_own_llama() {
  [[ ${RESTKV_SYSTEM_LLAMA:-0} == 1 ]] && return 0
  local prefixes prefix
  IFS=':;' read -r -a prefixes <<<"${CMAKE_PREFIX_PATH:-}"
  for prefix in "${prefixes[@]}"; do # lib, lib64 or lib/<triplet>
    compgen -G "$prefix/lib*/cmake/llama/llama-config.cmake" >/dev/null && return 0
    compgen -G "$prefix/lib/*/cmake/llama/llama-config.cmake" >/dev/null && return 0
  done
  [[ -z ${CMAKE_PREFIX_PATH:-} ]] || say "no llama.cpp under CMAKE_PREFIX_PATH, taking llama-cpp-python's"
  return 1
}

# The first Python that can make a virtual environment.
find_python() {
  local python
  for python in python3 /usr/bin/python3; do
    if "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$python"
      return 0
    fi
  done
  die "no Python 3.11 or newer that can make a virtual environment (Debian: apt-get install python3-venv)"
}

setup_venv() {
  if [[ -x $venv/bin/python3 ]] &&
    compgen -G "$venv/lib/python3*/site-packages/pip-*.dist-info/RECORD" >/dev/null; then
    return 0
  fi
  local python
  python=$(find_python)
  say "making the virtual environment .deps/venv"
  run_logged "$deps/venv.log" "$python" -m venv --clear "$venv"
}

# is_installed NAME VERSION. pip writes RECORD last: without it the package is not whole, and pip must
# not take it for installed.
is_installed() {
  local info
  for info in "$venv"/lib/python3*/site-packages/"${1//-/_}-$2.dist-info"; do
    [[ -s $info/RECORD ]] && return 0
    rm -rf "$info"
  done
  return 1
}

# ggml's AMX kernels crash as compiled by GCC before 12.4 and 13.3: its _tile_loadconfig() does not say
# that it reads 64 bytes, so that most of the configuration is never stored (GCC bug 114098).
compiler_flags() {
  local version
  version=$("${CXX:-c++}" -dumpfullversion 2>/dev/null) || return 0
  "${CXX:-c++}" --version | grep -q 'Free Software Foundation' || return 0
  case $version in
    11.* | 12.[0-3].* | 13.[0-2].*) echo "-mno-amx-tile -mno-amx-int8 -mno-amx-bf16" ;;
  esac
}

# build_llama COMMAND...: the command, with what ggml's build is told.
build_llama() {
  local off=(-DLLAVA_BUILD=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_EXAMPLES=OFF) flags=''
  [[ $(uname -m) != x86_64 ]] || flags=$(compiler_flags)
  # The flags are one value with blanks, which CMAKE_ARGS would split: CMake takes them from here.
  CMAKE_ARGS="${off[*]}" CMAKE_BUILD_PARALLEL_LEVEL=$(nproc) \
    CFLAGS="${CFLAGS:-} $flags" CXXFLAGS="${CXXFLAGS:-} $flags" run_logged "$deps/llama.log" "$@"
}

setup_python_packages() {
  local skip='^$' requirement llama='' others=()
  if has_own_llama; then
    skip='^llama-cpp-python=='
    say "using your own llama.cpp; tests that compare through llama-cpp-python are skipped"
  fi
  for requirement in $(entries "$root/scripts/requirements.txt" | grep -v -e "$skip"); do
    is_installed "${requirement%%==*}" "${requirement##*==}" && continue
    case $requirement in
      llama-cpp-python==*) llama=$requirement ;;
      *) others+=("$requirement") ;;
    esac
  done
  local pip=("$venv/bin/python3" -m pip install --disable-pip-version-check --no-deps)
  if [[ ${#others[@]} -gt 0 ]]; then
    say "installing Python packages: ${others[*]}"
    run_logged "$deps/pip.log" "${pip[@]}" "${others[@]}"
  fi
  if [[ -n $llama ]]; then
    say "building ggml and libllama ($llama), about 6 minutes, once; log: .deps/llama.log"
    # pip's cache may hold a build for another CPU, or by another compiler.
    build_llama "${pip[@]}" --no-cache-dir --verbose "$llama"
  fi
}

trap 'say "interrupted, run it again to go on"; exit 130' INT
mkdir -p "$deps"
take_lock
setup_packages
setup_venv
setup_python_packages
"$root/scripts/get-model.sh" smollm2-135m
