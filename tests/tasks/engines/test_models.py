"""Models by name: engines start once, when asked, and always end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace, TracebackType
from typing import Any, Self

import pytest
from pydantic import ValidationError

from schemas.base import ConfigBase
from schemas.errors import EngineError, PluginError, RecipeError
from tasks import plugins
from tasks.engines.contract import Completion, Finish, Identity, Message, Request, Sampling
from tasks.engines.flight import Job
from tasks.engines.models import ModelConfig, Models
from tasks.engines.usage import Price, Usage


class EchoConfig(ConfigBase):
    starts: bool = True
    ends: bool = True


class Echo:
    """Repeats the last message; writes down when it starts and ends."""

    def __init__(self, config: EchoConfig, model: str, revision: str | None, diary: list[str]) -> None:
        self.identity = Identity(model, revision, "echo", None)
        self._config, self._diary = config, diary

    async def __aenter__(self) -> Self:
        await asyncio.sleep(0.01)
        if not self._config.starts:
            raise EngineError(f"no model {self.identity.model}")
        self._diary.append(f"{self.identity.model} starts")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.sleep(0.01)
        self._diary.append(f"{self.identity.model} ends")
        if not self._config.ends:
            raise EngineError("the engine did not end well")

    async def complete(self, request: Request) -> Completion:
        await asyncio.sleep(0.001)
        return Completion(request.request_id, request.messages[-1].content, Finish.STOP, 1, 1)


@pytest.fixture
def diary(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What engines of the kind `echo`, which exists in this test only, write down."""
    diary: list[str] = []

    def build(config: EchoConfig, model: str, revision: str | None) -> Echo:
        return Echo(config, model, revision, diary)

    real = plugins.load

    def load(package: str, name: str) -> plugins.Plugin:
        return SimpleNamespace(Config=EchoConfig, build=build) if name == "echo" else real(package, name)

    monkeypatch.setattr(plugins, "load", load)
    return diary


def config(model: str = "m", **settings: Any) -> ModelConfig:
    return ModelConfig(model=model, engine={"echo": settings})


def asking(models: Models, name: str, *texts: str) -> Job[Completion]:
    async def job(emit: Callable[[Completion], None]) -> None:
        for text in texts:
            emit(await models.complete(name, Request(text, (Message("user", text),), Sampling())))

    return job


def test_an_engine_starts_once_and_ends(diary: list[str]) -> None:
    with Models({"a": config("a"), "b": config("b"), "idle": config("idle")}) as models:
        assert diary == []
        jobs = [asking(models, "ab"[index % 2], f"{index} 1", f"{index} 2") for index in range(40)]
        done = [completion for some in models.stream(jobs, every_s=0.01) for completion in some]
        again = [completion for some in models.stream([asking(models, "a", "more")]) for completion in some]
    assert sorted(one.text for one in done) == sorted(f"{index} {n}" for index in range(40) for n in (1, 2))
    assert all(one.text == one.request_id for one in done)
    assert [one.text for one in again] == ["more"]
    assert sorted(diary) == ["a ends", "a starts", "b ends", "b starts"]


def test_engines_end_after_a_failure_and_an_abandoned_stream(diary: list[str]) -> None:
    def stage() -> None:
        with Models({"a": config("a")}) as models:
            stream = models.stream([asking(models, "a", *map(str, range(1000)))], every_s=0.02)
            assert next(stream)
            raise ValueError("the stage's own")

    with pytest.raises(ValueError, match="the stage's own"):
        stage()
    assert diary == ["a starts", "a ends"]


def test_every_engine_ends_though_one_does_not_end_well(diary: list[str]) -> None:
    with (
        pytest.raises(EngineError, match="did not end well"),
        Models({"a": config("a", ends=False), "b": config("b", ends=False)}) as models,
    ):
        list(models.stream([asking(models, "a", "x"), asking(models, "b", "x")]))
    assert sorted(diary) == ["a ends", "a starts", "b ends", "b starts"]


def test_an_engine_that_does_not_start_ends_the_run_and_keeps_the_rest(diary: list[str]) -> None:
    with Models({"a": config("a"), "broken": config("broken", starts=False)}) as models:
        list(models.stream([asking(models, "a", "first")]))
        stream = models.stream([asking(models, "a", "x"), *[asking(models, "broken", "x")] * 3])
        assert [one.text for one in next(stream)] == ["x"]
        with pytest.raises(EngineError, match="no model broken"):
            next(stream)
    assert diary == ["a starts", "a ends"]


