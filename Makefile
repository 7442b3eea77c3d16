# Two commands for a newcomer: `make run` and `make test`. Everything else is for developers.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
WORKER ?= 1
# Half of the suite waits for leases and servers: on 2 cores it takes 11 minutes in one process,
# 6 in two and 5 in three (under 4 GiB). Whole files go to a process: many share a server.
PROCESSES ?= 3

INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
# Byte code is kept whatever the environment says: collecting takes 5 s of CPU a process, else 13.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/pytest --numprocesses $(PROCESSES) --dist loadfile

.PHONY: run test test-fast lint format bench soak calibrate gpu-prices pictures clean

# One stamp per set of packages: editing pyproject.toml or constraints.txt installs again.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# pip itself first: dependency groups need 25.1, a new Python 3.11 brings 23.
$(VENV)/.pip: constraints.txt | $(BIN)/python
	$(INSTALL) --upgrade pip
	@touch $@

$(VENV)/.bot: pyproject.toml constraints.txt $(VENV)/.pip
	$(INSTALL) --editable .
	@touch $@

# torch on its own and first, so that a CPU build lying at hand (pip's find-links) is taken.
$(VENV)/.worker: $(VENV)/.bot
	$(INSTALL) torch==2.13.0
	$(INSTALL) --editable ".[worker]"
	@touch $@

$(VENV)/.dev: $(VENV)/.bot
	$(INSTALL) --group dev
	@touch $@

INSTALLED := $(VENV)/.bot $(if $(filter 1,$(WORKER)),$(VENV)/.worker)

run: $(INSTALLED)
	$(BIN)/k2c up

test: $(INSTALLED) $(VENV)/.dev lint
	$(PYTEST)

test-fast: $(VENV)/.dev
	$(PYTEST) -m "not slow and not browser and not gpu and not net and not soak and not bench" -x

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.dev
	$(BIN)/pytest -m bench -s tests/bench

soak: $(VENV)/.dev
	$(BIN)/pytest -m soak -s tests/soak tests/compute/kernels

calibrate: $(VENV)/.dev
	$(BIN)/python -m compute.throughput.calibrate

# FEEDS: files or https addresses of the feeds named in content/catalogue/README.md
gpu-prices: $(VENV)/.bot
	$(BIN)/python -m content.refresh_gpu_prices $(FEEDS)

pictures: $(VENV)/.dev
	$(BIN)/python docs/make_pictures.py

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache
