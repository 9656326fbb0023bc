# Everything that a contributor types. `make` alone lists it.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
PYTHON := $(VENV)/bin/python
WEIR := $(VENV)/bin/weir
# Renewed when the lock or the project's metadata changes.
READY := $(VENV)/.ready
# Where `make run-local` keeps its dump, configuration and recovery folder.
LOCAL := .cache/run-local
# The cluster of `make run-local`: another one where KAFKA_BOOTSTRAP_SERVERS names it.
SERVERS := $(or $(KAFKA_BOOTSTRAP_SERVERS),127.0.0.1:19092)
# Workers of pytest; tests that need Kafka stay together in one of them.
JOBS ?= 2
PYTEST := $(PYTHON) -m pytest -q -n $(JOBS) --dist loadscope

.PHONY: help setup demo test test-fast soak bench lint format typecheck warm kafka-fetch kafka-up kafka-down run-local clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ---------------------------------------------------------------- environment
setup: $(READY) ## create .venv from requirements.lock (Python 3.11 or 3.12)

$(READY): requirements.lock pyproject.toml
	@if [ ! -x $(PYTHON) ]; then \
	  for candidate in $(BASE_PYTHON) python3.12 python3.11 python3 python; do \
	    if $$candidate -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' \
	      >/dev/null 2>&1; then base=$$candidate; break; fi; \
	  done; \
	  if [ -z "$${base:-}" ]; then \
	    echo "Weir needs Python 3.11 or 3.12 with venv (Debian: apt install python3 python3-venv);" \
	      "name another one with make BASE_PYTHON=/path/to/python" >&2; exit 1; fi; \
	  echo "creating $(VENV) with $$($$base --version)"; $$base -m venv $(VENV); \
	fi
	@echo "installing requirements.lock"
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

# ---------------------------------------------------------------- try it
demo: setup ## replay decades of real daily prices through the whole flow (results in demo-out)
	@$(WEIR) demo

run-local: kafka-up $(LOCAL)/published ## the flow live on a local Kafka, over a part of the demo's data; Ctrl-C drains it
	@echo "running on Kafka at $(SERVERS); orders go to the topic orders; Ctrl-C drains and stops"
	@KAFKA_BOOTSTRAP_SERVERS=$(SERVERS) $(WEIR) run --config $(LOCAL)/weir.yaml --recovery $(LOCAL)/recovery

$(LOCAL)/published: | setup kafka-up
	@mkdir -p $(LOCAL)
	@$(WEIR) demo --cycles 1000 --out $(LOCAL)/replay --json >/dev/null
	@$(WEIR) config show deploy/config/default.yaml --dump $(LOCAL)/replay/dump > $(LOCAL)/weir.yaml
	@export KAFKA_BOOTSTRAP_SERVERS=$(SERVERS); \
	  $(WEIR) topics create --config $(LOCAL)/weir.yaml; \
	  $(WEIR) publish $(LOCAL)/replay/dump --config $(LOCAL)/weir.yaml
	@touch $@

kafka-up: setup ## start the real Apache Kafka on 127.0.0.1:19092 (needs Java 17 and Maven)
	@$(PYTHON) -m flows.kafka.local_broker up

kafka-down: setup ## stop it; its data stays
	@$(PYTHON) -m flows.kafka.local_broker down

# ---------------------------------------------------------------- checks
test: setup lint typecheck kafka-fetch warm ## everything but the soak: what CI runs
	@$(PYTEST) -m "not soak"

test-fast: setup warm ## no Kafka, no processes: under a minute once kernels are compiled
	@$(PYTEST) -m "not soak and not kafka and not process"

soak: setup kafka-fetch warm ## the full matrices: crashes, worker counts, interleavings (long)
	@$(PYTHON) -m pytest -q -m soak

bench: setup ## speed and memory beside the plain Python loop; last line is one JSON object
	@$(PYTHON) -m benchmarks

lint: setup ## ruff: rules and format
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check --quiet . || { echo "make format puts the format right" >&2; exit 1; }

format: setup ## put the format right
	@$(PYTHON) -m ruff check --fix --quiet . || true
	@$(PYTHON) -m ruff format --quiet .

typecheck: setup ## mypy --strict
	@$(PYTHON) -m mypy --strict flows operators schemas

# Compiles the kernels into __pycache__ once, so that parallel tests load them.
warm: setup
	@$(WEIR) demo --cycles 100 --out .cache/warm --json >/dev/null

kafka-fetch: setup
	@$(PYTHON) -m flows.kafka.local_broker fetch >/dev/null || [ "$${CI:-}" != 1 ]

# ---------------------------------------------------------------- tidy up
clean: ## remove what runs and tests left; .venv and the fetched Kafka stay
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m flows.kafka.local_broker down >/dev/null 2>&1 || true; fi
	@rm -rf demo-out out build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info \
	  .cache/run-local .cache/kafka-local .cache/warm
	@find benchmarks flows operators schemas tests -name __pycache__ -prune -exec rm -rf {} +
