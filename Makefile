# Everything a fresh Debian or Ubuntu machine with Python 3.11 or later and git needs is set up on the way.

.DEFAULT_GOAL := help
SHELL := /bin/bash
UV = $(shell command -v uv || echo .uv/bin/uv)
RUN = $(UV) run --no-sync
DEMO ?= demo
PARALLEL ?= --numprocesses 3 --dist worksteal
BUILDS ?= 3000
SEED ?= $(shell date +%s)

.PHONY: help demo test test-all compatibility chaos lint unit bench docs links viewer sync packages servers clean

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: sync ## Judge two changes of a sample project on embedded parts; makes the directory demo/
	rm -rf $(DEMO)
	@$(RUN) thcore quickstart $(DEMO)

test: packages sync lint ## Everything that must hold: lint, types, layers, unit, contract and system tests
	$(RUN) pytest $(PARALLEL) -m "not slow" --ignore tests/benchmarks --cov --cov-report term:skip-covered --cov-fail-under 90 --durations 25

test-all: packages sync lint ## The same, with whole projects, large datasets and hundreds of kills (several hours in all)
	THCORE_KILLS=100 $(RUN) pytest $(PARALLEL) --ignore tests/benchmarks

compatibility: sync ## What plugins were promised: those of the last minor release run, and nothing that they use is gone
	$(RUN) pytest tests/compatibility tests/thcore/test_stability.py

chaos: packages sync ## Kill everything around BUILDS builds (3000) at the points that SEED chooses; some twenty minutes
	THCORE_CHAOS_SEED=$(SEED) THCORE_CHAOS_BUILDS=$(BUILDS) $(RUN) pytest tests/system/test_chaos.py -s

lint: sync ## Style, types and layers
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy
	$(RUN) lint-imports

bench: packages sync ## Measure, each figure as a ratio to the alternative in the same run
	$(RUN) pytest tests/benchmarks -s

docs: packages sync ## Build the site into docs/_build/html, the manual pages into docs/_build/man
	$(RUN) sphinx-build -W --keep-going -b html docs docs/_build/html
	$(RUN) sphinx-build -W --keep-going -b man docs docs/_build/man

links: packages sync ## Ask every page elsewhere that the site links to whether it is still there; needs the network
	$(RUN) sphinx-build -q -b linkcheck docs docs/_build/links

viewer: sync ## Build the log viewer's script and style from thcore/viewer into the package
	$(RUN) npm --prefix thcore/viewer ci --no-audit --no-fund --ignore-scripts
	$(RUN) npm --prefix thcore/viewer run check
	$(RUN) npm --prefix thcore/viewer run build

# Compiled at once: where PYTHONDONTWRITEBYTECODE is set, as images for CI like to have it, each of the thousands of
# processes that the tests start would compile all that it imports.
sync: $(UV) ## Install the workspace into .venv
	@$(UV) sync --quiet --all-packages --all-groups --compile-bytecode
	@$(RUN) python -m compileall -q */src tests/parts

packages: ## Install the Debian packages that the tests use, where they are missing
	@.ci/packages

servers: ## Unpack MySQL, and other releases of MariaDB and PostgreSQL, for the slow tests: below .servers, 1.4 GB
	@.ci/servers mysql mariadb-11.8 postgresql-17 postgresql-18

.uv/bin/uv:
	@.ci/uv .uv

clean: ## Remove what was made
	rm -rf .venv .uv $(DEMO) docs/_build .coverage* .*_cache
