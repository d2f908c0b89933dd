# Everything sets itself up: `make demo` and `make test` need Python >= 3.11 and make, nothing else.
PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= 2
export JAX_PLATFORMS ?= cpu

.PHONY: demo test test-slow notebooks lint bench lowest clean

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("neurojax needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; set PYTHON=") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test,lint]'
	@touch $@

demo: .venv/ready
	$(BIN)/neurojax demo --output demo_report

test: .venv/ready
	$(BIN)/python -m pytest --numprocesses $(WORKERS)

test-slow: .venv/ready
	$(BIN)/python -m pytest --numprocesses $(WORKERS) -m slow

# 14 to 20 take a minute or more each: pytest --nbmake notebooks/1[4-9]* notebooks/20*
notebooks: .venv/ready
	$(BIN)/python -m pytest --nbmake notebooks --ignore-glob='*/1[4-9]_*' --ignore-glob='*/20_*' -m 'not slow' --numprocesses $(WORKERS) -W default

bench: .venv/ready
	$(BIN)/neurojax bench engine
	$(BIN)/neurojax bench scaling
	$(BIN)/neurojax bench precision
	$(BIN)/neurojax bench fit
	$(BIN)/neurojax bench export
	$(BIN)/neurojax bench circuits
	$(BIN)/neurojax bench crossbar
	$(BIN)/neurojax bench programming

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

# The quick tests with the oldest versions that pyproject.toml promises, in an environment of their own.
lowest:
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --constraint tests/lowest.txt --editable '.[test]'
	NEUROJAX_TEST_CACHE=$(CURDIR)/.venv-lowest/cache .venv-lowest/bin/python -m pytest --numprocesses $(WORKERS)

clean:
	rm -rf .venv .venv-lowest demo_report report dist build
