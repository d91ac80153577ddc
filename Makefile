PYTHON ?= python3
PIP = .venv/bin/python -m pip install --quiet --constraint constraints.txt

train: .venv/installed
	.venv/bin/autoencode train

test: .venv/installed-test
	.venv/bin/python -m pytest --numprocesses 2 --dist loadfile

quick: .venv/installed-test
	.venv/bin/python -m pytest --numprocesses 2 --dist loadfile -m "not slow" --durations 10

coverage: .venv/installed-test
	.venv/bin/python -m pytest --numprocesses 2 --dist loadfile --cov --cov-report term:skip-covered

lint: .venv/installed-lint
	.venv/bin/ruff check
	.venv/bin/ruff format --check

types: .venv/installed-lint
	.venv/bin/pyright --pythonpath .venv/bin/python

bench: .venv/installed-test
	.venv/bin/python benchmarks/speed.py
	.venv/bin/python benchmarks/packing.py
	.venv/bin/python benchmarks/streaming.py
	.venv/bin/python benchmarks/convolutions.py
	.venv/bin/python benchmarks/tables.py

redrawing: .venv/installed-test
	.venv/bin/python benchmarks/redrawing.py
	.venv/bin/python benchmarks/tables.py

using: .venv/installed-test
	.venv/bin/python benchmarks/anomalies.py
	.venv/bin/python benchmarks/denoising.py
	.venv/bin/python benchmarks/encoding.py
	.venv/bin/python benchmarks/tables.py

faults: export PYTHONPATH = benchmarks
faults: .venv/installed-test
	.venv/bin/python tests/robustness/faults.py kill --trials 100
	.venv/bin/python tests/robustness/faults.py kill --trials 30 --engine tensorflow
	.venv/bin/python tests/robustness/faults.py writes
	.venv/bin/python tests/robustness/faults.py damage --trials 2000
	.venv/bin/python tests/robustness/faults.py hostile
	.venv/bin/python tests/robustness/fuzzing.py --seconds 600
	.venv/bin/python tests/robustness/faults.py cost --trials 10

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) .
	touch $@

.venv/installed-test: .venv/installed
	$(PIP) --editable '.[test-all]'
	touch $@

.venv/installed-lint: .venv/installed-test
	$(PIP) '.[lint]'
	touch $@

.PHONY: train test quick coverage lint types bench redrawing using faults
