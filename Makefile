# `make run` and `make test` build .venv from nothing and then do their job.
.PHONY: help run test fast lint slow soak dft-test benchmark clean
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
export DO_NOT_TRACK = 1
# Two torch threads are many times slower than one on small machines: one thread a process, parallel by processes.
export OMP_NUM_THREADS = 1

help:
	@echo "make run    a first campaign: three rounds on the bundled seed"
	@echo "make test   linters, types, import contract and all tests CI runs"
	@echo "make dft-test  installs Debian's GPAW and runs the tests that need real DFT (minutes)"

# torch first and by its exact version: asked for later, by another package, it may bring gigabytes of CUDA.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'gnome_lite needs Python >= 3.11')"
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --progress-bar off "$$(grep '^torch==' constraints.txt)"
	$(BIN)/python -m pip install --quiet --progress-bar off --constraint constraints.txt --editable '.[test,postgres]'
	touch $@

run: .venv/installed
	$(BIN)/gnome-lite run

# Files side by side in two processes, the slow ones as well: half of those use one core only.
test: lint
	$(BIN)/pytest -n 2 --dist loadfile
	$(BIN)/pytest -n 2 --dist loadfile -m "slow and not soak"

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fast: .venv/installed
	$(BIN)/pytest -n 2 --dist loadfile

slow: .venv/installed
	$(BIN)/pytest -n 2 --dist loadfile -m "slow and not soak"

soak: .venv/installed
	$(BIN)/pytest -m soak

# Real DFT: GPAW of Debian, which runs in Debian's own Python as a child of ours.
dft-test: .venv/installed
	/usr/bin/python3 -c 'import gpaw' 2>/dev/null || $(if $(filter 0,$(shell id -u)),,sudo) apt-get install -y gpaw gpaw-data
	$(BIN)/pytest -m dft

benchmark: .venv/installed
	$(BIN)/python -m benchmarks

clean:
	rm -rf .venv dist build
