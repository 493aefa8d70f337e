# Every target makes the virtual environment itself when it is missing.
# PYTHON chooses the interpreter it is made with (3.11 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-compile --constraint constraints.txt
JOBS ?= 2

# Tests start some 25 interpreters. Where no byte code may be kept, each of them compiles torch anew:
# the suite took 539 s instead of 423.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check types bench docs integrations dist changelog format clean

demo: $(VENV)/.demo  ## train real networks, measure their minima, judge them: runs/demo/report.html
	$(BIN)/passband demo $(ARGS)

test: $(VENV)/.dev  ## the test suite, on JOBS processes
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

check: $(VENV)/.dev  ## everything that is checked before anything is merged
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(MAKE) --jobs 2 types test

types: $(VENV)/.dev  ## strict types, and that every public symbol has one
	$(BIN)/pyright
	@PATH="$(CURDIR)/$(BIN):$$PATH" pyright --verifytypes passband --ignoreexternal | grep "score: 100%"

bench: $(VENV)/.dev  ## benchmarks: work and seconds, side by side
	@for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

docs: $(VENV)/.docs  ## every example in the documentation, run; the site: docs/_build/index.html
	$(BIN)/python -m pytest -q -n $(JOBS) --doctest-glob='*.md' README.md docs src --ignore-glob='docs/*.py' --ignore=docs/gallery
	cd docs && ../$(BIN)/python -m sphinx -q -W --keep-going -b html . _build

integrations: $(VENV)/.dev  ## our optimizers and the monitor inside other packages' trainers
	$(PIP) --editable '.[dev,integrations]'
	$(BIN)/python -m pytest tests/integrations tests/monitor tests/explore

dist: $(VENV)/.dev  ## wheel and sdist in dist/, the wheel made from the sdist
	$(PIP) build
	$(BIN)/python -m build

changelog: $(VENV)/.dev  ## CHANGELOG.md from the fragments in changelog.d/, which it removes: VERSION=0.2.0
	$(PIP) towncrier
	$(BIN)/towncrier build --yes --version $(VERSION)

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis dist build

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[demo]'
	@touch $@

$(VENV)/.docs: $(VENV)/.dev
	$(PIP) --editable '.[dev,docs]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[dev]'
	@touch $@
