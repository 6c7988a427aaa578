PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint bench gpu clean

demo: .venv/ready
	$(BIN)/automask demo

test: lint
	$(BIN)/pytest

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/ready
	$(BIN)/python -m benchmarks

gpu: .venv/ready
	$(BIN)/python -m benchmarks.gpu

clean:
	rm -rf .venv demo

.venv/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "automask needs Python 3.11 or newer, this is %d.%d; try: make PYTHON=python3.12" % sys.version_info[:2])'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@
