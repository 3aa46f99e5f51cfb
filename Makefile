# What one does here. `make` alone lists it; everything happens inside this folder, in .venv and .conduit.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PORT ?= 8000
PROCESSES ?= 2
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

# uv is quick; pip takes over where only pip knows the way to the packages (a mirror in its own settings).
install = @$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python $(1) \
	|| $(BIN)/python -m pip install --quiet --disable-pip-version-check $(1)
compile = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header

.PHONY: help
help: ## Say what can be done here
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: .venv/runtime.stamp ## Make .venv with the conduit command, from the lock file
	@:

.PHONY: setup-dev
setup-dev: .venv/dev.stamp ## Add what tests need, the Debian packages among it
	@missing=(); \
	command -v rabbitmq-server /usr/sbin/rabbitmq-server >/dev/null || missing+=(rabbitmq-server); \
	command -v chromium >/dev/null || missing+=(chromium); \
	command -v pdftotext >/dev/null || missing+=(poppler-utils); \
	command -v /usr/sbin/dovecot >/dev/null || missing+=(dovecot-imapd); \
	if [ $${#missing[@]} -eq 0 ]; then exit 0; fi; \
	if [ "$$(id -u)" -ne 0 ]; then \
		echo "The tests need more of Debian: sudo apt-get install $${missing[*]}" >&2; exit 1; \
	fi; \
	export DEBIAN_FRONTEND=noninteractive; \
	apt-get update -qq && apt-get install -qq --yes --no-install-recommends "$${missing[@]}" >/dev/null

.PHONY: run
run: setup ## Start everything with the example year: http://127.0.0.1:8000, or PORT=18000 for another
	$(BIN)/conduit up --example --port $(PORT) --metrics-port $$(( $(PORT) + 1 ))

.PHONY: story
story: setup ## Play the example year from empty, on a throwaway instance, and print its figures
	$(BIN)/conduit story

.PHONY: test
test: setup-dev lint ## Check everything, in two processes, each with servers of its own; PROCESSES=4 for four
	$(BIN)/python -m pytest --numprocesses $(PROCESSES)

.PHONY: faults
faults: setup-dev ## Kill, freeze and cut off every server, 20 times each; ROUNDS=3 for three times
	ROUNDS=$(or $(ROUNDS),20) $(BIN)/python -m pytest tests/faults

.PHONY: bench
bench: setup-dev .venv/bench.stamp ## Measure, beside peers, into .conduit/bench.json; ONLY=events for one part
	$(BIN)/python -m tests.benchmarks $(ONLY)

.PHONY: lint
lint: .venv/dev.stamp ## Check style, types and the generated documents
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m contracts.catalogue --check

.PHONY: generate
generate: setup ## Write what is made from the code: the catalogue, the README's table, docs/settings.md
	$(BIN)/python -m contracts.catalogue
	$(BIN)/python -m services.documents

.PHONY: lock
lock: .venv/python.stamp ## Resolve the lock files anew, keeping the versions that still fit
	$(compile) --group setup --output-file requirements-setup.lock
	$(compile) pyproject.toml --output-file requirements.lock
	$(compile) pyproject.toml --extra dev --output-file requirements-dev.lock
	$(compile) pyproject.toml --extra dev --extra bench --constraint requirements-dev.lock \
		--output-file requirements-bench.lock

.PHONY: clean
clean: ## Remove .venv and what tools left behind; .conduit, with its data, stays
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.conduit/*' -prune -exec rm -rf {} +

.venv/python.stamp: requirements-setup.lock
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
		|| { echo "Conduit needs Python 3.11; name it: make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Installing into .venv …"
	@"$(PYTHON)" -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-setup.lock
	@touch $@

.venv/runtime.stamp: .venv/python.stamp requirements.lock pyproject.toml
	$(call install,--require-hashes -r requirements.lock)
	$(call install,--no-deps --no-build-isolation --editable .)
	@touch $@

.venv/dev.stamp: .venv/runtime.stamp requirements-dev.lock
	$(call install,--require-hashes -r requirements-dev.lock)
	@touch $@

.venv/bench.stamp: .venv/dev.stamp requirements-bench.lock
	$(call install,--require-hashes -r requirements-bench.lock)
	@touch $@
