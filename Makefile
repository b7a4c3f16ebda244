# `make grade` and `make test` are the whole set-up on a fresh machine: both make .venv first if it is not there.
# Another interpreter than python3: make test PYTHON=python3.12

PYTHON ?= python3
WORKERS ?= 2

BIN := .venv/bin
SAMPLE := build/sample
# Three that show the range: no network, by hand, trained. All fourteen: make grade ASSIGNMENTS=
ASSIGNMENTS ?= 02_sigmoid_neuron 05_convolution_by_hand 08_cnn

# The environment is made once for each state of what it is made of; the stamp's name tells which.
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
STAMP := .venv/made-of-$(VERSION)-$(shell cat requirements-dev.txt pyproject.toml | cksum | cut -d' ' -f1)

# Cheapest first.
TESTS := tests/unit tests/kernel tests/course tests/hostile tests/browser

# The outcome does not depend on what a machine happens to be set to. Only the tests that are made for real data look at
# COURSE_DATA.
unexport COURSE_HOLDOUT_SEED COURSE_PROFILE
export COURSE_DATA_SOURCE := standin
export TF_CPP_MIN_LOG_LEVEL := 3
export TF_ENABLE_ONEDNN_OPTS := 0

.DEFAULT_GOAL := help
.PHONY: help grade test audit lint bench bench-check fuzz release solve lock environment

help:  ## List what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

grade: environment  ## Mark a sample class from scratch and write its report
	rm -rf $(SAMPLE)
	$(BIN)/autograder build
	$(BIN)/autograder sample $(ASSIGNMENTS) --to $(SAMPLE)
	@# 1: some submissions could not be graded. A few of the sample class are broken on purpose.
	$(BIN)/autograder --course $(SAMPLE) grade || test $$? -eq 1
	$(BIN)/autograder --course $(SAMPLE) report

test: lint  ## Style, types and all tests: what CI runs
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations 20 $(wildcard $(TESTS))

lint: environment  ## Style, format and types alone
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: environment  ## Measure time and memory, beside nbgrader and with a large class; more: OPTIONS="--submissions 5000"
	$(BIN)/python -m benchmarks $(OPTIONS)

bench-check: environment  ## End with an error if what is measured is worse than benchmarks/ratios.toml, beyond noise
	$(BIN)/python -m benchmarks $(ASSIGNMENTS) --check $(OPTIONS)

audit: environment  ## The long tests; then the judges are judged: answers, mutants, steadiness
	@# First the tests that `make test` leaves out: the audit ends with 1 for whatever is to be mended.
	$(BIN)/python -m pytest --long -m long $(wildcard $(TESTS))
	$(BIN)/autograder audit

fuzz: environment  ## Feed damaged notebooks, values and archives to whatever reads them
	$(BIN)/python -m benchmarks.fuzz

release: environment  ## Write release/ from source/
	$(BIN)/autograder build

solve: environment  ## Run the masters and write solutions/
	$(BIN)/autograder solve

lock: environment  ## Pin the newest versions that fit pyproject.toml in requirements*.txt
	$(BIN)/python -m uv pip compile $(COMPILE) --output-file requirements.txt pyproject.toml
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], "editables", "uv", sep="\n")' \
	| $(BIN)/python -m uv pip compile $(COMPILE) --constraint requirements.txt --extra dev --output-file requirements-dev.txt pyproject.toml -

# One set of versions for every Python that pyproject.toml allows, and no word about where they came from.
COMPILE := --quiet --upgrade --universal --fork-strategy fewest --python-version 3.11 \
           --no-header --no-annotate

environment: $(STAMP)

# Bytecode is compiled now, because some machines do not let a run write it, and TensorFlow takes twice as long without.
$(STAMP):
	@$(PYTHON) -c 'import sys; (3, 11) <= sys.version_info < (3, 14) or sys.exit("Python 3.11, 3.12 or 3.13 is needed; %s is %s. Name one: make PYTHON=python3.12" % (sys.executable, sys.version.split()[0]))'
	$(BIN)/python$(VERSION) -c '' 2> /dev/null || $(PYTHON) -m venv --clear .venv
	rm -f .venv/made-of-*
	if $(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^uv==' requirements-dev.txt)"; then \
	    $(BIN)/python -m uv pip install --quiet --python $(BIN)/python --compile-bytecode --requirements requirements-dev.txt \
	    && $(BIN)/python -m uv pip install --quiet --python $(BIN)/python --no-build-isolation --no-deps --editable .; \
	else \
	    grep -v '^uv==' requirements-dev.txt \
	    | $(BIN)/python -m pip install --disable-pip-version-check --compile --requirement /dev/stdin \
	    && $(BIN)/python -m pip install --disable-pip-version-check --no-build-isolation --no-deps --editable .; \
	fi
	$(BIN)/python -m compileall -q coursekit autograder
	touch $@
