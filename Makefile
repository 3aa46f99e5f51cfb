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

# Without these, a letter shows boxes for names in scripts that typst's own fonts do not have.
FONTS := fonts-noto-core fonts-noto-cjk
NOTO := /usr/share/fonts
lacks-fonts = [ ! -e $(NOTO)/truetype/noto/NotoSansEthiopic-Regular.ttf ] \
	|| [ ! -e $(NOTO)/opentype/noto/NotoSansCJK-Regular.ttc ]
debian = { export DEBIAN_FRONTEND=noninteractive; apt-get update -qq \
	&& apt-get install -qq --yes --no-install-recommends $(1) >/dev/null; }

.PHONY: help
help: ## Say what can be done here
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Two at once in a fresh folder would each find half of what the other makes: the second waits.
alone = $(if $(shell command -v flock),flock Makefile)

.PHONY: setup
setup: ## Make .venv with the conduit command, from the lock file; fonts for any script with it
	@$(alone) $(MAKE) --silent .venv/runtime.stamp
	@if $(lacks-fonts); then \
		if [ "$$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then \
			echo "Installing fonts for names in any script …"; \
			$(call debian,$(FONTS)) || echo "They could not be installed; Conduit works without them." >&2; \
		else \
			echo "For names in Arabic, Ethiopic or Chinese script on paper: sudo apt-get install $(FONTS)" >&2; \
		fi; \
	fi

.PHONY: setup-dev
setup-dev: .venv/dev.stamp ## Add what tests need, the Debian packages among it
	@missing=(); \
	command -v rabbitmq-server /usr/sbin/rabbitmq-server >/dev/null || missing+=(rabbitmq-server); \
	command -v chromium >/dev/null || missing+=(chromium); \
	command -v pdftotext >/dev/null || missing+=(poppler-utils); \
	command -v /usr/sbin/dovecot >/dev/null || missing+=(dovecot-imapd); \
	if $(lacks-fonts); then missing+=($(FONTS)); fi; \
	command -v systemd-analyze >/dev/null || missing+=(systemd); \
	command -v caddy >/dev/null || missing+=(caddy); \
	command -v promtool >/dev/null || missing+=(prometheus); \
	command -v amtool >/dev/null || missing+=(prometheus-alertmanager); \
	if [ $${#missing[@]} -eq 0 ]; then exit 0; fi; \
	if [ "$$(id -u)" -ne 0 ]; then \
		echo "The tests need more of Debian: sudo apt-get install $${missing[*]}" >&2; exit 1; \
	fi; \
	$(call debian,"$${missing[@]}")

.PHONY: run
run: setup ## Start everything with the example year: http://127.0.0.1:8000, or PORT=18000 for another
	CONDUIT_LOG_LEVEL=$${CONDUIT_LOG_LEVEL:-warning} $(BIN)/conduit up --example --port $(PORT) --metrics-port $$(( $(PORT) + 1 ))

.PHONY: story
story: setup ## Play the example year from empty, on a throwaway instance, and print its figures
	$(BIN)/conduit story

# Each test has threads of its own: with an arena for each of them, a process of the suite grows by their holes.
.PHONY: test
test: export MALLOC_ARENA_MAX := 1
test: setup-dev lint ## Check everything, in two processes, each with servers of its own; PROCESSES=4 for four
	$(BIN)/python -m pytest --numprocesses $(PROCESSES)

.PHONY: faults
faults: setup-dev ## Kill, freeze and cut off every server, 20 times each; ROUNDS=3 for three times
	ROUNDS=$(or $(ROUNDS),20) $(BIN)/python -m pytest tests/faults

.PHONY: soak
soak: setup-dev ## Disturb everything at random for twenty minutes; SECONDS=60 SEED=7 for a minute, as once before
	SOAK_SECONDS=$(or $(SECONDS),1200) SOAK_SEED=$(SEED) $(BIN)/python -m pytest -s tests/operations/test_soak.py

.PHONY: snapshot
snapshot: setup-dev ## With a release: keep what it says, asks and holds, so that later ones are held to it
	$(BIN)/python -m tests.upgrade.snapshot $(or $(DAY),$(shell date +%F))

.PHONY: bench
bench: setup-dev .venv/bench.stamp ## Measure, beside peers, into .conduit/bench.json; ONLY=events for one part
	$(BIN)/python -m tests.benchmarks $(ONLY)

.PHONY: lint
lint: .venv/dev.stamp ## Check style, types and the generated documents
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m contracts.catalogue --check

.PHONY: generate
generate: setup ## Write what is made from the code: the catalogue, docs/settings.md, broker's definitions, dashboards
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
