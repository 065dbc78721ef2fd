# `make run` and `make test` build .venv from nothing and then do their job.
.PHONY: help run test tests fast lint format slow smoke soak dft-test benchmark hooks clean
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
export DO_NOT_TRACK = 1
# Two torch threads are many times slower than one on small machines: one thread a process, parallel by processes.
export OMP_NUM_THREADS = 1

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1|\2/' | column -t -s '|'

# torch first and by its exact version: asked for later, by another package, it may bring gigabytes of CUDA.
# Not compiled at once: of the modules installed a run imports a third, and compiles those as it does.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'gnome_lite needs Python >= 3.11')"
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --progress-bar off --no-compile "$$(grep '^torch==' constraints.txt)"
	$(BIN)/python -m pip install --quiet --progress-bar off --no-compile --constraint constraints.txt --editable '.[test,postgres]'
	touch $@

run: .venv/installed ## a first campaign: three rounds on the bundled reference phases
	$(BIN)/gnome-lite run

# Every benchmark at its smallest size is one of the slow tests.
test: .venv/installed ## everything CI runs
	$(MAKE) -j2 lint tests

lint: .venv/installed ## linters, types and import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/installed ## mend what the linters can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Files side by side in two processes; the types are checked beside them, as that takes one core.
tests: .venv/installed ## all tests but real DFT and the full counts of `soak`
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not soak and not dft"

fast: .venv/installed ## the fast tests
	$(BIN)/pytest -n 2 --dist loadfile

slow: .venv/installed ## the tests that take longer
	$(BIN)/pytest -n 2 --dist loadfile -m "slow and not soak"

smoke: .venv/installed ## every benchmark at its smallest size
	$(BIN)/python -m benchmarks --smoke

# A test that falls keeps none from running, and its result is in the report.
soak: .venv/installed ## the full counts of the reliability promises (two hours); goes on where it stopped
	$(BIN)/pytest -n 2 --dist worksteal -m soak; status=$$?; $(BIN)/python tests/soak_report.py; exit $$status

# Real DFT: GPAW of Debian, which runs in Debian's own Python as a child of ours.
dft-test: .venv/installed ## tests with real DFT; installs Debian's GPAW (minutes)
	/usr/bin/python3 -c 'import gpaw' 2>/dev/null || $(if $(filter 0,$(shell id -u)),,sudo) apt-get install -y gpaw gpaw-data
	$(BIN)/pytest -m dft

benchmark: .venv/installed ## every benchmark beside its peers (hours); NAME=stability for some, LONG=1 for the long ones
	$(BIN)/python -m pip install --quiet --progress-bar off --no-compile --constraint constraints.txt --editable '.[benchmark]'
	$(BIN)/python -m benchmarks $(NAME) $(if $(LONG),--long)

hooks: .venv/installed ## run linters before each commit
	$(BIN)/pre-commit install

clean: ## remove the environment and builds
	rm -rf .venv dist build
