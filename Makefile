# Every target sets up .venv by itself when it is missing or older than pyproject.toml.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: setup run test check bench clean

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable ".[examples]" --group dev
	touch $(READY)

setup: $(READY)  ## create .venv and install everything

run: $(READY)  ## run the first experiment on the local engine
	$(BIN)/python -m sweeper +experiment=lora_ranks

test: $(READY)  ## run the tests
	$(BIN)/python -m pytest -q

check: $(READY)  ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)  ## ratios of time and memory, measured in one run
	$(BIN)/python -m benchmarks

clean:  ## remove the environment and everything a run leaves behind
	rm -rf $(VENV) runs .sweeper
