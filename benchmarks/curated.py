"""Curated traces against raw ones: the bundled model is fine-tuned on as many of each, in the same way; three seeds.

Both are the model's own samples of the same problems at temperature 0.8. Curated ones are what the `sft` release holds:
verified and deduplicated. `curated_gain_points` is what they are better by in held-out pass@1, `curated_gain_low` the
low end of its 95 % interval, by a bootstrap over seeds and problems.
"""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.learning import (
    HEADER,
    MODEL,
    Lab,
    Made,
    Scores,
    column,
    gain,
    lab,
    made_by_irpo,
    measured,
    parser_of,
    table_of,
)
from benchmarks.results import publish, write
from benchmarks.training import Training, sft


def scores(place: Lab, seed: int) -> dict[str, Scores]:
    """What models score that were trained on a seed's curated and raw traces."""
    options = place.options
    made = made_by_irpo(place, seed, ["dedupe={}", "export.formats={sft: {instructions: asked}}"])
    how = Training(options.rate, options.epochs, options.batch, seed)
    found = {}
    for name, rows in sets(made, seed).items():
        data = place.folder / f"{seed}/{name} traces"
        data.mkdir()
        pq.write_table(rows, data / "part-0.parquet")
        [model] = sft(MODEL, data, place.folder / f"{seed}/{name}", how)
        found[name] = measured(place, model, f"{seed}-{name}")
    return found


def sets(made: Made, seed: int) -> dict[str, pa.Table]:
    """The release's traces (messages), and as many drawn at random of all that were sampled."""
    from schemas.tables import Domain
    from tasks.prompts import PROMPTS

    curated = pq.read_table(made.folder / "sft/train").select(["messages"])
    questions = column(made.lake, made.release.tables, "problems", "problem_id", "question")
    sampled = made.lake.rows(made.release.tables, "traces", ["problem_id", "text"]).to_pylist()
    drawn = np.random.default_rng(seed).choice(len(sampled), curated.num_rows, replace=False)
    raw = []
    for one in (sampled[at] for at in sorted(drawn.tolist())):
        asked = PROMPTS[Domain.MATH].replace("{question}", questions[one["problem_id"]])
        turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": one["text"]}]
        raw.append({"messages": turns})
    return {"curated": curated, "raw": pa.Table.from_pylist(raw, schema=curated.schema)}


def main() -> None:
    """Measure and print."""
    parser = parser_of(__doc__ or "")
    parser.add_argument("--problems", type=int, default=600, help="to sample and train on, for each seed")
    parser.add_argument("--temperature", type=float, default=0.8, help="of the samples")
    options = parser.parse_args()
    with lab(options) as place:
        before = measured(place, MODEL, "before")
        seeds = [scores(place, seed) for seed in range(options.seeds)]
    both = {name: [one[name] for one in seeds] for name in ("curated", "raw")}
    mean, low, high = gain(both["curated"], both["raw"])
    metrics = {"curated_gain_points": mean, "curated_gain_low": low, "curated_gain_high": high}
    publish("curated against raw", HEADER, table_of({"before": [before], **both}), metrics)
    write(options.json, metrics)


if __name__ == "__main__":
    main()
