"""Write the lock files from pyproject.toml: `python envs/make_locks.py` (needs `pip install uv`).

cpu.lock: everything but torch, with hashes, one version of each on every supported Python. torch.lock: torch by
version alone, because its CPU and CUDA builds have one version and different bytes. cuda.lock: with hashes, the packages
that the CUDA build loads, and how large a download they are. gpu.lock: that build with hashes, and DeepSpeed.
installer.lock: what finds a CPU build where pip's index has none. extras.lock: slurm and kubernetes; benchmarks.lock:
the peers that benchmarks run beside; s3 and ssh are in cpu.lock, because the tests need them.
"""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
CUDA = re.compile(r"^(cuda|nvidia|triton)[-a-z0-9]*$")
COMPILE = "uv pip compile --universal --fork-strategy fewest --python-version 3.11 --no-annotate --no-header"
PROJECT = str(HERE.parent / "pyproject.toml")
# processors of Linux machines for which the CUDA build exists
PROCESSORS = ("x86_64", "aarch64")


def compiled(*arguments: str, requirements: str = "") -> str:
    return subprocess.run(
        [*COMPILE.split(), *arguments], input=requirements, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def options(extras: tuple[str, ...]) -> list[str]:
    return [part for extra in extras for part in ("--extra", extra)]


def compile_blocks(*extras: str) -> dict[str, str]:
    """Resolve; return requirement name -> its block of lines."""
    return blocks_of(compiled("--generate-hashes", *options(extras), PROJECT))


def blocks_of(output: str) -> dict[str, str]:
    blocks = re.split(r"\n(?=[A-Za-z0-9])", output.strip())
    return {re.split(r"[=\s]", block, maxsplit=1)[0]: block for block in blocks}


def download_sizes(names: set[str], *extras: str) -> str:
    """How much is downloaded of these on Linux and Python 3.11, by processor, as words that set_up.py reads back."""
    packages = tomllib.loads(compiled("--format", "pylock.toml", *options(extras), PROJECT))["packages"]
    found = []
    for processor in PROCESSORS:
        size = 0
        for package in packages:
            if package["name"] in names:
                size += max(wheel["size"] for wheel in package["wheels"] if fits(wheel["url"], processor))
        found.append(f"{processor} {size / 1e9:.1f} GB")
    return ", ".join(found)


def fits(url: str, processor: str) -> bool:
    file = url.rpartition("/")[2]
    return ("-cp311-cp311-" in file or "-py3-" in file or "-py2.py3-" in file) and (
        file.endswith("-any.whl") or ("linux" in file and processor in file)
    )


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
    cpu = {name: block for name, block in core.items() if not CUDA.match(name)}
    cuda = {name: block for name, block in everything.items() if CUDA.match(name)}
    gpu = {name: block for name, block in everything.items() if name not in cpu and name not in cuda}
    sizes = download_sizes({"torch", *cuda}, "development", "gpu")
    write("cpu.lock", "Everything but torch, with hashes.", list(cpu.values()))
    (HERE / "torch.lock").write_text(f"# One version, several builds: see README.\n{torch}\n", encoding="utf-8")
    write(
        "cuda.lock",
        f"What the CUDA build of torch loads, on Linux. Download, torch included: {sizes}.",
        list(cuda.values()),
    )
    write("gpu.lock", "The CUDA build of torch (its packages: cuda.lock), and DeepSpeed.", list(gpu.values()))
    installer = blocks_of(compiled("--generate-hashes", "-", requirements="uv"))
    write("installer.lock", "What finds the CPU build of torch for TORCH=cpu.", list(installer.values()))
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
