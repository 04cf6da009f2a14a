# Everything from a bare clone: Python >= 3.11, git and make are enough. `make` alone lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
TORCH_INDEX ?=#       wheel index for torch, e.g. PyTorch's own for CPU or one CUDA version; empty: pip's default
WORKERS ?= 2
DURATION ?= 40m#      of the memory run in `make soak`: 90s, 40m, 8h
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
DISTRIBUTIONS := envs $(wildcard plugins/*)
EDITABLE := -e '.[test,check]' $(foreach folder,$(DISTRIBUTIONS),-e './$(folder)[test]')
DEBIAN := libegl1 libgl1-mesa-dri libosmesa6#   MuJoCo draws without a window through these
DEBIAN_TESTS := chromium postgresql bubblewrap libseccomp2#   only tests use these: a browser, a database server, a sandbox
STAMP := $(shell date +%Y%m%d-%H%M%S)

.PHONY: help setup demo test check docs dist bench-speed soak soak-human soak-icpl clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

setup: .venv/.debian .venv/.installed ## create .venv with everything in it, torch first

.venv/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "prefrl needs Python 3.11 or newer; this is $$($(PYTHON) -V). Name another one: make setup PYTHON=python3.12" >&2; exit 3; }
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/.torch: .venv/.created constraints.txt
	@echo "installing torch (plain pip on Linux may bring the CUDA build of several GB; TORCH_INDEX chooses another)"
	@$(PIP) install "$$(grep -E '^torch==' constraints.txt)" $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	@touch $@

.venv/.installed: .venv/.torch pyproject.toml $(wildcard $(addsuffix /pyproject.toml,$(DISTRIBUTIONS)))
	@echo "installing prefrl, its environments and plugins"
	@$(PIP) install --constraint constraints.txt $(EDITABLE)
	@touch $@

define install_debian
	@missing=""; \
	if command -v dpkg-query >/dev/null; then \
	  for package in $(1); do dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing+=" $$package"; done; \
	fi; \
	if [ -n "$$missing" ] && [ "$$(id -u)" = 0 ]; then \
	  echo "installing Debian packages:$$missing"; \
	  { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $$missing; } >/dev/null || \
	    { echo "could not install:$$missing" >&2; [ -z "$${CI:-}" ]; }; \
	elif [ -n "$$missing" ]; then echo "not installed, and not root:$$missing ($(2))"; fi
	@touch $@
endef

.venv/.debian: .venv/.created
	$(call install_debian,$(DEBIAN),prefrl doctor says whether clips can be drawn)

.venv/.debian-tests: .venv/.created Makefile
	$(call install_debian,$(DEBIAN_TESTS),the tests that need them are listed at their end)

demo: setup ## learn HalfCheetah from 50 rankings of four clips, beside the ground-truth arm; prints the table and the report
	@export OMP_NUM_THREADS=1; mkdir -p runs; \
	$(BIN)/prefrl train configs/demo_ground_truth.yaml --run runs/demo-ground-truth-$(STAMP) >runs/demo-ground-truth-$(STAMP).log 2>&1 & truth=$$!; \
	trap 'kill $$truth 2>/dev/null || true' EXIT; \
	$(BIN)/prefrl train configs/demo.yaml --run runs/demo-$(STAMP); \
	echo "waiting for the ground-truth arm"; \
	wait $$truth || { tail -n 20 runs/demo-ground-truth-$(STAMP).log >&2; exit 1; }; \
	$(BIN)/prefrl report runs/demo-$(STAMP) --with runs/demo-ground-truth-$(STAMP)

test: setup .venv/.debian-tests ## all tests, on two workers, with a time report
	@$(BIN)/python -m pytest -n $(WORKERS) --durations=10

check: setup .venv/.debian-tests docs ## ruff, mypy --strict, import rules, documentation
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

docs: setup ## build the documentation; a false page or a warning is an error
	@$(BIN)/python -m pytest -q tests/test_docs.py
	@$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

dist: setup ## wheels and sdists of prefrl, its environments and plugins, into dist/
	@rm -rf dist
	@for folder in . $(DISTRIBUTIONS); do $(BIN)/python -m build --no-isolation --outdir dist $$folder >/dev/null; done
	@$(BIN)/python -m twine check --strict dist/*

bench-speed: setup ## time a preference run against plain Stable-Baselines3, interleaved
	@$(BIN)/python tests/soak/speed.py

soak: setup .venv/.debian-tests ## what needs hours: the long forms of tests; then trains over and over for DURATION, watching memory
	@$(BIN)/python -m pytest tests/soak --timeout=0
	@$(BIN)/python tests/soak/fuzz_configs.py
	@$(BIN)/python tests/soak/mutations.py
	@$(BIN)/python tests/soak/memory.py --duration $(DURATION)

soak-human: setup .venv/.debian-tests ## the long forms of what prefrl-human promises: browser, kill -9, many annotators, agreement, a robot taught by clicks
	@PREFRL_LONG=1 $(BIN)/python -m pytest plugins/prefrl-human/tests plugins/prefrl-human/tests/soak --timeout=0 -s

soak-icpl: setup .venv/.debian-tests ## a thousand programs in a row in the sandbox; kill -9 of a run with a language model in each phase
	@$(BIN)/python -m pytest plugins/prefrl-icpl/tests/soak --timeout=0

clean: ## remove .venv and everything built
	@rm -rf .venv docs/_build .*_cache build dist
