# Everything is done in .venv, in the checkout; nothing is installed outside of it.
# Every path here is relative and every shell word quoted, because a checkout may lie in a
# directory with a blank or an umlaut in its name, and make can't have such a name as a target.

PYTHON ?=
JOBS ?= 3
LONG ?=
ARGS ?=
MINUTES ?= 5
PDUS ?= 100000
EXAMPLES ?= 100
export PYTHON

PY := .venv/bin/python
PIP := $(PY) -m pip --quiet --quiet --disable-pip-version-check
export PIP_ROOT_USER_ACTION := ignore

# .venv/installed says that an installation was finished: in which directory (programs in
# .venv/bin hold its absolute path) and with which PYTHON. A .venv that was moved, copied, left
# half done, built with another PYTHON than the one now asked for, or whose Python is gone, is
# built anew; one that is only older than pyproject.toml or requirements.lock is brought up to date.
ANEW := $(shell { IFS= read -r there; IFS= read -r python; } 2>/dev/null <.venv/installed; \
	[ -x $(PY) ] && [ "$$there" = "$$(pwd -P)" ] && \
	{ [ -z '$(PYTHON)' ] || [ "$$python" = '$(PYTHON)' ]; } || echo yes)

.PHONY: help install demo test docs bench fuzz clean

help: ## this page
	@sed -n 's/^\([a-z]*\):.*## /make \1	/p' Makefile | expand -t 16
	@echo
	@echo 'PYTHON=/path/to/python3   the Python to build .venv with (3.11 or newer; else the newest found)'
	@echo 'ARGS="--recipients 50"    handed on to demo, test (pytest) and bench'
	@echo 'LONG=1                    test: the long tests, too, which start whole installations again and again'
	@echo 'MINUTES=30               how long fuzz goes on'
	@echo 'PDUS=1000                how many PDUs of each kind fuzz compares with smpplib before (100000)'
	@echo 'EXAMPLES=10              how many requests fuzz makes up for each route of the API (100)'
	@echo 'JOBS=3                    how many processes the tests use: they wait as much as they work'

install: .venv/installed ## .venv with pinned dependencies, and in it .venv/bin/siaran
	@:

demo: install ## a campaign over SMPP, from a CSV file to its receipts: database, SMSC and engine included
	@.venv/bin/siaran demo $(ARGS)

test: install ## all that a change has to pass: lint, layout, strict types, import rules, documentation, tests
	@echo 'ruff check: lint'
	@$(PY) -m ruff check --quiet .
	@echo 'ruff format: layout'
	@$(PY) -m ruff format --check --quiet .
	@echo 'mypy: strict types'
	@$(PY) -m mypy
	@echo 'pytest: tests, import rules, documentation'
	@$(PY) -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder \
		$(if $(LONG),,-m 'not long') $(ARGS)

docs: install ## writes the parts of README.md that are made from the code
	@$(PY) -m tests.docs

bench: install ## how fast it is on this machine
	@$(PY) -m tests.benchmarks $(ARGS)

fuzz: install ## octets from outside, guided by coverage, for MINUTES (5)
	@$(PIP) install --no-deps --requirement tests/fuzz/requirements.txt || \
		echo 'atheris does not install here: fuzzing by chance' >&2
	@SIARAN_LENGTHS=all SIARAN_PDUS=$(PDUS) $(PY) -m pytest -q -n $(JOBS) --dist load \
		tests/unit/smpp/test_lengths.py tests/protocol/test_oracle.py
	@SIARAN_EXAMPLES=$(EXAMPLES) $(PY) -m pytest -q tests/engine/test_api_schema.py
	@$(PY) -m tests.fuzz --minutes $(MINUTES) $(ARGS)

clean: ## removes .venv and everything else that was made here
	@rm -rf .venv build dist ./*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -path ./.git -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +

ifneq ($(ANEW),)
.PHONY: .venv/installed
endif
.venv/installed: pyproject.toml requirements.lock
ifneq ($(ANEW),)
	@python=$$(sh -c "$$FIND_PYTHON") && rm -rf .venv && \
	echo "creating .venv with $$("$$python" --version)" && "$$python" -m venv .venv
endif
	@echo 'installing pinned dependencies'
	@$(PIP) install --no-deps --requirement requirements.lock
	@# The .pth file holds the checkout's path in the encoding of the locale, and so is read by
	@# Python 3.11: under LC_ALL=C an umlaut in it stops setuptools now and each Python later.
	@# So it is written in a locale that has umlauts, then replaced by the way from there to here.
	@LC_ALL=C.UTF-8 $(PIP) install --no-deps --no-build-isolation --editable .
	@for pth in .venv/lib/python*/site-packages/__editable__.siaran-*.pth; do echo ../../../.. >"$$pth"; done
	@$(PIP) check
	@{ pwd -P; printf '%s\n' "$$PYTHON"; } >$@

# Prints the first Python that will do; else, on stderr, one line that says what is there
# and what to do. A name on the PATH proves nothing: it may be a version manager's stub, or a
# Debian Python without its venv package. So each one is run. (The check itself has to be
# readable to Python 2.)
define FIND_PYTHON
if [ -n "$$PYTHON" ]; then set -- "$$PYTHON"; else set -- python3.13 python3.12 python3.11 python3; fi
seen=
for candidate; do
    found=$$("$$candidate" -c '
import sys
version = "%d.%d.%d" % sys.version_info[:3]
if sys.version_info < (3, 11):
    print(version)
else:
    try:
        import ensurepip, venv
        print("good")
    except ImportError:
        print(version + " without venv")
' 2>/dev/null) || continue
    [ "$$found" = good ] && echo "$$candidate" && exit
    seen="$$seen$${seen:+, }$$candidate is $$found"
done
echo "Siaran needs Python 3.11 or newer with its venv module ($${seen:-$$* can not be run});\
 install it (Debian, Ubuntu: python3 and python3-venv) or name one: make PYTHON=/path/to/python3" >&2
exit 1
endef
export FIND_PYTHON
