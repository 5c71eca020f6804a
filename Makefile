# Everything a newcomer does, in one place. Each target makes the virtual environment by itself,
# from the locked requirements, and again whenever a lock or pyproject.toml changes.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The first Python here that is new enough; `make PYTHON=/some/python3.12 …` chooses another.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13; do \
	"$$p" -c '$(NEW_ENOUGH)' 2>/dev/null && echo "$$p" && break; done)

VENV ?= .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime
DEVELOPMENT := $(VENV)/.development
PIP_INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes --no-deps

export JZEDU_HOME := $(or $(JZEDU_HOME),data)
SCALE ?= 1

# The fast tests: formats, years, names, clauses and their indicators; less what tries hostile files, is
# about time or starts other programs. `make test` runs all.
FAST_TESTS := tests/transforms/formats tests/transforms/tables/test_years.py \
	tests/transforms/test_names.py tests/expectations/test_clauses.py \
	tests/expectations/test_registry.py tests/expectations/test_handbook.py \
	tests/warehouse/test_figures.py tests/warehouse/report/test_sheets.py \
	$(addprefix --ignore=tests/transforms/formats/test_,hostile.py linear.py office.py ooxml.py \
		round_trip.py)

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: $(RUNTIME) ## One night: read the inbox, judge the plan, publish (fills an empty inbox with samples)
	@if [ -z "$$(find "$$JZEDU_HOME/inbox" -type f -print -quit 2>/dev/null || true)" ]; then \
		echo "$$JZEDU_HOME/inbox holds no file: filling it with made-up submissions for 2018-2022."; \
		$(BIN)/jzedu sample --out "$$JZEDU_HOME/inbox" --years 2018-2022; \
	fi
	@$(BIN)/jzedu nightly

.PHONY: test
test: $(DEVELOPMENT) ## The whole test suite, but for the tests that take minutes
	$(BIN)/python -m pytest -m "not slow" --numprocesses auto --dist loadfile \
		--no-loadscope-reorder

.PHONY: check
check: lint ## What to run before every commit: lint and the fast tests
	$(BIN)/python -m pytest -q -m "not slow" $(FAST_TESTS)

.PHONY: lint
lint: $(DEVELOPMENT) ## Format, lint, types and the four floors, without changing a file
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

.PHONY: format
format: $(DEVELOPMENT) ## Bring every file into the house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: bench-reading
bench-reading: $(RUNTIME) ## Time reading a workbook beside what fastexcel alone takes
	@POLARS_MAX_THREADS=1 $(BIN)/python benchmarks/reading.py

.PHONY: bench-gate
bench-gate: $(RUNTIME) ## Plant 40 errors in the made-up city, and count those that the warnings find
	@$(BIN)/python -m benchmarks.gate

.PHONY: picture
picture: $(RUNTIME) ## Draw the city page of the made-up city for the README (needs chromium)
	@command -v chromium >/dev/null || { echo "make picture needs chromium" >&2; exit 1; }
	@home=$$(mktemp -d); trap 'rm -rf "$$home"' EXIT; \
	$(BIN)/jzedu sample --out "$$home/inbox" --years 2018-2022; \
	$(BIN)/jzedu nightly --home "$$home"; \
	chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --hide-scrollbars \
		--disable-background-networking --disable-component-update --disable-sync \
		--user-data-dir="$$home/browser" --window-size=1280,1400 \
		--screenshot="$(CURDIR)/docs/report.png" "file://$$home/published/report/index.html"

.PHONY: docs
docs: $(RUNTIME) ## Make the pages of docs/ that come from definitions
	$(BIN)/python -c "from expectations.warnings import warning_rules; \
		from expectations.handbook import rules_markdown; \
		print(rules_markdown(warning_rules()), end='')" > docs/rules.md
	cp transforms/workbooks/guide.md docs/填报说明.md

# Of what the nights are: SCALE times the city, or UNITS made-up counties (100 are a province), or a
# region list of one's own.
YEARS ?= 2018-2022
.PHONY: bench
bench: $(RUNTIME) ## Time a first night and a night without news (SCALE=1 YEARS=2018-2022 UNITS=100 REGIONS=FILE)
	@$(BIN)/python -m benchmarks.nights --scale $(SCALE) --years $(YEARS) \
		$(if $(UNITS),--units $(UNITS)) $(if $(REGIONS),--regions $(REGIONS))

# A province over eight years, its warehouse a file and then a lake: an empty database and an empty place.
PROVINCE = $(BIN)/python -m benchmarks.nights --scale $(SCALE) --units $(or $(UNITS),100) \
	--years $(if $(filter file,$(origin YEARS)),2015-2022,$(YEARS))
.PHONY: bench-scale
bench-scale: $(DEVELOPMENT) ## Time a province's nights with a file, read here and on Dask, and with a lake (CATALOG=ducklake:postgres:… DATA=s3://…)
	@[ -n "$(CATALOG)" ] && [ -n "$(DATA)" ] || { echo "make bench-scale needs CATALOG and DATA:" \
		"docs/scale.md" >&2; exit 1; }
	@for workers in 0 1 2; do $(PROVINCE) --server --dask $$workers; done
	@$(PROVINCE) --server --catalog="$(CATALOG)" --data="$(DATA)"

