"""One of two processes that train several sections together: `python -m material.group_of_two RANK FOLDER PORT...`.

In: FOLDER/sections.json, a list of [knobs, rows in a micro-batch, update that
interrupts or 0], a port for each, and one for the interrupted one. Out: FOLDER/<number>/out of
each. One start of two processes serves many trainings, because starting takes longer than a tiny training.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch

from domainlm.config.pretraining import PtAdapter
from domainlm.contract import Resources
from domainlm.training.group import joined, leave
from domainlm.training.job import Job, Start
from domainlm.training.train import train_in_group
from material.trainings import Interrupted, interrupt_after


def main(rank: int, folder: Path, ports: list[int]) -> None:
    asked = json.loads((folder / "sections.json").read_text())
    for number, ((knobs, rows, interrupting), port) in enumerate(zip(asked, ports[:-1], strict=True)):
        out, scratch = folder / str(number) / "out", folder / str(number) / "scratch"
        start = Start(folder / "base", "base_model")
        job = Job(start, folder / "tokens", PtAdapter(**knobs), 17, out, scratch)
        resources = Resources(log=lambda line: None, checkpoint_seconds=0.0, micro_batch_rows=rows, processes=2)
        if interrupting:
            # a store serves one group
            with suppress(Interrupted), joined(rank, 2, ports[-1], torch.device("cpu")) as group:
                train_in_group(job, replace(resources, progress=interrupt_after(interrupting)), group)
            leave(group)
        with joined(rank, 2, port, torch.device("cpu")) as group:
            train_in_group(job, resources, group)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), [int(port) for port in sys.argv[3:]])
