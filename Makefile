# The commands of the template itself: `make` alone lists them. The generated project has a Makefile of its own.

# Which store `make dev`, `make demo` and `make soak` start with: memory, dynamo or redis. Empty: the default.
STORE   ?=
# For `make soak` and `make model`: how long they take, and what decides on what happens (empty: chance).
MINUTES ?= 30
SEED    ?=
# For `make soak`: WORKERS=redis has workers run the jobs, and harms those alone.
WORKERS ?=
# More answers for the baked project, in cookiecutter's way: make dev ANSWERS='project_name="My App" license=MIT'
ANSWERS ?=
PYTHON  ?= python3

TEMPLATE := <<cookiecutter.project_slug>>
PROJECT  := build/project
BIN      := .venv/bin
PY       := $(BIN)/python
TOOLS    := .venv/.tools-installed
HOSTS    := .venv/.hosts-installed
# What the baked project installs into, too.
ONE      := VENV=../../.venv
# By uv, which takes a fifth of pip's time; where it cannot be had, or cannot do it, by pip. $(1): files of pins with hashes.
PINNED = --no-deps --require-hashes
CONSTRAINTS = '$(TEMPLATE)/backend/constraints.txt'
define install
	@command -v uv >/dev/null || { sed -n '/^uv==/,/[^\]$$/p' $(CONSTRAINTS) > $(BIN)/uv.txt && \
	  $(PY) -m pip install -q --disable-pip-version-check $(PINNED) -r $(BIN)/uv.txt; } || true
	@PATH="$$PATH:$(BIN)" && uv pip install -q --python $(PY) $(PINNED) $(1) || { \
	  echo "uv could not install them (see above); trying pip ..." >&2; \
	  $(PY) -m pip install -q --disable-pip-version-check $(PINNED) $(1); }
endef

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup bake dev demo check test test-all faults lint format clean bench bench-ui model soak
.NOTPARALLEL:

help: ## list the commands (this)
	@echo "The Streamator template: make <command>"
	@echo
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' Makefile

dev: bake ## bake the default project into build/project and run its `make dev`; STORE=dynamo, ANSWERS=...
	@$(MAKE) --no-print-directory -C $(PROJECT) dev $(ONE)

demo: bake ## walk through the baked app in a browser; screenshots and a video in build/project/e2e/demo/
	@$(MAKE) --no-print-directory -C $(PROJECT) demo $(ONE)

# Three tiers, each with all of the one before. CONTRIBUTING.md says what is in which, and what it takes.
check: setup ## lint, types, and the tests that need no server and no browser
	@$(PY) tests/run_all.py check

test: setup $(HOSTS) ## what decides: the same with bake tests, real stores, faults and the browser
	@$(PY) tests/run_all.py test

test-all: setup $(HOSTS) build/soak-tools/installed ## the same with what takes long, on a clock near zero and in a random order
	@$(PY) tests/run_all.py all

faults: $(TOOLS) ## write the library's table of faults anew, of what the last `make test-all` found
	@$(PY) tests/faults/table.py

lint: setup ## lint and type-check the sources where they stand
	@$(PY) tests/run_all.py check --only lint

format: $(TOOLS) ## rewrite the Python sources in the one layout that `make lint` asks for
	@$(BIN)/ruff check --fix-only --select I hooks tests && $(BIN)/ruff format hooks tests
	@$(MAKE) --no-print-directory -C '$(TEMPLATE)' format -o ../.venv/.installed VENV=../.venv

bake: $(TOOLS) ## bake the default project into build/project
	@$(PY) tests/bake.py $(PROJECT) $(if $(STORE),store=$(STORE)) $(ANSWERS)

# One environment for the tools, for the baked project, whose libraries are installed into it, and for the sources where
# they stand, which are the same.
setup: bake
	@$(MAKE) --no-print-directory -C $(PROJECT) setup $(ONE)
	@$(MAKE) --no-print-directory -C '$(TEMPLATE)' node_modules/.installed

