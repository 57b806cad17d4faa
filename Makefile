# Everything here works on an empty clone with Python 3.11 or newer; nothing global is touched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
UV ?= uv
# Three on two cores: the tests of real processes spend most of their time waiting for them.
WORKERS ?= 3

.PHONY: setup run demo test soak peers fuzz check bench docs lock

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: Partywall needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)" >&2; \
	  echo "fix: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
	  echo "make: cannot make a virtual environment" >&2; \
	  echo "fix: install the venv module (Debian: apt-get install python3-venv)" >&2; exit 2; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: setup
	$(BIN)/partywall up

demo: setup
	$(BIN)/partywall demo $(ARGS)

test: setup
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder $(ARGS)

# Peers newer than this Debian's, and the OpenTelemetry SDK for JavaScript: for tests alone.
peers: setup
	$(BIN)/python -m tests.peers.newer
	cd tests/peers/otel_js && npm ci --no-audit --no-fund --silent

# The long forms: hours of kills, senders and faults that `make test` shows in short.
soak: setup
	$(BIN)/python -m pytest -m soak --timeout 7200 $(ARGS)

# New inputs that reach new lines go to .fuzz, one that breaks a parser to tests/fuzz/corpus.
PARSERS ?= remote_write remote_write_v2 otlp_protobuf otlp_json exposition ndjson arrow \
  native_histogram compression
SECONDS ?= 60
fuzz: setup
	@for parser in $(PARSERS); do $(BIN)/python -m tests.fuzz $$parser $(SECONDS) || exit 1; done

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

bench: setup
	$(BIN)/partywall bench $(ARGS)

# The reference pages are written from the code; a test fails when they are not up to date.
docs: setup
	$(BIN)/python -m partywall.reference

# No index address may enter the lock: it installs from whichever index the machine uses.
lock:
	$(UV) pip compile --universal --python-version 3.11 --all-extras --group dev --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url pyproject.toml -o requirements.lock
