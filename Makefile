# Two commands matter to a newcomer: `make demo` and `make test`. Each sets up all it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup demo test test-full check bench clean

setup: $(STAMP)

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=…"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) …"
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(STAMP)

demo: $(STAMP)  ## a whole session on this machine: the TUI on a terminal, else a script that prints each step
	@$(BIN)/python tests/scenarios/demo.py

test: $(STAMP)  ## minutes; what needs a missing part is skipped with the reason
	$(BIN)/python -m pytest -q -n 3 --dist loadfile -m "not full"

test-full: $(STAMP)  ## real servers, floods, long faults
	$(BIN)/python -m pytest -q

check: $(STAMP)  ## format, lint, types, architecture, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py
	$(MAKE) test

bench: $(STAMP)  ## side-by-side measurements; medians and ratios of one run
	$(BIN)/python -m bench

clean:
	rm -rf $(VENV) .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
