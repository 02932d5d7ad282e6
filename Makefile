# make demo   the main job on the bundled models, in the terminal; results in demo-output/
# make test   all tests, in a browser too where a Chromium is there or can be installed
# make unit   the fast tests alone, while working
# make coverage  the fast tests again, counting which lines they run
# make lab    JupyterLab on notebooks/01-first-merge.ipynb      (LAB_FLAGS=--allow-root as root)
# make lint   the style checks
# make clean  remove what was built; `rm -rf .venv` removes what was installed
#
# All that is needed is Python 3.10 or newer (another one: make PYTHON=python3.12 ...). Everything goes into .venv, in the
# versions that were tested (binder/constraints.txt); what is installed already is not installed again.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PINS := binder/constraints.txt
TORCH := $(shell sed -n 's/^\(torch==[^;]*\).*/\1/p' $(PINS))
LAB_FLAGS ?=
# pytest rewrites the asserts of 300 files; kept as bytecode, that is done once and not by each process of each run.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest

# torch from PyPI brings gigabytes of CUDA packages along on Linux; this index has it for CPUs.
ifeq ($(shell uname -s),Linux)
TORCH_INDEX := --retries 1 --extra-index-url https://download.pytorch.org/whl/cpu
endif

CHROMIUM := for name in "$${NBMERGE_CHROMIUM:-chromium}" chromium-browser google-chrome google-chrome-stable; do \
	command -v "$$name" >/dev/null && break; done
APT_INSTALL = apt=; [ "$$(id -u)" = 0 ] || apt="sudo -n"; command -v apt-get >/dev/null && $$apt apt-get update -qq \
	&& $$apt env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends

.PHONY: demo test unit coverage slow browser lab lint format wheel pins clean
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

# One at a time: a browser, a server and a kernel are three programs already.
browser: $(VENV)/.tested
	@{ $(CHROMIUM); } || { echo "Installing Chromium ..."; $(APT_INSTALL) chromium; } || true
	@if $(CHROMIUM); then \
		echo $(PYTEST) -m browser tests/browser; $(PYTEST) -m browser tests/browser; \
	elif [ -n "$${NBMERGE_REQUIRE_BROWSER:-}" ]; then \
		echo "No Chromium here and none could be installed, and NBMERGE_REQUIRE_BROWSER is set." >&2; exit 1; \
	else \
		echo "No Chromium here and none could be installed: the browser tests are SKIPPED."; \
	fi

lint: $(VENV)/.tested
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: $(VENV)/.tested
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

wheel: $(VENV)/.tested
	rm -rf dist
	$(PIP) wheel --no-deps --wheel-dir dist .

pins: $(VENV)/.tested
	$(BIN)/python binder/pin.py > $(PINS).new
	mv $(PINS).new $(PINS)

clean:
	rm -rf dist build demo-output .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path "./$(VENV)/*" -prune -exec rm -rf {} +

# --- what the commands stand on: one stamp for each step, renewed when what it depends on changes ---

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit("nbmerge needs Python 3.10 or newer: make PYTHON=python3.12 ..." if sys.version_info < (3, 10) else 0)'
	@echo "Making $(VENV) with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv $(VENV) || { $(APT_INSTALL) python3-venv && $(PYTHON) -m venv --clear $(VENV); }
	@$(PIP) install --upgrade "pip>=25.1"  # older ones know no dependency groups
	@touch $@

$(VENV)/.torch: $(VENV)/.made $(PINS)
	@echo "Installing $(TORCH) ..."
	@$(PIP) install --no-deps $(TORCH_INDEX) $(TORCH)
	@touch $@

$(VENV)/.installed: $(VENV)/.torch pyproject.toml
	@echo "Installing nbmerge and what it needs (a few minutes on a slow line) ..."
	@$(PIP) install -c $(PINS) --editable ".[lab]"
	@touch $@

$(VENV)/.tested: $(VENV)/.installed
	@echo "Installing what tests need ..."
	@$(PIP) install -c $(PINS) --group dev
	@touch $@
