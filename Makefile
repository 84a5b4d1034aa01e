# Two commands from a fresh machine: `make demo` and `make test`. CMake does the building; this file
# only puts set-up, configure, build and run in order. `make help` lists the targets.

JOBS ?= $(shell nproc 2>/dev/null || echo 2)
PYTHON := .deps/venv/bin/python3
SOURCES = git ls-files --cached --others --exclude-standard -- '*.h' '*.cpp'

.DEFAULT_GOAL := help
.PHONY: help setup build demo eval-smoke test asan tsan format tidy clean
# What runs below may call make itself: it must not take itself for a part of this one.
APART := env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: ## packages, virtual environment and default model, whatever of it is missing
	@$(APART) scripts/setup.sh

# configure_and_build PRESET
define configure_and_build
	@$(APART) cmake --preset $(1) --log-level=NOTICE
	@$(APART) cmake --build --preset $(1) --parallel $(JOBS)
endef

build: setup ## the release build: build/restkv
	$(call configure_and_build,release)

demo: build ## a question about a long text, with the full cache and with 256 entries
	@$(PYTHON) scripts/demo.py

eval-smoke: build ## a small evaluation of the default model: a table, and a page in build/eval-smoke
	@scripts/eval_smoke.sh

test: build ## all tests
	@ctest --test-dir build --output-on-failure --no-label-summary

asan: setup ## unit tests under the address and undefined-behaviour sanitizers
	$(call configure_and_build,asan)
	@ctest --preset asan --no-label-summary

tsan: setup ## unit tests under the thread sanitizer
	$(call configure_and_build,tsan)
	@ctest --preset tsan --no-label-summary

format: ## clang-format over all C++ files
	@$(SOURCES) | xargs -r clang-format -i

tidy: setup ## clang-tidy over all C++ sources, after a dev build
	$(call configure_and_build,dev)
	@$(SOURCES) | grep '\.cpp$$' | xargs -r -P $(JOBS) -n 4 clang-tidy --quiet -p build-dev

clean: ## remove all builds; the set-up in .deps stays
	rm -rf build build-dev build-asan build-tsan
