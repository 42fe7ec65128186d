"""Does training on what tracemill makes help? One round of IRPO on the bundled model, three seeds: `make improve`.

Wholly by recipes: `irpo` samples problems, verifies and pairs, without gold solutions, so that the model learns from
itself alone. TRL trains with DPO + NLL on the release; `pass-at-k` samples held-out problems before and after.
`pass1_gain_points` is the mean rise of pass@1 in points, `pass1_gain_low` the low end of its 95 % interval, by a
bootstrap over seeds and problems.
"""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.learning import HEADER, MODEL, Lab, Scores, gain, lab, made_by_irpo, measured, parser_of, table_of
from benchmarks.results import publish, write
from benchmarks.training import Preference, Training, irpo

CHECKPOINTS: Final = 3
BETA: Final = 0.1


def curve(place: Lab, seed: int) -> list[Scores]:
    """What each checkpoint of a seed's training scores."""
    options = place.options
    settings = [
        f"preferences.rules.correct_vs_incorrect.pairs_per_problem={options.pairs}",
        "export.formats={dpo: {instructions: asked}}",
    ]
    pairs = made_by_irpo(place, seed, settings).folder / "dpo/train"
    how = Training(options.rate, options.epochs, options.batch, seed, CHECKPOINTS)
    models = irpo(MODEL, pairs, place.folder / f"{seed}/irpo", how, Preference(BETA, options.alpha))
    return [measured(place, model, f"{seed}-{number}") for number, model in enumerate(models)]


def plot(before: float, curves: Sequence[Sequence[float]], out: Path) -> None:
    """pass@1 on held-out problems along the training, a line for each seed, and their mean."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(5.6, 3.2), layout="constrained")
    shares = [100 * number / CHECKPOINTS for number in range(CHECKPOINTS + 1)]
    for one in curves:
        axes.plot(shares, [100 * at for at in (before, *one)], color="#b8c4d6", linewidth=1)
    mean = [100 * statistics.fmean(at) for at in zip(*curves, strict=True)]
    axes.plot(shares, [100 * before, *mean], color="#1f4e9c", linewidth=2, marker="o")
    axes.set(xlabel="of the training on the pairs, %", ylabel="held-out pass@1, %")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(out, dpi=110)
    plt.close(figure)


def main() -> None:
    """Measure and print."""
    parser = parser_of(__doc__ or "")
    parser.add_argument("--problems", type=int, default=1600, help="to sample and train on, for each seed")
    parser.add_argument("--temperature", type=float, default=0.3, help="of the samples (the paper: 0.8)")
    parser.add_argument("--pairs", type=int, default=4, help="of each problem, at most (the paper: 10)")
    parser.add_argument("--alpha", type=float, default=30, help="weight of the likelihood term (the paper: 1)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the curve")
    options = parser.parse_args()
    with lab(options) as place:
        before = measured(place, MODEL, "before")
        curves = [curve(place, seed) for seed in range(options.seeds)]
    mean, low, high = gain([one[-1] for one in curves], [before] * len(curves))
    if options.plot:
        plot(float(before.mean()), [[float(at.mean()) for at in one] for one in curves], options.plot)
    steps = {f"{at + 1}/{CHECKPOINTS} of the training": [one[at] for one in curves] for at in range(CHECKPOINTS)}
    metrics = {"pass1_before": 100 * float(before.mean())}
    metrics |= {"pass1_gain_points": mean, "pass1_gain_low": low, "pass1_gain_high": high}
    publish("improve", HEADER, table_of({"before": [before], **steps}), metrics)
    write(options.json, metrics)


if __name__ == "__main__":
    main()
