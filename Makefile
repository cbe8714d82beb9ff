# Every target sets up .venv by itself when it is missing or older than pyproject.toml.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
# The second row of the matrix: the coming Hydra.
NEXT   := .venv-next
HYDRA  := hydra-core==1.4.0rc3 omegaconf==2.4.1rc1
# Other people's clients of the engine, each in an environment of its own: they do not agree on what they need.
CLIENTS := .venv-clients
CLIENT_awscli := awscli
# its TrainingQueue imports nest-asyncio and does not ask for it; with us, for experiments with a builder
CLIENT_sdk2 := "sagemaker>=2.257,<3" nest-asyncio --editable .
CLIENT_sdk3 := "sagemaker-train>=1.27,<2" --editable .
# What trackers are told is read back by what they are for, which is large.
TRACKERS := .venv-trackers
TOLD     := "mlflow>=3,<4" "tensorboard>=2.18,<3" "pandas>=2,<4" "polars>=1,<3"

# What those import who sweep most, which is large: hot starts of it are measured. With CUDA, where the index has no other.
HOT      := .venv-hot
HEAVY    := torch "transformers>=4.50" xgboost-cpu "lightgbm>=4,<5"

# A kernel of Jupyter, and what drives one.
KERNEL   := .venv-kernel

# Where a machine tells Python not to keep what it compiles, each of some thousand processes would compile it anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: bench-hot setup run test test-matrix test-clients test-trackers check docs pictures bench bench-agent clean test-crash fuzz
.PHONY: pairs coverage release test-notebook notebook

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable ".[examples]" --group dev
	$(BIN)/python experiments/scripts/bump/build_wheels.py
	$(BIN)/python -m compileall -q sweeper
	touch $(READY)

setup: $(READY)  ## create .venv and install everything

run: $(READY)  ## run the first experiment on the local engine
	$(BIN)/python -m sweeper +experiment=lora_ranks

# Else each of the processes that run the tests would compile all of them.
$(VENV)/.compiled: $(READY)
	-$(BIN)/python -m pytest --collect-only -qq >/dev/null
	touch $@

test: $(VENV)/.compiled  ## run the tests, two processes for each core
	$(BIN)/python -m pytest -q -n auto --dist worksteal

$(NEXT)/.ready: pyproject.toml Makefile
	$(PYTHON) -m venv $(NEXT)
	$(NEXT)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(NEXT)/bin/python -m pip install --quiet --editable ".[examples]" --group dev $(HYDRA)
	touch $@

test-matrix: test $(NEXT)/.ready  ## run the tests on today's Hydra and on the coming one
	$(NEXT)/bin/python -m pytest -q -n auto --dist worksteal

$(CLIENTS)/%/.ready: Makefile
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(@D)/bin/python -m pip install --quiet $(CLIENT_$*)
	touch $@

test-clients: $(READY) $(CLIENTS)/awscli/.ready $(CLIENTS)/sdk2/.ready $(CLIENTS)/sdk3/.ready  ## AWS CLI and SageMaker SDKs
	SWEEPER_CLIENTS=$(CLIENTS) $(BIN)/python -m pytest -q -rsP -n auto --dist worksteal tests/clients

$(TRACKERS)/.ready: pyproject.toml Makefile
	$(PYTHON) -m venv $(TRACKERS)
	$(TRACKERS)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(TRACKERS)/bin/python -m pip install --quiet --editable ".[examples,mlflow,wandb,tensorboard]" --group dev $(TOLD)
	touch $@

test-trackers: $(TRACKERS)/.ready  ## MLflow on a real server, W&B's and TensorBoard's files, pandas and polars
	SWEEPER_TRACKERS=1 $(TRACKERS)/bin/python -m pytest -q -n auto --dist worksteal tests/trackers_real tests/contracts/test_trackers.py

$(KERNEL)/.ready: pyproject.toml
	$(PYTHON) -m venv $(KERNEL)
	$(KERNEL)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(KERNEL)/bin/python -m pip install --quiet --editable ".[examples,notebook]" --group dev "nbclient>=0.10,<1" "nbformat>=5.10,<6"
	touch $@

test-notebook: $(KERNEL)/.ready  ## docs/notebook.ipynb in a real kernel of Jupyter, which is interrupted too
	SWEEPER_KERNEL=1 $(KERNEL)/bin/python -m pytest -q tests/kernel_real

notebook: $(KERNEL)/.ready  ## docs/notebook.ipynb with its outputs anew
	$(KERNEL)/bin/python -m tools.notebook

test-crash: $(READY)  ## kill the runner at 200 random moments, and stop a sweep at 50 of its steps
	SWEEPER_TEST_KILLS=200 SWEEPER_TEST_STOPS=50 $(BIN)/python -m pytest -q tests/end_to_end/test_crashes.py -k any_moment

fuzz: $(READY)  ## 2,000 bad files and 2,000 command lines, some minutes each: no traceback, none that does not end
	SWEEPER_TEST_FUZZ=2000 $(BIN)/python -m pytest -q tests/fuzz

coverage: $(READY)  ## which lines of sweeper/ no test runs, in whatever process; the least covered modules come last
	$(BIN)/coverage erase
	-$(BIN)/coverage run -m pytest -q -n auto --dist worksteal
	-$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

check: $(READY)  ## ruff, mypy --strict, import-linter; prints the figures of the code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.figures

docs: $(READY)  ## write anew what follows from the code: defaults and schema in conf/, the reference, the blocks of help
	$(BIN)/python -m sweeper.config.defaults conf
	$(BIN)/python -m sweeper.config.schema conf/schema
	$(BIN)/python -m sweeper.config.reference docs/experiment-file.md
	$(BIN)/python -m sweeper.config.requests docs/requests.md
	$(BIN)/python -m sweeper.commands.shapes conf/schema/outputs docs/machine.md
	$(BIN)/python -m tests.documented
	$(BIN)/python -m tests.coming_from
	$(BIN)/python -m tools.api_page

pairs: $(READY)  ## two sweeps on one pool, the second taking it over from the first, killed at any moment: 5,000 seeds
	SWEEPER_PAIRS=5000 $(BIN)/python -m pytest -q tests/laws/test_pairs.py

pictures: $(READY)  ## docs/pictures/ anew, from a sweep that runs: a terminal and a browser (Chromium) are looked at
	$(BIN)/python -m tools.pictures

bench: $(READY) $(CLIENTS)/sdk3/.ready bench-hot  ## ratios of time and memory, measured in one run
	$(BIN)/python -m benchmarks

$(HOT)/.ready: pyproject.toml Makefile
	$(PYTHON) -m venv $(HOT)
	$(HOT)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(HOT)/bin/python -m pip install --quiet --editable ".[examples]" $(HEAVY)
	touch $@

bench-hot: $(HOT)/.ready  ## hot starts: torch, xgboost and others, each beside a cold one; writes their table in docs/engine.md
	$(HOT)/bin/python -m benchmarks.hot --write

bench-agent: $(READY)  ## an agent's 25 tasks, by one that is a script; AGENT='COMMAND' puts another in its place
	$(BIN)/python -m benchmarks.agent $(if $(AGENT),--agent "$(AGENT)")

release: $(READY)  ## VERSION=x.y.z: tried, committed, tagged and built; pushing is yours
	$(BIN)/python -m tools.release "$(VERSION)"

clean:  ## remove the environment and everything a run leaves behind
	rm -rf $(VENV) $(NEXT) $(CLIENTS) $(TRACKERS) $(KERNEL) $(HOT) runs .sweeper build dist
