PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-oldest lint docs package bench gpu licences sbom clean

demo: .venv/ready
	$(BIN)/automask demo

test: lint
	$(BIN)/pytest

test-oldest: .oldest/ready
	.oldest/bin/python -m pytest tests/training tests/ensembles tests/cli/test_commands.py tests/study

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The site, in site/, and the blocks of the docs that take long.
docs: .venv/ready
	$(BIN)/pytest -m docs tests/test_docs.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# The wheel and the sdist in dist/, and the demo run from each in an environment that has nothing else but
# what .venv has of other packages.
package: .venv/ready
	rm -rf dist .package
	$(BIN)/python -m build --no-isolation
	set -e; for file in dist/*; do \
	  folder=.package/$$(basename $$file); \
	  $(BIN)/python -m tests.helpers.environments $$folder $$file; \
	  $$folder/bin/automask demo $$folder/demo; \
	done

bench: .venv/ready
	$(BIN)/python -m benchmarks

gpu: .venv/ready
	$(BIN)/python -m benchmarks.gpu

licences: .venv/ready
	$(BIN)/automask licences

# What the development environment consists of, as CycloneDX, with automask as its root.
sbom: .venv/ready .sbom/ready
	.sbom/bin/cyclonedx-py environment --pyproject pyproject.toml --output-file sbom.cdx.json $(BIN)/python

.sbom/ready:
	$(PYTHON) -m venv .sbom
	.sbom/bin/pip install --quiet 'cyclonedx-bom>=7'
	touch $@

clean:
	rm -rf .venv .oldest .package .sbom build demo dist site sbom.cdx.json

# Gigabytes are fetched: the oldest versions that pyproject.toml allows, with those of tests/oldest.txt.
.oldest/ready: pyproject.toml tests/oldest.txt
	python3.11 -m venv .oldest
	.oldest/bin/pip install --quiet --constraint tests/oldest.txt --editable '.[cma]' 'setuptools>=77' pytest pytest-xdist hypothesis pyarrow pydicom tifffile
	touch $@

.venv/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "automask needs Python 3.11 or newer, this is %d.%d; try: make PYTHON=python3.12" % sys.version_info[:2])'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@