PEERS_VENV ?= .venv-peers
PEERS := $(PEERS_VENV)/.peers
ROUNDS ?= 3

.PHONY: bench-peers
bench-peers: $(DEVELOPMENT) $(PEERS) ## Time jzedu beside dbt, pandas and plain SQL (ROUNDS=3 UNITS=100 CASES=dbt,jzedu-first)
	@$(BIN)/python -m benchmarks.peers.run --peers $(PEERS_VENV)/bin --rounds $(ROUNDS) \
		--scale $(SCALE) --years $(YEARS) $(if $(UNITS),--units $(UNITS)) $(if $(CASES),--only $(CASES))

.PHONY: peers-lock
peers-lock: ## Remake benchmarks/peers/requirements.lock from requirements.in (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-annotate --custom-compile-command "make peers-lock" $(UPGRADE) \
		benchmarks/peers/requirements.in --output-file benchmarks/peers/requirements.lock

# An environment of its own, so that jzedu's own lock never hangs on what dbt needs.
$(PEERS): benchmarks/peers/requirements.lock
	@[ -x $(PEERS_VENV)/bin/python ] || "$(PYTHON)" -m venv $(PEERS_VENV)
	@echo "Installing dbt and pandas into $(PEERS_VENV); this takes a minute or two."
	@$(PEERS_VENV)/bin/python -m pip install -qq --disable-pip-version-check --require-hashes \
		--no-deps -r benchmarks/peers/requirements.lock
	@touch $@

# `make lock UPGRADE=--upgrade` takes the newest versions pyproject.toml allows; without it, only
# what has to change does. setuptools is in both locks because the project itself is installed
# without build isolation, so that nothing unlocked is ever downloaded.
COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --custom-compile-command "make lock" $(UPGRADE)

.PHONY: lock
lock: ## Remake the lock files from pyproject.toml (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv: pip install uv" >&2; exit 1; }
	echo "setuptools>=80" | $(COMPILE) pyproject.toml - --output-file requirements.lock
	$(COMPILE) pyproject.toml --extra lake --constraints requirements.lock \
		--output-file requirements-lake.lock
	$(COMPILE) pyproject.toml --extra cluster --constraints requirements.lock \
		--output-file requirements-cluster.lock
	$(COMPILE) pyproject.toml --extra cluster --group dev --constraints requirements.lock \
		--output-file requirements-dev.lock

SUPERSET_VENV ?= .venv-superset
SUPERSET := $(SUPERSET_VENV)/.superset

# The publication that it shows: the file, or an address, s3://… or ducklake:postgres:….
PUBLICATION ?= $(JZEDU_HOME)/published/indicators.duckdb

.PHONY: superset
superset: $(SUPERSET) ## Superset with the dashboard in it, on http://127.0.0.1:8088 (a gigabyte at first; PUBLICATION=s3://…)
	@SUPERSET_VENV=$(SUPERSET_VENV) SUPERSET_HOME="$${SUPERSET_HOME:-$$JZEDU_HOME/superset}" \
		bash deploy/superset/serve.sh "$(PUBLICATION)"

.PHONY: superset-test
superset-test: $(DEVELOPMENT) $(SUPERSET) ## The same in a temporary folder: every chart asked, the page looked at
	JZEDU_SUPERSET=$(abspath $(SUPERSET_VENV)) $(BIN)/python -m pytest -m slow tests/bi/test_superset.py

.PHONY: superset-lock
superset-lock: ## Remake deploy/superset/requirements.lock from requirements.in (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-annotate --custom-compile-command "make superset-lock" $(UPGRADE) \
		deploy/superset/requirements.in --output-file deploy/superset/requirements.lock

# An environment of its own: Superset's SQLAlchemy is 1.4.
$(SUPERSET): deploy/superset/requirements.lock
	@[ -x $(SUPERSET_VENV)/bin/python ] || "$(PYTHON)" -m venv $(SUPERSET_VENV)
	@echo "Installing Superset into $(SUPERSET_VENV); this takes some minutes."
	@$(SUPERSET_VENV)/bin/python -m pip install -qq --disable-pip-version-check --require-hashes \
		-r deploy/superset/requirements.lock
	@touch $@

.PHONY: clean
clean: ## Remove the virtual environment and all caches; leaves data alone
	rm -rf $(VENV) $(SUPERSET_VENV) $(PEERS_VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUNTIME): requirements.lock pyproject.toml
	@"$(PYTHON)" -c '$(NEW_ENOUGH)' 2>/dev/null || { echo "jzedu needs Python 3.11 or newer:" \
		"$(or $(PYTHON),python3) is older or not here; make PYTHON=/path/to/python3.11 …" >&2; exit 1; }
	@echo "Installing what jzedu needs into $(VENV); the first time takes a minute or two."
	@[ -x $(BIN)/python ] || "$(PYTHON)" -m venv $(VENV)
	@$(PIP_INSTALL) -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check \
		--no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q flows transforms expectations warehouse
	@touch $@

$(DEVELOPMENT): $(RUNTIME) requirements-dev.lock
	@echo "Installing the development tools into $(VENV)."
	@$(PIP_INSTALL) -r requirements-dev.lock
	@touch $@
