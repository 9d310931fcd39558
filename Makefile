# `make demo` on a fresh machine takes Python 3.11 to 3.13 and make, and nothing else.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

export DO_NOT_TRACK := 1
export KEDRO_DISABLE_TELEMETRY := 1
export NO_MKDOCS_2_WARNING := 1
# Progress shows while it happens, through pipes too.
export PYTHONUNBUFFERED := 1

# PYTHON=/path/to/python names the interpreter; otherwise the first that fits is taken.
PYTHON ?=
CANDIDATES := $(if $(PYTHON),$(PYTHON),python3 python3.13 python3.12 python3.11 python)

# ensurepip is asked for because some systems ship Python without the means to make a venv.
FITS := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

.DEFAULT_GOAL := help
.PHONY: help install demo test lint viz docs lock oldest clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

install: $(STAMP)  ## make .venv from requirements.lock

$(STAMP): requirements.lock pyproject.toml
	@python=; for candidate in $(CANDIDATES); do \
	    if "$$candidate" -c '$(FITS)' >/dev/null 2>&1; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "No Python 3.11 to 3.13 that can make a virtual environment among: $(CANDIDATES). Install one, or name it: make PYTHON=/path/to/python" >&2; \
	    exit 1; \
	fi; \
	if $(BIN)/python -c '$(FITS)' >/dev/null 2>&1 && $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	    echo "Updating $(VENV)"; \
	else \
	    echo "Making $(VENV) with $$python"; \
	    "$$python" -m venv --clear $(VENV); \
	fi
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --editable .
	@touch $@

demo: $(STAMP)  ## draw synthetic sheets, train on them, inspect new ones: some minutes
	$(BIN)/kedro run --env=demo --pipelines=sample_data
	$(BIN)/kedro run --env=demo
	$(BIN)/kedro run --env=demo --pipelines=inspection
	@echo
	@echo "Done. Open:"
	@echo "  data/demo/08_reporting/report.html           the report"
	@echo "  data/demo/08_reporting/overlays/             test sheets, truth beside prediction"
	@echo "  data/demo/08_reporting/inspection_overlays/  new sheets, as inspected"

test: lint  ## style, types, layers of imports, then every test
	@# A file stays in one process, for the sake of its fixtures. In the order of the folders the
	@# demo, the longest, begins early.
	$(BIN)/pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder

lint: $(STAMP)  ## style, types and layers of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

viz: $(STAMP)  ## build a static site of the demo's graph, with previews, in build/
	rm -rf build
	KEDRO_ENV=demo $(BIN)/kedro viz build --include-previews
	@# kedro-viz ends with 0 even where it fails, and then index.html is not there.
	@test -f build/index.html || { echo "kedro-viz built nothing; its error stands above" >&2; exit 1; }
	@echo "Look at it: $(BIN)/python -m http.server --directory build 4141"

docs: $(STAMP)  ## write the reference anew and build the documentation in site/
	$(BIN)/python -m tools.reference
	$(BIN)/mkdocs build --strict --quiet
	@echo "Look at it: site/index.html"

# Pins that still fit are kept; `make lock UPGRADE=--upgrade` takes the newest of everything.
# uv resolves for all three Pythons at once, which pip cannot.
UPGRADE ?=
lock: $(STAMP)  ## write requirements.lock anew from pyproject.toml
	$(BIN)/python -m pip install --disable-pip-version-check --quiet 'uv>=0.8,<1'
	$(BIN)/uv pip compile pyproject.toml --extra viz --extra dev $(UPGRADE) \
	    --universal --python-version 3.11 --fork-strategy fewest \
	    --no-annotate --no-header --no-emit-index-url --quiet --output-file requirements.lock

# Versions that are resolved for a higher bound never show that a lower one does not hold.
OLDEST := build/oldest
RELEASED := $(notdir $(wildcard models/*))
oldest: $(STAMP)  ## run the main job with the oldest libraries that pyproject.toml allows
	$(BIN)/python -m pip install --disable-pip-version-check --quiet 'uv>=0.8,<1'
	$(BIN)/uv venv --clear --quiet --python $(BIN)/python $(OLDEST)
	$(BIN)/uv pip install --quiet --python $(OLDEST)/bin/python --resolution lowest-direct --editable .
	$(OLDEST)/bin/kedro run --env=test --pipelines=sample_data
	$(OLDEST)/bin/kedro run --env=test
	$(OLDEST)/bin/kedro run --env=test --pipelines=inspection
	for name in $(RELEASED); do \
	    $(OLDEST)/bin/kedro run --env=test --pipelines=inspection --params models_dir=models/$$name || exit 1; \
	done

clean:  ## remove what the demo and the tests wrote under data/
	rm -rf data/demo data/test
