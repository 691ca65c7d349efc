# The commands are `make demo` and `make test`; `make bench` measures, `make compare` trains for hours. All set up what they need; see setup.sh.

# Real speech for the demo: PQK_DATA if set, else a folder that may lie beside the checkout, else a download.
PQK_DATA ?= $(wildcard $(abspath ../shared/data/speech-commands))
ifneq ($(PQK_DATA),)
export PQK_DATA
DEMO := demo/speech-commands
else
unexport PQK_DATA
DEMO := demo/mini
endif

REPORT := build/demo
HOURS := 1
RUNS := 10000000
PQK := .venv/bin/pqk-mcu --project $(DEMO)

.PHONY: demo test bench compare fuzz lint clean

# Train, generate, compile, flash the emulated board, evaluate every test clip's audio over serial and hours of
# continuous audio, report. Tuning, and building
# again with what it measured, takes half a minute and gives the report a plain C that was measured, too.
demo: .venv/.demo
ifeq ($(PQK_DATA),)
	.venv/bin/pqk-mcu download mini
endif
	$(PQK) build
	$(PQK) tune
	$(PQK) build
	$(PQK) flash
	$(PQK) eval
	$(PQK) eval --stream --hours $(HOURS)
	$(PQK) report --output $(REPORT) --open

# Measure networks of several sparsities on the emulated boards, and the demo's where it was built: build/bench.
bench: .venv/.demo
	$(PQK) bench

# Train every method and setting of benchmarks/compare.toml with several seeds, all for as many epochs: hours. What is
# finished is kept: after an interruption the same command goes on.
compare: .venv/.demo
ifeq ($(PQK_DATA),)
	.venv/bin/pqk-mcu download mini
endif
	$(PQK) compare --rows benchmarks/compare.toml --measure --json benchmarks/compare.json

# Millions of inputs for the firmware's side of the protocols: without front end, with it, and that with MLPerf Tiny's
# text on the same line: build/fuzz. Three quarters of an hour.
fuzz: .venv/.test
	PYTHONPATH=tests .venv/bin/python -m support.fuzzing $(RUNS)

test: lint
	.venv/bin/python -m pytest

lint: .venv/.test
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	clang-format --dry-run --Werror $$(git ls-files '*.c' '*.h')

# Set-up is repeated when the list of dependencies changes.
.venv/.demo .venv/.test: .venv/.%: pyproject.toml setup.sh
	./setup.sh $*
	touch $@

clean:
	rm -rf build demo/*/build
