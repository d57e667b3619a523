"""Every profile is read by the real snakemake, and its rules get what it grants, also where its lines for GPUs are uncommented."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Any

import pytest
from material.unavailable import unavailable

# profile -> its plugin, the lines that a person uncomments, what the trainings' rules then get
PROFILES: dict[str, tuple[str | None, tuple[str, ...], tuple[str, ...]]] = {
    "local": (None, (), ("gpus=0", "micro_batch_rows=1", "checkpoint_seconds=60")),
    "gpu": (None, (), ("gpus=1", "micro_batch_rows=1", "checkpoint_seconds=300")),
    "multi_gpu": (None, (), ("gpus=8", "micro_batch_rows=1", "checkpoint_seconds=300")),
    "slurm": (
        "snakemake_executor_plugin_slurm",
        ("slurm_account: my_project", "slurm_partition: gpu", "gres: gpu:1", "gpus: 1", "activation_checkpointing: 1"),
        ("gres=gpu:1", "slurm_partition=gpu", "slurm_account=my_project", "gpus=1", "mem_mb=16000", "runtime=1440"),
    ),
    "kubernetes": (
        "snakemake_executor_plugin_kubernetes",
        ("gpu: 1", "gpu_manufacturer: nvidia", "scale: 0", "gpus: 1", "activation_checkpointing: 1"),
        ("gpu=1", "gpus=1", "gpu_manufacturer=nvidia", "scale=0", "mem_mb=16000"),
    ),
}


@pytest.mark.parametrize("name", PROFILES)
def test_a_training_is_granted_what_its_profile_says(fresh_tree: Any, name: str) -> None:
    plugin, commented, expected = PROFILES[name]
    if plugin is not None and find_spec(plugin) is None:
        unavailable(f"{plugin} is not installed: make extras")
    for line in commented:
        fresh_tree.edit(f"profiles/{name}/config.yaml", f"# {line}", line)
    command = ("snakemake", "-n", "-p", "--profile", f"profiles/{name}", "sft_adapter", "--config", "domain=tiny")
    text = fresh_tree.run(*command)
    for rule in ("pt_adapter", "sft_adapter"):
        job = re.search(rf"^rule {rule}:\n(.*?)(?=^rule |\Z)", text, re.DOTALL | re.MULTILINE)
        assert job is not None, text
        resources = re.search(r"resources: (.*)", job[1])
        assert resources is not None, job[1]
        granted = set(resources[1].split(", "))
        assert granted >= set(expected), resources[1]
        values = dict(each.split("=", 1) for each in granted)
        options = ("micro_batch_rows", "checkpoint_seconds", "gpus", "processes", "activation_checkpointing")
        asked = " ".join(f"--{name.replace('_', '-')} {values[name]}" for name in options)
        assert asked in job[1]
