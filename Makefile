# Two commands matter: `make demo` and `make test`. Both start from a bare checkout.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test check install clean

demo: $(VENV)/installed  ## curate the bundled sample traces into a release
	$(BIN)/tracemill curate demo

test: check  ## every check and every test
	$(BIN)/python -m pytest -n 2 --dist loadgroup

check: $(VENV)/installed-test  ## formatting, lint, types, import directions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

install: $(VENV)/installed  ## a virtual environment with tracemill in it

$(VENV)/installed: pyproject.toml constraints.txt
	@echo "installing tracemill into $(VENV), about a minute"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -qq --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(BIN)/pip install -qq --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
	touch $@

clean:  ## remove the virtual environment and the demo's lake
	rm -rf $(VENV) data/lake