$(TOOLS): tests/requirements.txt $(TEMPLATE)/backend/constraints.txt
	@command -v $(PYTHON) >/dev/null 2>&1 || { echo "There is no '$(PYTHON)' on the PATH. Install Python 3.10 or later, or name one: make PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "$(PYTHON) is $$($(PYTHON) --version 2>&1): too old. Install Python 3.10 or later, or name one: make PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments. Debian and Ubuntu keep that apart: apt install python3-venv" >&2; exit 2; }
	@echo "Installing the template's tools into .venv ..."
	@test -x $(PY) && $(PY) -c '' 2>/dev/null || { rm -rf .venv && $(PYTHON) -m venv .venv; }
	$(call install,-r tests/requirements.txt -r $(CONSTRAINTS))
	@touch $@

# The job queues and servers that tests/hosts runs the libraries in.
$(HOSTS): tests/hosts/requirements.txt $(TOOLS)
	@echo "Installing what the libraries are tried in into .venv ..."
	$(call install,-r $<)
	@touch $@

# What every run of the tests has a few cases of, the same each time: here with new ones.
model: setup ## random schedules against a model of a log, until one fails, for MINUTES=30, SEED=...
	@cd '$(TEMPLATE)/libs/streamator' && seed=$(or $(SEED),$$(date +%s)) && end=$$(( $$(date +%s) + 60 * $(MINUTES) )) && \
	while [ $$(date +%s) -lt $$end ]; do \
	  echo "== seed $$seed ==" && \
	  MODEL_EXAMPLES=300 "$(CURDIR)/$(PY)" -m pytest -q tests/test_model.py tests/test_model_attempts.py --hypothesis-seed=$$seed || exit; \
	  seed=$$(( seed + 1 )); \
	done

bench: build/bench/installed ## the library beside its peers and the limit, with a plot; BENCH=--quick takes 3 minutes
	@build/bench/venv/bin/python tests/benchmarks/run.py $(BENCH)

build/bench/installed: tests/benchmarks/requirements.txt
	@echo "Installing what is compared into build/bench ..."
	@$(PYTHON) -m venv build/bench/venv
	@build/bench/venv/bin/python -m pip install -q --disable-pip-version-check $(PINNED) -r tests/benchmarks/requirements.txt
	@rm -rf build/bench/streamator-0.2.1
	@build/bench/venv/bin/python -m pip install -q --disable-pip-version-check $(PINNED) \
		--target build/bench/streamator-0.2.1 -r tests/benchmarks/streamator.txt
	@touch $@

bench-ui: tests/benchmarks/ui/node_modules ## the log panel under load in Chromium, beside its peers; BENCH_UI='--rounds 5 --steady 100'
	@node tests/benchmarks/ui/run.mjs $(BENCH_UI)

tests/benchmarks/ui/node_modules: tests/benchmarks/ui/package-lock.json
	@npm ci --silent --prefix tests/benchmarks/ui
	@touch $@

soak: bake build/soak-tools/installed ## the servers under load and faults for MINUTES=30, SEED=...; the report is in build/soak
	@$(MAKE) --no-print-directory -C $(PROJECT) ../../.venv/.installed $(ONE)
	@PYTHONPATH=tests build/soak-tools/bin/python -m soak --python "$(CURDIR)/$(PY)" --minutes $(MINUTES) $(STORE:%=--store %) $(WORKERS:%=--workers %) $(SEED:%=--seed %)

build/soak-tools/installed: tests/soak/requirements.txt
	@echo "Installing what a soak needs into build/soak-tools ..."
	@$(PYTHON) -m venv build/soak-tools
	@build/soak-tools/bin/python -m pip install -q --disable-pip-version-check $(PINNED) -r $<
	@touch $@

clean: ## delete all that is installed, built or baked
	rm -rf tests/faults/dynalite/node_modules tests/benchmarks/ui/node_modules tests/benchmarks/ui/dist build .venv .ruff_cache .mypy_cache .pytest_cache
	find hooks tests -name __pycache__ -prune -exec rm -rf {} +
	@$(MAKE) --no-print-directory -C '$(TEMPLATE)' clean
