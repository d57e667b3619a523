"""What keeps a model from forgetting: domain gain against general loss, by method, over seeds.

In: the folder of a built domain (`base_model`, `pt_tokens`, `corpus_split`). Out: a Markdown table, and a plot as SVG. Each
way of training gets the same rows, in the order of its seed, in a process of its own, through all gates of a build. The loss
on validation rows of the domain and on general text that no training saw is compared with the base model's. The interval is
that of the mean over seeds (95 %, Student's t). Rates are those of the table and not searched; nothing is replayed beyond
what `corpus_split.replay_share` put among the rows.

    python benchmarks/training/forgetting.py artifacts/medical --plot docs/images/forgetting.svg
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from methods import losses_of, write_rows
from scipy.stats import t

from domainlm.builder.processor import processor_name
from domainlm.config.pretraining import PtAdapter
from domainlm.contract import Resources
from domainlm.models.load import load_model
from domainlm.models.methods import saved_model
from domainlm.training.job import Start
from domainlm.training.train import train_adapter

WAYS: dict[str, dict[str, Any]] = {
    "LoRA": {},
    "a fifth of the rate": {"learning_rate": 2e-4},
    "MLP only": {"target_modules": "mlp"},
    "attention only": {"target_modules": "attention"},
    "KL 0.1": {"kl_weight": 0.1},
    "KL 1": {"kl_weight": 1.0},
    "full": {"method": "full", "learning_rate": 5e-5},
    "OSF": {"method": "osf", "learning_rate": 5e-5},
}
SEEDS = (17, 18, 19)
WIDTH, HEIGHT, MARGIN = 640, 420, 60

# means of domain and general change, and half of their intervals
Point = tuple[float, float, float, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("domain", type=Path, help="folder of a built domain: artifacts/medical")
    parser.add_argument("--rows", type=int, default=96, help="rows of training (default: 96)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--ways", nargs="+", default=list(WAYS))
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    parser.add_argument("--plot", type=Path, help="write the plot here")
    parser.add_argument("--way", help="train this way by the first seed and print the losses (used internally)")
    options = parser.parse_args()
    if options.way:
        print(json.dumps(changes(options)))
        return
    print(f"{processor_name()}; {options.rows} rows, seeds {', '.join(map(str, options.seeds))}; nats a token\n")
    print("| way | knobs | domain | general |\n|---|---|---|---|", flush=True)
    points: dict[str, Point] = {}
    for way in options.ways:
        pairs = [run(options, way, seed) for seed in options.seeds]
        domain, general = (interval([pair[place] for pair in pairs]) for place in (0, 1))
        points[way] = (domain[0], general[0], domain[1], general[1])
        knobs = ", ".join(f"`{key}: {value}`" for key, value in WAYS[way].items()) or "the defaults"
        print(
            f"| {way} | {knobs} | {domain[0]:+.3f} ± {domain[1]:.3f} | {general[0]:+.3f} ± {general[1]:.3f} |",
            flush=True,
        )
    if options.plot:
        options.plot.write_text(plot(points), encoding="utf-8")


def run(options: argparse.Namespace, way: str, seed: int) -> list[float]:
    command = [sys.executable, __file__, str(options.domain), "--way", way, "--seeds", str(seed)]
    command += ["--rows", str(options.rows), "--threads", str(options.threads)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


def changes(options: argparse.Namespace) -> list[float]:
    """Differences of domain and general loss to the base model's, after a training."""
    import torch

    torch.set_num_threads(1)
    base = options.domain / "base_model"
    section = PtAdapter(epochs=1, **WAYS[options.way])
    with tempfile.TemporaryDirectory() as name:
        tokens, out, scratch = (Path(name) / part for part in ("tokens", "out", "scratch"))
        for folder in (tokens, out, scratch):
            folder.mkdir()
        write_rows(options.domain, tokens, options.rows)
        resources = Resources(threads=options.threads, log=lambda line: print(line, file=sys.stderr))
        train_adapter(Start(base, "base_model"), tokens, section, options.seeds[0], out, scratch, resources)
        before, _ = losses_of(load_model(base, "float32"), tokens, options.threads)
        model = saved_model(lambda folder: load_model(folder, "float32"), base, out)
        after, _ = losses_of(model, tokens, options.threads)
    return [after[0] - before[0], after[1] - before[1]]


def interval(values: list[float]) -> tuple[float, float]:
    """Mean, and half of its 95 % interval; 0 for one value."""
    if len(values) < 2:
        return values[0], 0.0
    error = statistics.stdev(values) / len(values) ** 0.5
    return statistics.fmean(values), float(t.ppf(0.975, len(values) - 1)) * error


def plot(points: dict[str, Point]) -> str:
    """An SVG: domain gain to the right, general loss upwards, intervals as crosses."""
    rights = [-domain + half for domain, _, half, _ in points.values()]
    tops = [general + half for _, general, _, half in points.values()]
    bottoms = [min(0.0, general - half) for _, general, _, half in points.values()]
    right, top, bottom = max(rights) * 1.05, max(tops) * 1.1 + 1e-6, min(bottoms) * 1.1

    def x(gain: float) -> float:
        return MARGIN + gain / right * (WIDTH - 2 * MARGIN)

    def y(loss: float) -> float:
        return HEIGHT - MARGIN - (loss - bottom) / (top - bottom) * (HEIGHT - 2 * MARGIN)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<path d="M{MARGIN} {MARGIN}V{HEIGHT - MARGIN}H{WIDTH - MARGIN}" fill="none" stroke="black"/>',
        f'<path d="M{MARGIN} {y(0):.1f}H{WIDTH - MARGIN}" stroke="silver"/>',
        f'<text x="{WIDTH - MARGIN}" y="{HEIGHT - 25}" text-anchor="end">domain gain, nats a token</text>',
        f'<text x="{MARGIN}" y="{MARGIN - 15}">general loss, nats a token (up is forgetting)</text>',
    ]
    for number in range(6):
        gain, loss = right * number / 5, bottom + (top - bottom) * number / 5
        parts.append(f'<text x="{x(gain):.1f}" y="{HEIGHT - 42}" text-anchor="middle">{gain:.2f}</text>')
        parts.append(f'<text x="{MARGIN - 6}" y="{y(loss) + 4:.1f}" text-anchor="end">{loss:.2f}</text>')
    for name, (domain, general, width, height) in points.items():
        left, middle = x(-domain), y(general)
        parts.append(
            f'<path d="M{x(-domain - width):.1f} {middle:.1f}H{x(-domain + width):.1f}'
            f'M{left:.1f} {y(general - height):.1f}V{y(general + height):.1f}" stroke="gray"/>'
            f'<circle cx="{left:.1f}" cy="{middle:.1f}" r="4" fill="#1f6fb4"/>'
            f'<text x="{left + 7:.1f}" y="{middle - 6:.1f}">{name}</text>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    main()
