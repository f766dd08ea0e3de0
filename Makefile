# The commands of this project. `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FUZZ_SECONDS ?= 3600
TESTS_AT_ONCE ?= 2
DRILLS ?= 100
DRILLS_FIRST ?= 0
READY := $(VENV)/.ready

.PHONY: help setup demo test fuzz drills check wheel clean

help:  ## list the commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

setup: $(READY)  ## make .venv with pinned versions

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Photochrom needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	mkdir -p .types && ln -sfn .. .types/photochrom
	touch $(READY)

# 3 means: finished, and some rows failed, as some of the sample archive must.
demo: setup  ## colorize the sample archive on Ray and make a contact sheet
	rm -rf demo
	$(BIN)/photochrom run tests/data/archive/manifest.csv demo/output || test $$? -eq 3
	$(BIN)/photochrom audit demo/output --sheet demo/contact-sheet.jpg

test: setup  ## run the tests, two files at a time (TESTS_AT_ONCE=2)
	$(BIN)/pytest --numprocesses $(TESTS_AT_ONCE) --dist loadfile --no-loadscope-reorder

fuzz: setup  ## spoil files of every kind for an hour, with new seeds (FUZZ_SECONDS=3600)
	end=$$(($$(date +%s) + $(FUZZ_SECONDS))); while [ $$(date +%s) -lt $$end ]; do \
	PHOTOCHROM_FUZZ_EXAMPLES=1000 $(BIN)/pytest -q --timeout=0 tests/colorize/picture/test_fuzz.py || exit 1; done

drills: setup  ## let a hundred schedules of faults befall jobs (DRILLS=100 DRILLS_FIRST=0)
	PHOTOCHROM_DRILLS=$(DRILLS) PHOTOCHROM_DRILLS_FIRST=$(DRILLS_FIRST) $(BIN)/pytest -v tests/drills

check: setup  ## lint, format, types, import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p photochrom.colorize -p photochrom.cluster -p photochrom.monitoring -p photochrom.jobs
	$(BIN)/pytest --quiet tests/test_layers.py

wheel: setup  ## build dist/photochrom-*.whl
	rm -rf build dist
	$(BIN)/python -m build --wheel

clean:  ## remove what the other commands made
	rm -rf $(VENV) .types build dist demo *.egg-info
