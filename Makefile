# Everything a developer types. `make help` lists it; every target installs what it needs, once.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV  := .venv
TOOLS := .tools
BIN   := $(VENV)/bin
UV    := $(TOOLS)/bin/uv
CDK   := node_modules/.bin/cdk

# The first Python that is new enough. Say `make setup PYTHON=/path/to/python` to choose another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)

# Tests in parallel: two workers, each with an emulator of its own.
WORKERS ?= 2
# Further arguments for pytest: make test ARGS="-k claim -x"
ARGS ?=

# The tools come first: uv builds the functions' bundles, node runs jsii where the machine has none.
export PATH := $(CURDIR)/$(BIN):$(CURDIR)/$(TOOLS)/bin:$(PATH)
# An environment that somebody activated elsewhere is not this one.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME
# jsii speaks up about Node versions that it has not been tested with; they work.
export JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION := 1
export JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION := 1
# The CDK command line neither reports how it is used, nor looks for a newer self: package-lock.json names it.
export CDK_DISABLE_CLI_TELEMETRY := true
export CDK_DISABLE_VERSION_CHECK := 1

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: setup
setup: $(VENV)/.installed ## install everything into .venv, from the locks
	@:

.PHONY: demo
demo: setup ## 50 topics become 50 outlines, on this machine
	@$(BIN)/pressroom demo

.PHONY: local
local: setup ## the whole service on http://127.0.0.1:8787, until Ctrl-C
	@$(BIN)/pressroom local --port 8787

.PHONY: test
test: setup $(CDK) ## every test, with coverage (ARGS="-k claim")
	@$(BIN)/python -m pytest -n $(WORKERS) --cov --cov-report=term $(ARGS)

.PHONY: check
check: setup ## lint, format, types, import contracts, house rules, locks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest -q -n 0 tests/test_house.py tests/test_docs.py tests/test_operations.py tests/test_locks.py

.PHONY: acceptance
acceptance: setup $(CDK) ## the acceptance list: number, tests, result
	@$(BIN)/python -m pytest -q -n $(WORKERS) -m acceptance --acceptance-table $(ARGS)

.PHONY: soak
soak: setup ## the state machine for 200,000 steps (SOAK_RUNS=40 of 5,000, from SOAK_SEED=1)
	@SOAK_RUNS=$(SOAK_RUNS) SOAK_SEED=$(SOAK_SEED) $(BIN)/python -m pytest -n $(WORKERS) --no-cov -o faulthandler_timeout=0 $(ARGS) \
		tests/e2e/test_state_machine.py

SOAK_RUNS ?= 40
SOAK_SEED ?= 1

.PHONY: crash-matrix
crash-matrix: setup ## kills the process at every call of every flow, and writes the table (ARGS="--flow NAME")
	@$(BIN)/python -m tests.support.killing.matrix --workers $(WORKERS) $(ARGS)

.PHONY: faults
faults: setup ## every call of AWS fails in every way, and at random (SOAK_SEEDS=3): half an hour
	@SOAK_FAULTS=1 SOAK_SEEDS=$(SOAK_SEEDS) $(BIN)/python -m pytest -n $(WORKERS) --no-cov $(ARGS) \
		tests/e2e/test_aws_faults.py tests/e2e/test_aws_faults_at_random.py

SOAK_SEEDS ?= 3

.PHONY: contract
contract: setup ## the API against its own OpenAPI document, longer (EXAMPLES=100, from SEED=1)
	@SCHEMATHESIS_EXAMPLES=$(EXAMPLES) SCHEMATHESIS_SEED=$(SEED) $(BIN)/python -m pytest -n 0 --no-cov $(ARGS) \
		tests/e2e/test_contract.py

EXAMPLES ?= 100
SEED ?= 1

.PHONY: bench
bench: setup ## AWS calls, units, throughput, import times, memory, the price of a million items (ARGS="--only price")
	@$(BIN)/python -m benchmarks $(ARGS)

.PHONY: synth
synth: setup $(TOOLS)/.node ## the CloudFormation template, into cdk.out
	@CDK_OUTDIR="$(CURDIR)/cdk.out" $(BIN)/python app.py && echo "The template is in cdk.out."

.PHONY: deploy
deploy: setup $(CDK) ## deploy or update a stage on your AWS account (STAGE=dev)
	@$(CDK) deploy --no-notices --context stage=$(STAGE) $(ARGS)
	@echo "Look it over: $(BIN)/pressroom doctor --stage $(STAGE)"

.PHONY: destroy
destroy: setup $(CDK) ## take a stage down again (STAGE=dev); what it keeps is in docs/deployment.md
	@$(CDK) destroy --no-notices --context stage=$(STAGE) $(ARGS)

.PHONY: deploy-local
deploy-local: setup $(CDK) ## deploy to an emulator that enforces IAM, and run everything through it
	@$(BIN)/python -m pytest -q -n 0 --no-cov tests/e2e/test_deployed.py $(ARGS)

STAGE ?= dev

.PHONY: fmt
fmt: setup ## format the code and mend what ruff can mend
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

.PHONY: lock
lock: $(UV) ## resolve the locks in requirements/ again (LOCK_ARGS=--upgrade for newer versions)
	@for group in api dead_letters finalizer journal processor sweeper; do \
		$(UV) pip compile --group $$group $(LOCK_FLAGS) -o requirements/$$group.txt || exit 1; done
	@for group in uv node; do \
		$(UV) pip compile --group $$group $(LOCK_FLAGS) -o requirements/$$group.txt || exit 1; done
	@$(UV) pip compile pyproject.toml --group dev $(LOCK_FLAGS) -o requirements/dev.txt

LOCK_ARGS ?=
LOCK_FLAGS = --quiet --universal --python-version 3.11 --generate-hashes --no-header $(LOCK_ARGS)

# Compiled at installation, for seconds, so that the first start of a dozen worker processes does not do it.
COMPILED := anthropic aws_lambda_powertools boto3 botocore ministack pydantic

# --- what the targets stand on; stamps keep a second run from installing again ---

$(UV): requirements/uv.txt
	@test -n "$(PYTHON)" || { \
		echo "Pressroom needs Python 3.11 or newer, and found none as python3, python3.13, python3.12 or python3.11." >&2; \
		echo "Install one, or name it: make setup PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Preparing the tools in $(TOOLS) ..."
	@"$(PYTHON)" -m venv --clear $(TOOLS) || { \
		echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

$(VENV)/.synced: requirements/dev.txt $(UV)
	@echo "Installing from requirements/dev.txt into $(VENV) ..."
	@test -x $(BIN)/python || $(UV) venv --quiet --clear --no-python-downloads \
		--python "$$($(TOOLS)/bin/python -c 'import sys; print(sys._base_executable)')" $(VENV)
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt
	@cd $(VENV)/lib/python3.*/site-packages && "$(CURDIR)/$(BIN)/python" -m compileall -q -j 0 $(COMPILED)
	@touch $@

$(VENV)/.installed: pyproject.toml $(VENV)/.synced
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# jsii, which synthesizes the template, and the CDK command line run on Node. Where the machine has none, a locked one
# comes into .tools.
$(TOOLS)/.node: requirements/node.txt $(UV)
	@{ command -v node && command -v npm; } >/dev/null || { echo "No node here: installing it into $(TOOLS) ..."; \
		$(UV) pip install --quiet --python $(TOOLS)/bin/python --require-hashes -r requirements/node.txt; }
	@touch $@

$(CDK): package.json package-lock.json $(TOOLS)/.node
	@echo "Installing the CDK command line from package-lock.json into node_modules ..."
	@npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error >/dev/null
	@touch $@
