# Every target says what it does: make help
.DEFAULT_GOAL := help
.PHONY: help setup up down status test lint types layers migrate bench lock clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# Tests of many processes can lose a race with a busy machine. A defect fails twice; a test that
# fails once has a race to be found, and both its cause and this line stay in the output.
define AGAIN

== Failed above, now alone: what passes here has a race that wants finding.
endef
export AGAIN

help:  ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.up $(VENV)/.dev  ## make .venv and install everything, developers' tools too

up: $(VENV)/.up  ## install what is missing, then start the product: http://127.0.0.1:8300
	@exec $(BIN)/phi3 up

down: $(VENV)/.up  ## stop it; returns when every process has ended
	@$(BIN)/phi3 down

status: $(VENV)/.up  ## show each part
	@$(BIN)/phi3 status

test: setup lint types layers  ## everything that must pass: lint, types, layers, tests
	$(BIN)/pytest || { [ $$? -eq 1 ] && echo "$$AGAIN" && $(BIN)/pytest --last-failed; }

lint: $(VENV)/.dev  ## ruff: style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup  ## mypy, strict, tests included
	$(BIN)/mypy

layers: setup  ## import-linter: who may import whom
	$(BIN)/lint-imports

migrate: $(VENV)/.up  ## bring the database in DATABASE_URL to the newest schema
	$(BIN)/python -m models.store.migrate

bench: setup  ## side-by-side measurements; DATA=folder adds those that need real documents
	$(BIN)/python -m benchmarks.run $(if $(DATA),--data $(DATA))

lock: setup  ## write what is installed to constraints.txt, exact to the version
	$(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' > constraints.txt

clean:  ## remove .venv and caches; data under PHI3_HOME stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info

# torch comes first and alone: a pip that already has it does not look for it again among the rest.
$(VENV)/.up: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "phi3-expert needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1 || echo missing)." \
	         "Name another: make PYTHON=python3.12 up" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo "No virtual environment could be made; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing into $(VENV); the first time this takes a few minutes."
	@$(PIP) install -c constraints.txt "$$(grep '^torch==' constraints.txt)"
	@$(PIP) install -c constraints.txt -e '.[ingest,models,local]'
	@touch $@

$(VENV)/.dev: $(VENV)/.up
	@$(PIP) install -c constraints.txt -e '.[ingest,models,local,dev]'
	@touch $@
