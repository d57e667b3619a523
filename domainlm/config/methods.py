"""Names of the methods of training, by what they leave behind.

Nothing is imported here: the graph is planned by these names, and a build that finds its result loads no pydantic.
"""

from __future__ import annotations

from typing import Literal

Method = Literal["lora", "rslora", "lora_plus", "dora", "pissa", "qlora", "full", "osf", "p_tuning", "prefix_tuning"]
# adapters of linear layers, added to their weights by a merge
LOW_RANK = ("lora", "rslora", "lora_plus", "dora", "pissa", "qlora")
# the artifact is a whole checkpoint, not an adapter of one
WHOLE = ("full", "osf")
# virtual tokens before every text, which no weight can hold
PROMPTS = ("p_tuning", "prefix_tuning")
