# Two commands: `make sft_adapter` (set up, build the default domain) and `make test` (set up, run the tests).
#   PYTHON=python3.12    interpreter of the virtual environment (3.11 or newer)
#   TORCH=gpu            CUDA build of torch, DeepSpeed (default: cpu)
#   TORCH_INDEX=URL      index to take torch from, where plain `torch` is the CUDA build and the CPU build is wanted (README)
PYTHON ?= python3
VENV ?= .venv
TORCH ?= cpu
TORCH_INDEX ?=
CORES ?= all
# relative: make cannot quote a path with spaces
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
READY := $(VENV)/.ready-$(TORCH)
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PYTHONDONTWRITEBYTECODE :=

.PHONY: all sft_adapter extras benchmarks test test_long lint format locks docs dvc.yaml setup clean

sft_adapter: $(READY)
	snakemake --cores $(CORES) sft_adapter

all: $(READY)
	snakemake --cores $(CORES)

setup: $(READY)

$(READY): envs/cpu.lock envs/torch.lock envs/gpu.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, $(PYTHON) is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "setting up $(VENV): torch ($(TORCH)) and the locked packages"
ifeq ($(TORCH),gpu)
	$(PIP) install --no-deps --require-hashes -r envs/cpu.lock
	$(PIP) install --no-deps --no-build-isolation --require-hashes -r envs/gpu.lock
else
	$(PIP) install --no-deps $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) -r envs/torch.lock
	$(PIP) install --no-deps --require-hashes -r envs/cpu.lock
endif
	$(PIP) install --no-deps --no-build-isolation --editable .
	@$(BIN)/python -c 'import torch' || { echo "torch does not load; on Linux without CUDA choose its CPU build: see README, Installing"; exit 1; }
	@touch $@

# what the extras slurm and kubernetes add
extras: $(READY)
	$(PIP) install --no-deps --require-hashes -r envs/extras.lock

# the peers that benchmarks/ runs beside
benchmarks: $(READY)
	$(PIP) install --no-deps --require-hashes -r envs/benchmarks.lock

test: $(READY)
	python tests/material/fetch_qwen_tokenizer.py
	OMP_NUM_THREADS=1 pytest -n 2 --dist loadfile -m "not long"

# real DVC, real clusters (where SLURM is installed and `make extras` was run), real rebuilds
test_long: $(READY)
	OMP_NUM_THREADS=1 pytest -n 2 --dist loadfile -m long

lint: $(READY)
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check Snakefile rules
	python rules/lint.py

format: $(READY)
	ruff check --fix .
	ruff format .
	snakefmt Snakefile rules

# generated files; tests keep them true
docs dvc.yaml: $(READY)
	python docs/make_reference.py
	python docs/make_soundness.py
	python docs/make_security.py
	python -m domainlm.workflow.dvc

locks: $(READY)
	$(PIP) install uv
	python envs/make_locks.py

clean:
	rm -rf artifacts logs .domainlm .snakemake
