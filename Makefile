# Zoo
# Every command of the project. `make serve` and `make test` work on a fresh machine with Python
# 3.11, pip and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= ./zoo-data
PORT ?= 2181
PYTEST := $(BIN)/pytest
SEEDS ?= 0-9999
DURATION ?= 3m

.PHONY: setup serve test lint types unit fuzz interop sim campaign soak bench format clean
.DEFAULT_GOAL := test

setup: $(VENV)/.ready

# Debian's python3 may come without ensurepip; then the system's pip fills the environment.
$(VENV)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "Zoo needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then \
	    $(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet --editable '.[dev]'; \
	else \
	    $(PYTHON) -m venv --without-pip $(VENV) \
	    && $(PYTHON) -m pip --python $(BIN)/python install --quiet --editable '.[dev]'; \
	fi
	@touch $@

# A server on loopback, until Ctrl-C. `make serve PORT=2182 DATA=/somewhere` changes where.
serve: setup
	@echo "zoo: serving 127.0.0.1:$(PORT), data in $(DATA)"
	@exec $(BIN)/zoo serve --data-dir $(DATA) --client-port $(PORT)

# What every commit passes: quick, no other server needed.
test: lint types unit

unit: setup
	$(PYTEST) -m "not interop and not slow"

lint: setup
	$(BIN)/ruff check src tests bench examples
	$(BIN)/ruff format --check src tests bench examples

types: setup
	$(BIN)/mypy
	$(BIN)/mypy examples

format: setup
	$(BIN)/ruff check --fix src tests bench examples
	$(BIN)/ruff format src tests bench examples

# The property tests with new examples, many more of them.
fuzz: setup
	$(PYTEST) -m "hypothesis and not interop and not slow" --hypothesis-profile=fresh

# Against real clients and, where Java and its jars are (python -m tests.interop.java_peer), against
# the Java server; what is missing is skipped by name.
interop: setup
	$(PYTEST) -m "interop and not slow" -rs

# Servers, their disks, network and clients in virtual time, checked: one server, the protocol of an
# ensemble, whole ensembles, recipes in processes that fail too. A failing seed prints the command that replays it.
sim: setup
	$(BIN)/zoo simulate --seeds 0-199 --duration 30s --quiet
	$(BIN)/zoo simulate --zab --seeds 0-299 --duration 60s --quiet --jobs 2
	$(BIN)/zoo simulate --servers 0 --seeds 0-79 --duration 30s --quiet --jobs 2
	$(BIN)/zoo simulate --recipes --seeds 0-59 --duration 30s --quiet --jobs 2

# The same for hours: `make campaign SEEDS=10000-19999 DURATION=5m`.
campaign: setup
	$(BIN)/zoo simulate --zab --seeds $(SEEDS) --duration $(DURATION) --quiet --jobs 2
	$(BIN)/zoo simulate --servers 0 --seeds $(SEEDS) --duration $(DURATION) --quiet --jobs 2
	$(BIN)/zoo simulate --recipes --seeds $(SEEDS) --duration $(DURATION) --quiet --jobs 2

# Long campaigns: kill -9, faults, scale.
soak: setup
	$(PYTEST) -m slow -rs || [ $$? -eq 5 ]

# Zoo beside the Java server, some 15 minutes on an idle machine: throughput, then a million znodes;
# then its clients beside kazoo.
# Needs cc and java, and says so; `ARGS="--cells get16"` goes to the first of the two.
bench: setup
	$(BIN)/python -m bench.compare --ours "$(BIN)/zoo serve {config}" $(ARGS)
	$(BIN)/python -m bench.scale --ours "$(BIN)/zoo serve {config}"
	$(BIN)/python -m bench.clients --ours "$(BIN)/zoo serve {config}"

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
