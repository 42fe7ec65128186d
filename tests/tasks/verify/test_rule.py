"""One standing from several verdicts, by each rule."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.errors import RecipeError
from schemas.tables import VERDICTS, Status
from tasks.verify.rule import RuleConfig, Said, standing, standings

R, W, U, E = (status.value for status in (Status.CORRECT, Status.INCORRECT, Status.UNVERIFIABLE, Status.ERROR))
ORDER = {"kind": "first", "order": ["quick", "slow"]}


def status(rule: Any, **said: str) -> str:
    return standing([Said(*one) for one in said.items()], RuleConfig.model_validate(rule)).status.value


@pytest.mark.parametrize(
    ("quick", "slow", "agree", "every", "some", "first"),
    [
        (R, R, R, R, R, R),
        (W, W, W, W, W, W),
        (R, W, U, W, R, R),
        (W, R, U, W, R, W),
        (R, U, R, U, R, R),
        (U, R, R, U, R, R),
        (E, W, W, W, W, W),
        (U, U, U, U, U, U),
        (U, E, E, E, E, E),
    ],
)
def test_each_rule(quick: str, slow: str, agree: str, every: str, some: str, first: str) -> None:
    rules = {"agree": agree, "all": every, "any": some}
    assert {rule: status(rule, quick=quick, slow=slow) for rule in rules} == rules
    assert status(ORDER, quick=quick, slow=slow) == first


def test_weights_decide_by_the_mean_of_the_scores() -> None:
    weighted = RuleConfig(kind="weighted", weights={"judge": 3}, least=0.7)
    said = [Said("math", R), Said("judge", W, 0.6)]
    right = standing(said, weighted)
    assert right.status is Status.CORRECT
    assert right.score == pytest.approx(0.7)
    assert standing([*said, Said("other", W)], weighted).status is Status.INCORRECT
    assert standing([*said, Said("broken", E)], weighted).status is Status.CORRECT
    nothing = RuleConfig(kind="weighted", weights={"judge": 0})
    assert standing([Said("judge", R)], nothing) == (Status.UNVERIFIABLE, None)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"kind": "first"}, "`order` names the verifiers"),
        ({"kind": "any", "order": ["math"]}, "`order` names the verifiers"),
        ({"kind": "all", "weights": {"math": 1}}, "for the kind `weighted` only"),
        ({"kind": "weighted", "weights": {"math": -1}}, "cannot be negative"),
        ("most", "Input should be"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(wrong: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        RuleConfig.model_validate(wrong)


def test_a_judge_counts_where_no_verifier_covers_the_problem() -> None:
    for rule in ("agree", "all", "any"):
        assert status(rule, none=U, grader=R) == R
        assert status(rule, none=U, grader=W) == W
        assert status(rule, none=U) == U


def test_who_is_not_in_the_order_has_no_say() -> None:
    assert status(ORDER, quick=U, other=R) == U
    assert status(ORDER, slow=W, other=R) == W


def test_the_names_that_a_rule_uses_are_looked_at() -> None:
    order = RuleConfig(kind="first", order=("math", "code", "grader"))
    order.check(["math", "code"], ["grader"])
    weighted = RuleConfig(kind="weighted", weights={"math": 1, "grader": 2})
    weighted.check(["math"], ["grader"])
    with pytest.raises(RecipeError, match=r"verify\.rule: grader not among those that give verdicts: math"):
        weighted.check(["math"])
    with pytest.raises(RecipeError, match=r"verify\.rule\.order: verifiers come first"):
        order.check(["math", "grader"], ["code"])


VERDICT = st.builds(
    Said,
    st.sampled_from(["quick", "slow", "third"]),
    st.sampled_from([R, W, U, E]),
    st.none() | st.floats(0, 1, width=32),
)


@given(st.dictionaries(st.sampled_from(["t1", "t2", "t3"]), st.lists(VERDICT, min_size=1, max_size=4)), st.randoms())
def test_the_order_of_the_verdicts_does_not_matter(said: dict[str, list[Said]], random: Any) -> None:
    rows = [{"trace_id": trace, **one._asdict()} for trace, those in said.items() for one in those]
    shuffled = random.sample(rows, len(rows))
    schema = pa.schema([VERDICTS.field(name) for name in ("trace_id", *Said._fields)])
    for rule in ("agree", "all", "any", "weighted"):
        config = RuleConfig.model_validate(rule)
        made = [standings(pa.Table.from_pylist(one, schema), config) for one in (rows, shuffled)]
        assert made[0]["status"] == made[1]["status"]
        assert made[0]["trace_id"].to_pylist() == sorted(said)
        assert set(made[0]["status"].to_pylist()) <= {R, W, U, E}
