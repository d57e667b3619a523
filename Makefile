# Two commands: `make sft_adapter` (set up, build the default domain) and `make test` (set up, run the tests).
#   PYTHON=python3.12    interpreter of the virtual environment (3.11 or newer)
#   TORCH=cpu            the CPU build of torch, small (default: index, the build that pip's index gives, with all that it needs)
#   TORCH=gpu            the CUDA build of torch, DeepSpeed; in an environment of its own: VENV=.venv-gpu
#   TORCH_INDEX=URL      index to take torch from, and nothing else
PYTHON ?= python3
VENV ?= .venv
TORCH ?= index
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

# goes on where an earlier set-up ended, however it ended
$(READY): envs/cpu.lock envs/torch.lock envs/cuda.lock envs/gpu.lock envs/installer.lock envs/set_up.py pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, $(PYTHON) is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python -a -e $(BIN)/activate || $(PYTHON) -m venv --without-pip $(VENV)
	@$(BIN)/python envs/set_up.py --torch "$(TORCH)" --torch-index "$(TORCH_INDEX)"
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
	python -m domainlm.workflow.rules

locks: $(READY)
	$(PIP) install uv
	python envs/make_locks.py

clean:
	rm -rf artifacts logs .domainlm .snakemake
