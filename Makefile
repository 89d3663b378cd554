# `make up` needs Python 3.11 or newer and nothing else. Everything is installed into .venv.

PORT ?= 8420
DATA_DIR ?= ./.packmule
# How many tests run at once; each worker has a Postgres of its own.
JOBS ?= 2

# The first Python that is new enough; `make up PYTHON=/path/to/python3.12` chooses another.
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$name"; break; }; done)

PIP_INSTALL = .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input \
	--require-hashes --only-binary :all:
PYTEST = .venv/bin/python -m pytest -q
MANAGE = .venv/bin/python manage.py
MENUGEN = examples/menugen

# Hundreds of processes are started by the tests, and each would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help up demo test check format browser schema sweep faults slow menugen bench lock clean

help:
	@echo "make up       install and start everything (PORT=$(PORT) DATA_DIR=$(DATA_DIR)); Ctrl-C stops it"
	@echo "make demo     MenuGen, a product, from a photo to an illustrated menu (PHOTO=path.jpg DEMO_EXIT=1)"
	@echo "make test     the fast tests          make check    style, types, layers, migrations"
	@echo "make slow     the slow tests          make browser  the admin in a real browser"
	@echo "make schema   every route fuzzed      make sweep    what is tried on every route"
	@echo "make faults   kill -9, twenty times   make bench    what it costs"
	@echo "make menugen  more photos, read by the example"
	@echo "make lock     pin the requirements    make format   put the code in shape"
	@echo "make clean    remove what was installed (never the data)"

up: .venv/.base
	@exec $(MANAGE) up --port "$(PORT)" --data-dir "$(DATA_DIR)"

demo: .venv/.base $(MENUGEN)/.venv/.ready
	@cd $(MENUGEN) && FROM="$(CURDIR)" DATA_DIR="$(DATA_DIR)" PHOTO="$(PHOTO)" exec .venv/bin/python -m demo

test: .venv/.test
	$(PYTEST) -n $(JOBS) -m "not slow and not browser and not schema and not sweep and not faults"

slow: .venv/.test $(MENUGEN)/.venv/.ready
	$(PYTEST) -n $(JOBS) -m "slow and not menugen"

browser: .venv/.test $(MENUGEN)/.venv/.ready
	$(PYTEST) -n $(JOBS) -m "browser and not menugen"

menugen: .venv/.test $(MENUGEN)/.venv/.ready
	$(PYTEST) -m menugen

schema: .venv/.test
	$(PYTEST) -n $(JOBS) -m schema

sweep: .venv/.test
	$(PYTEST) -n $(JOBS) -m sweep

faults: .venv/.test $(MENUGEN)/.venv/.ready
	$(PYTEST) -n $(JOBS) --dist loadfile -rfEP -m faults

check: .venv/.test
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy apps config tests $(MENUGEN)/menugen $(MENUGEN)/demo
	.venv/bin/lint-imports
	$(MANAGE) makemigrations --check --dry-run
	$(if $(wildcard apps/*/management/commands/docs.py),$(MANAGE) docs check)

format: .venv/.test
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

bench: .venv/.base
	.venv/bin/python -m bench

# Needs uv. The files name neither an index nor a machine.
lock:
	cd requirements && for name in base test; do \
		uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --only-binary :all: \
		--no-header --no-emit-index-url --no-emit-find-links $$name.in -o $$name.txt || exit 1; done
	cd $(MENUGEN) && uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --only-binary :all: \
		--no-header --no-emit-index-url --no-emit-find-links requirements.in -o requirements.txt

clean:
	rm -rf .venv $(MENUGEN)/.venv

.venv/.base: requirements/base.txt
	@test -n "$(PYTHON)" || { echo "Packmule needs Python 3.11 or newer, and there is none in PATH." >&2; exit 1; }
	@$(PYTHON) apps/core/machine.py
	@.venv/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@echo "Installing into .venv (once, about half a minute) ..."
	@$(PIP_INSTALL) -r requirements/base.txt
	@touch $@

.venv/.test: .venv/.base requirements/test.txt
	@echo "Installing what the tests need ..."
	@$(PIP_INSTALL) -r requirements/base.txt -r requirements/test.txt
	@touch $@

$(MENUGEN)/.venv/.ready: $(MENUGEN)/requirements.txt .venv/.base
	@$(MENUGEN)/.venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m venv --clear $(MENUGEN)/.venv
	@echo "Installing what MenuGen needs (once, about a minute) ..."
	@cd $(MENUGEN) && $(PIP_INSTALL) -r requirements.txt
	@touch $@
