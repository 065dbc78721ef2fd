# `make run` and `make test` build .venv from nothing and then do their job.
.PHONY: help run test fast lint format hooks slow smoke soak dft-test benchmark clean
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --progress-bar off
export DO_NOT_TRACK = 1
# Two torch threads are many times slower than one on small machines: one thread a process, parallel by processes.
export OMP_NUM_THREADS = 1

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | awk -F '\t' '{printf "make %-10s %s\n", $$1, $$2}'

# torch first and by its exact version: asked for later, by another package, it may bring gigabytes of CUDA.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'gnome_lite needs Python >= 3.11')"
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) "$$(grep '^torch==' constraints.txt)"
	$(PIP) --constraint constraints.txt --editable '.[test,postgres]'
	touch $@

.venv/peers: .venv/installed
	$(PIP) --constraint constraints.txt --editable '.[benchmark]'
	touch $@

run: .venv/installed ## a first campaign: three rounds on the bundled seed, five minutes
	$(BIN)/gnome-lite run

# Files side by side in two processes, the slow ones as well: half of those use one core only.
test: lint ## what CI runs: lint, all tests, every benchmark at its smallest size
	$(BIN)/pytest -n 2 --dist loadfile
	$(BIN)/pytest -n 2 --dist loadfile -m "slow and not soak"

fast: .venv/installed ## the tests of minutes alone
	$(BIN)/pytest -n 2 --dist loadfile

slow: .venv/installed ## the slow tests alone
	$(BIN)/pytest -n 2 --dist loadfile -m "slow and not soak"

soak: .venv/installed ## the full counts of the reliability promises, hours
	$(BIN)/pytest -m soak

# Real DFT: GPAW of Debian, which runs in Debian's own Python as a child of ours.
dft-test: .venv/installed ## installs Debian's GPAW and runs the tests that need real DFT, minutes
	/usr/bin/python3 -c 'import gpaw' 2>/dev/null || $(if $(filter 0,$(shell id -u)),,sudo) apt-get install -y gpaw gpaw-data
	$(BIN)/pytest -m dft

lint: .venv/installed ## linter, formatter, types, import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/installed ## mends what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

hooks: .venv/installed ## has git run the linters before each commit
	$(BIN)/pre-commit install

benchmark: .venv/peers ## every figure beside its peer; NAME=stability for some, LONG=1 for the long ones too
	$(BIN)/python -m benchmarks $(NAME) $(if $(LONG),--long)

smoke: .venv/installed ## every benchmark at its smallest size: does it still run?
	$(BIN)/python -m benchmarks --smoke $(NAME)

clean: ## removes .venv and what was built
	rm -rf .venv dist build
