# Two commands from a fresh clone, with nothing but Python 3.11 and pip:
#
#   make lab                     train, compare and report on a small model, here and offline
#   make lab ARGS="--full"       pass options on to `gtalign lab`
#   make test                    lint, types, tests and coverage
#
# VENV names the virtual environment, PYTHON the interpreter that makes it, and PIP_ARGS is passed
# to `pip install`.

VENV ?= .venv
PYTHON ?= python3.11
ARGS ?=
PIP_ARGS ?=
PYTEST_ARGS ?= -n 2

BIN := $(VENV)/bin
# Two test workers share few cores, and each would start as many torch threads as there are cores.
TEST_ENV := OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false MPLBACKEND=Agg HF_HUB_OFFLINE=1

.PHONY: lab test lint types pytest clean

lab: $(VENV)/.installed-lab
	$(BIN)/gtalign lab $(ARGS)

test: lint types pytest

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

pytest: $(VENV)/.installed-dev
	$(TEST_ENV) $(BIN)/python -m pytest $(PYTEST_ARGS) \
		--cov --cov-report=term-missing:skip-covered --cov-fail-under=95

# A stamp file per set of extras: a second call installs nothing until pyproject.toml changes.
$(VENV)/.installed-lab: EXTRAS = train,judge,eval
$(VENV)/.installed-dev: EXTRAS = dev
$(VENV)/.installed-%: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) --editable ".[$(EXTRAS)]"
	touch $@

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf build dist .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis
