"""Which problems are asked for: each once, in passes, whatever is added later."""

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.errors import RecipeError
from tasks.problems.config import ProblemsConfig
from tasks.problems.plan import plan

TEMPLATES = {"word_problem": {"weight": 3.0}, "choice": {"weight": 1.0}}


def personas(*ids: int) -> pa.Table:
    return pa.table({"persona_id": [f"p{one}" for one in ids], "persona": [f"Person {one}" for one in ids]})


def config(**changes: object) -> ProblemsConfig:
    return ProblemsConfig.model_validate({"model": "m", "templates": TEMPLATES, "count": 10_000} | changes)


def test_passes() -> None:
    asks = plan(personas(*range(5)), set(), config(per_persona=3))
    assert [ask.number for ask in asks] == [0] * 5 + [1] * 5 + [2] * 5
    assert [ask.persona_id for ask in asks[:5]] == [ask.persona_id for ask in asks[5:10]]
    assert asks[0].persona == f"Person {asks[0].persona_id[1:]}"
    assert len({ask.ask_id for ask in asks}) == 15


@settings(max_examples=100)
@given(st.lists(st.integers(0, 30), unique=True, max_size=12), st.integers(1, 3), st.integers(1, 9), st.randoms())
def test_rounds_ask_everything_once(ids: list[int], per_persona: int, count: int, rng: object) -> None:
    whole = plan(personas(*ids), set(), config(per_persona=per_persona))
    asked: list[str] = []
    while asks := plan(personas(*ids), set(asked), config(per_persona=per_persona, count=count)):
        assert len(asks) <= count
        asked += [ask.ask_id for ask in asks]
    assert asked == [ask.ask_id for ask in whole]
    assert len(whole) == len(ids) * per_persona


@settings(max_examples=100)
@given(st.sets(st.integers(0, 99), max_size=12), st.sets(st.integers(0, 99), max_size=12))
def test_more_personas_change_no_ask(before: set[int], more: set[int]) -> None:
    first = plan(personas(*before), set(), config())
    both = plan(personas(*sorted(before | more, reverse=True)), set(), config())
    kept = [ask for ask in both if ask.persona_id in {f"p{one}" for one in before}]
    assert kept == first


def test_new_personas_come_first() -> None:
    old = plan(personas(1, 2), set(), config())
    asks = plan(personas(1, 2, 3), {ask.ask_id for ask in old}, config(per_persona=2))
    assert [(ask.persona_id, ask.number) for ask in asks[:1]] == [("p3", 0)]
    assert len(asks) == 4


def test_the_order_looks_random_and_is_the_seeds() -> None:
    orders = [[ask.persona_id for ask in plan(personas(*range(50)), set(), config(seed=seed))] for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
    assert orders[0] != sorted(orders[0])


def test_templates_are_drawn_by_weight() -> None:
    drawn = Counter(ask.template for ask in plan(personas(*range(4000)), set(), config()))
    assert drawn["word_problem"] / 4000 == pytest.approx(0.75, abs=0.03)


def test_a_further_template_moves_no_ask_between_the_others() -> None:
    before = {ask.persona_id: ask.template for ask in plan(personas(*range(500)), set(), config())}
    more = config(templates=TEMPLATES | {"code": {"weight": 1.0}})
    after = {ask.persona_id: ask.template for ask in plan(personas(*range(500)), set(), more)}
    moved = {one for one in before if before[one] != after[one]}
    assert moved
    assert {after[one] for one in moved} == {"code"}


def test_settings() -> None:
    with pytest.raises(RecipeError, match="unknown name 'wordproblem' in templates: use one of algebra, choice, code"):
        config(templates={"wordproblem": {}})
    with pytest.raises(RecipeError, match=r"choice\.shufle: is not a known key"):
        config(templates={"choice": {"shufle": True}})
    with pytest.raises(ValidationError):
        config(templates={})