def test_identity_needs_no_start(diary: list[str]) -> None:
    with Models({"a": config("a")}) as models:
        assert models.identity("a") == Identity("a", None, "echo", None)
    assert diary == []


def test_an_unknown_model_lists_those_there_are(diary: list[str]) -> None:
    with Models({"policy": config(), "teacher": config()}) as models:
        with pytest.raises(RecipeError, match=r"'polcy'.*policy, teacher"):
            models.identity("polcy")
        with pytest.raises(RecipeError, match="'polcy'"):
            list(models.stream([asking(models, "polcy", "x")]))


@pytest.mark.parametrize("value", ["echo", {"echo": None}, {"echo": {}}])
def test_a_bare_kind_has_no_settings(value: object) -> None:
    assert ModelConfig.model_validate({"model": "m", "engine": value}).engine == {"echo": {}}


@pytest.mark.parametrize("value", [{}, {"echo": {}, "openai": {}}, 3, None, {"echo": 3}])
def test_one_kind_exactly(value: object) -> None:
    with pytest.raises(ValidationError):
        ModelConfig.model_validate({"model": "m", "engine": value})


def test_wrong_settings_name_their_place(diary: list[str]) -> None:
    with pytest.raises(RecipeError, match=r"models\.a\.engine: echo\.speed: is not a known key"):
        Models({"a": config(speed=3)})
    with pytest.raises(PluginError, match=r"models\.a\.engine: unknown name 'lama'"):
        Models({"a": ModelConfig(model="m", engine={"lama": {}})})


def test_what_was_asked_is_counted_and_costs(diary: list[str]) -> None:
    config = {"model": "a", "engine": {"echo": {}}}
    price = Price(prompt=2.0, completion=4.0, hour=3600.0, currency="EUR")

    async def asked(models: Models) -> None:
        await models.complete("first", Request("1", (Message("user", "hello"),), Sampling()))

    with Models({name: ModelConfig.model_validate(config) for name in ("first", "second")}) as models:
        assert models.used == {}
        for _ in models.stream([lambda _: asked(models)] * 3):
            pass
    used = models.used["first"]
    assert set(models.used) == {"first"}
    assert (used.requests, used.prompt_tokens, used.completion_tokens) == (3, 3, 3)
    assert models.used["first"].seconds == used.seconds > 0
    assert used._replace(seconds=2.0).cost(price) == pytest.approx(2.0 + (3 * 2 + 3 * 4) / 1e6)
    assert used.cost(Price()) == 0
    models.also_used({"first": Usage(1, 2, 3, 4.0), "second": Usage(5)})
    assert models.used == {"first": Usage(4, 5, 6, used.seconds + 4.0), "second": Usage(5)}


def test_engines_rest_and_start_anew_when_asked_again(diary: list[str]) -> None:
    with Models({"a": config("a"), "idle": config("idle")}) as models:
        list(models.stream([asking(models, "a", "x")]))
        models.rest()
        assert diary == ["a starts", "a ends"]
        assert [one.text for one in next(models.stream([asking(models, "a", "y")]))] == ["y"]
    assert diary == ["a starts", "a ends"] * 2


def test_engines_that_name_one_slot_share_it_and_give_it_back_last(diary: list[str]) -> None:
    @asynccontextmanager
    async def slot(name: str) -> AsyncIterator[None]:
        diary.append(f"{name} taken")
        yield
        diary.append(f"{name} free")

    configs = {name: config(name).model_copy(update={"slot": "gpu"}) for name in "ab"}
    with Models(configs, slot) as models:
        assert diary == []
        list(models.stream([asking(models, "a", "x"), asking(models, "b", "x")]))
        models.rest()
        list(models.stream([asking(models, "a", "x")]))
    assert [diary[0], diary[5]] == ["gpu taken", "gpu free"]
    assert sorted(diary[1:5]) == ["a ends", "a starts", "b ends", "b starts"]
    assert diary[6:] == ["gpu taken", "a starts", "a ends", "gpu free"]


def test_whoever_waits_for_a_slot_holds_up_no_other_engine_and_can_be_stopped(diary: list[str]) -> None:
    @asynccontextmanager
    async def never(name: str) -> AsyncIterator[None]:
        try:
            await asyncio.Event().wait()
            yield
        finally:
            diary.append(f"{name} given up")

    with Models({"a": config("a").model_copy(update={"slot": "gpu"}), "b": config("b")}, never) as models:
        stream = models.stream([asking(models, "a", "x"), asking(models, "b", "x")], every_s=0.1)
        assert [one.text for one in next(stream)] == ["x"]
    assert diary == ["b starts", "gpu given up", "b ends"]
