"""The card says how traces were sampled, how long they are, and what the sources' licences are."""

from datetime import UTC, datetime
from typing import Any

import yaml

from schemas.refs import Manifest, Stage
from schemas.summary import Summary, TokenLengths
from tasks.export.card import CardFacts, card


def generate(**samplers: dict[str, Any]) -> Manifest:
    models = {name: [f"{name}-model", "abc123", "vllm", None] for name in samplers}
    config = {"samplers": samplers, "seed": 0, "models": models}
    return Manifest(
        table="traces",
        schema_version="1",
        columns={},
        rows=0,
        counts={},
        parts=(),
        stage=Stage(name="generate", version="1", config=config, tables=("traces",), sources={"a.jsonl": "f" * 64}),
        tools={},
        created=datetime.now(UTC),
    )


def sampler(n: int, *temperatures: float) -> dict[str, Any]:
    return {"n": n, "temperatures": list(temperatures), "sampling": {"top_p": 0.95, "max_tokens": 4096}}


def made(stages: tuple[Manifest, ...] = (), **licenses: str) -> str:
    summary = Summary(
        recipe="sums",
        funnel=(),
        verdicts={},
        kept_verdicts={},
        exported={"kto/train": 9_000, "kto/validation": 1_000, "sft/train": 5},
        tool_traces=12,
        toolless=("kto", "sft"),
        tokens_by_column=(TokenLengths(format="sft", column="messages", median=210, p95=1_500, longest=12_000),),
    )
    return card(CardFacts("sums", "v2", "Sums.", "mit", licenses, summary, stages, {}, None))


def section(text: str, title: str) -> str:
    return text.split(f"## {title}\n\n")[1].split("\n\n## ", maxsplit=1)[0].strip()


def test_each_sampler_stands_once_however_many_rounds_used_it() -> None:
    text = made((generate(a=sampler(4, 0.7)), generate(a=sampler(4, 0.7)), generate(a=sampler(8, 0.7, 1.0))))
    assert section(text, "How it was sampled").splitlines()[2:] == [
        "| a | a-model | abc123 | vllm | 0.7 | 0.95 | 4096 | 4 |",
        "| a | a-model | abc123 | vllm | 0.7, 1.0 | 0.95 | 4096 | 8 |",
    ]
    assert "How it was sampled" not in made()


def test_a_hub_finds_each_format_and_its_splits() -> None:
    head = yaml.safe_load(made().split("---")[1])
    assert head["configs"] == [
        {
            "config_name": "kto",
            "data_files": [
                {"split": "train", "path": "kto/train/*.parquet"},
                {"split": "validation", "path": "kto/validation/*.parquet"},
            ],
        },
        {"config_name": "sft", "data_files": [{"split": "train", "path": "sft/train/*.parquet"}]},
    ]
    usage = 'load_dataset("parquet", data_files={"validation": "kto/validation/*.parquet"}, split="validation")'
    assert usage in section(made(), "What is in it")


def test_what_formats_leave_out_is_said() -> None:
    said = "Left out of formats: 12 traces called tools; without a place for calls: kto, sft."
    assert said in section(made(), "What is in it")


def test_tokens_and_licences() -> None:
    text = made((generate(a=sampler(1, 0.0)),), **{"a.jsonl": "cc-by-4.0"})
    assert section(text, "Tokens").splitlines()[-1] == "| sft | messages | 210 | 1,500 | 12,000 |"
    assert "| generate | a.jsonl | ffffffffffffffff |" in section(text, "Sources")
    assert "| a.jsonl | cc-by-4.0 |" in section(text, "Sources")
