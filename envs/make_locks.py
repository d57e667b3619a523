"""Write the lock files from pyproject.toml: `python envs/make_locks.py` (needs `pip install uv`).

cpu.lock: everything but torch, with hashes, one version of each on every supported Python. torch.lock: torch by
version alone, because its CPU and CUDA builds have one version and different bytes. gpu.lock: with hashes, what the
CUDA build of torch and DeepSpeed add. extras.lock: slurm and kubernetes; benchmarks.lock: the peers that benchmarks run
beside; s3 and ssh are in cpu.lock, because the tests need them.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
CUDA = re.compile(r"^(cuda|nvidia|triton)[-a-z0-9]*==")


def compile_blocks(*extras: str) -> dict[str, str]:
    """Resolve; return requirement name -> its block of lines."""
    arguments = [part for extra in extras for part in ("--extra", extra)]
    command = "uv pip compile --universal --fork-strategy fewest --python-version 3.11 --generate-hashes --no-annotate --no-header"
    output = subprocess.run(
        [*command.split(), *arguments, str(HERE.parent / "pyproject.toml")], check=True, capture_output=True, text=True
    ).stdout
    blocks = re.split(r"\n(?=[A-Za-z0-9])", output.strip())
    return {re.split(r"[=\s]", block, maxsplit=1)[0]: block for block in blocks}


def write(name: str, comment: str, blocks: list[str]) -> None:
    (HERE / name).write_text(
        f"# {comment} Written by envs/make_locks.py.\n" + "\n".join(blocks) + "\n", encoding="utf-8"
    )


def main() -> None:
    core = compile_blocks("development")
    everything = compile_blocks("development", "gpu")
    extras = compile_blocks("development", "slurm", "kubernetes")
    benchmarks = compile_blocks("development", "benchmarks")
    torch = core.pop("torch").split()[0]
    cpu = {name: block for name, block in core.items() if not CUDA.match(block)}
    write("cpu.lock", "Everything but torch, with hashes.", list(cpu.values()))
    (HERE / "torch.lock").write_text(f"# One version, several builds: see README.\n{torch}\n", encoding="utf-8")
    write("gpu.lock", "What CUDA torch and DeepSpeed add.", [b for n, b in everything.items() if n not in cpu])
    write(
        "extras.lock",
        "What slurm and kubernetes add.",
        [b for n, b in extras.items() if n not in core and n != "torch"],
    )
    write(
        "benchmarks.lock",
        "What benchmarks add.",
        [b for n, b in benchmarks.items() if n not in core and n != "torch"],
    )


if __name__ == "__main__":
    main()
