# Everything a developer does, by name. `make` alone lists it.
# Needs Python 3.11 or newer, make and a C compiler; all else goes into .venv.

SHELL := /bin/sh
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do command -v $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
DATA_DIR ?= plexus-data
SCENARIO ?= steady_chat
LOAD ?=
PACKAGES := matrix_protocol service_kit roomserver userserver api_gateway sync_api satellites homeserver
PROTOS := $(wildcard proto/service_kit/rpc/pb/*.proto)
GENERATED := service_kit/rpc/pb
# Cores of a small machine: more workers than two only get in each other's way.
TEST_WORKERS ?= 2
FUZZ_SECONDS ?= 40

RUNTIME_STAMP := $(VENV)/.installed-runtime
DEV_STAMP := $(VENV)/.installed-dev
SYNAPSE_VENV := .venv-synapse
SYNAPSE_STAMP := $(SYNAPSE_VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup run test simulate test-cluster fuzz check format bench bench-peers bench-scaling load proto proto-check docs docs-check lock ci clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- environment -----------------------------------------------------------------------------------------------------

$(BIN)/python:
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Plexus needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3.11"; exit 1; }
	"$(PYTHON)" -m venv $(VENV)

$(RUNTIME_STAMP): requirements/runtime.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV_STAMP): requirements/dev.txt $(RUNTIME_STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

setup: $(DEV_STAMP)  ## make .venv with everything for development

# --- the server ------------------------------------------------------------------------------------------------------

run: $(RUNTIME_STAMP)  ## start a server for development (open registration, loopback only)
	@$(BIN)/python -m homeserver config development --data-dir "$(DATA_DIR)"
	@exec $(BIN)/python -m homeserver up --config "$(DATA_DIR)/plexus.yaml"

# --- tests and checks ------------------------------------------------------------------------------------------------

test: $(DEV_STAMP)  ## run all tests
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadgroup

fuzz: $(DEV_STAMP)  ## fuzz what reads bytes from outside, FUZZ_SECONDS for each target
	$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS)

SEEDS ?= 1000
FIRST_SEED ?= 1
simulate: $(DEV_STAMP)  ## run the services on virtual time with everything going wrong: SEEDS=1000 FIRST_SEED=1
	@$(BIN)/python -m tests.simulation --seeds $(SEEDS) --first-seed $(FIRST_SEED)

test-cluster: $(DEV_STAMP)  ## real faults: three Cassandra nodes, three NATS servers, two of everything, and kills
	$(BIN)/python -m tests.cluster

check: $(DEV_STAMP) proto-check docs-check  ## format, lint, types, import rules, generated files, tidiness
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_tidy.py

format: $(DEV_STAMP)  ## put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

ci: check test  ## what the server runs on every change

# --- measuring -------------------------------------------------------------------------------------------------------

bench: $(DEV_STAMP)  ## CPU for each operation, over all processes of the server; state resolutions
	$(BIN)/python -m loadtests.bench
	$(BIN)/python -m loadtests.state_resolution tests/matrix_protocol/state_resolution/data/*.gz
	$(BIN)/python -m loadtests.resolution_growth

bench-peers: $(DEV_STAMP) $(SYNAPSE_STAMP)  ## the same beside Synapse, with the ratios
	$(BIN)/python -m loadtests.bench --synapse-python $(SYNAPSE_VENV)/bin/python

bench-scaling: $(DEV_STAMP)  ## CPU a send and a delivery with 1, 2, 4 and 8 workers
	$(BIN)/python -m loadtests.scaling

load: $(DEV_STAMP)  ## a Locust scenario with real long polls; SCENARIO= one of docs/load-tests.md, LOAD= its options
	$(BIN)/python -m loadtests.locustfiles.run $(SCENARIO) $(LOAD)

$(SYNAPSE_STAMP): requirements/synapse.txt
	"$(PYTHON)" -m venv $(SYNAPSE_VENV)
	$(SYNAPSE_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# --- generated files -------------------------------------------------------------------------------------------------

proto: $(DEV_STAMP)  ## generate the protobuf code
	$(BIN)/python -m grpc_tools.protoc -I proto --python_out=. --pyi_out=. --grpc_python_out=. $(PROTOS)

proto-check: $(DEV_STAMP)
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT \
		&& $(BIN)/python -m grpc_tools.protoc -I proto --python_out="$$fresh" --pyi_out="$$fresh" \
			--grpc_python_out="$$fresh" $(PROTOS) \
		&& diff -qr -x __init__.py -x __pycache__ "$$fresh/$(GENERATED)" $(GENERATED) \
		|| { echo "The generated protobuf code is not that of proto/: run make proto"; exit 1; }

docs: $(DEV_STAMP)  ## generate docs/configuration.md, the table of room versions, the README's table of endpoints
	$(BIN)/python -m homeserver config docs > docs/configuration.md
	$(BIN)/python -m homeserver.tools.room_versions
	$(BIN)/python -m tests.spec.test_endpoint_coverage

docs-check: $(DEV_STAMP)
	@$(BIN)/python -m homeserver config docs | diff - docs/configuration.md \
		|| { echo "docs/configuration.md is not what the settings say: run make docs"; exit 1; }
	@$(BIN)/python -m homeserver.tools.room_versions --check \
		|| { echo "docs/room-versions.md is not what the table of room versions says: run make docs"; exit 1; }

lock: $(DEV_STAMP)  ## resolve the dependencies of pyproject.toml again
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command "make lock" --output-file requirements/runtime.txt pyproject.toml requirements/build.in
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command "make lock" --output-file requirements/dev.txt --extra dev --extra proxy \
		pyproject.toml requirements/build.in
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command "make lock" --output-file requirements/synapse.txt requirements/synapse.in
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command "make lock" --output-file requirements/image.txt --extra cassandra --extra kernels \
		pyproject.toml requirements/build.in

clean:  ## remove environments and caches (not your data directory)
	rm -rf $(VENV) $(SYNAPSE_VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
