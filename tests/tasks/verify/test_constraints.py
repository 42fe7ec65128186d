"""IFEval's constraints: golden cases of each kind, the three forms in which they are stored, and what is drawn."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.tables import Domain, Status
from tasks.problems.constraints import KINDS as DRAWN
from tasks.verify import ifeval, ifeval_text
from tasks.verify.contract import Claim, Outcome, ProblemView
from tasks.verify.ifeval_kinds import KINDS, SLOW
from tasks.verify.verifiers.constraints import INLINE, Config, build

GOLDEN = json.loads((Path(__file__).parents[2] / "golden/constraints.json").read_text())
ENGLISH = "the letter arrived yesterday and i read it at once with great pleasure as you can imagine"


def stored(*kinds: tuple[str, dict[str, Any]]) -> str:
    return json.dumps([{"kind": kind, "kwargs": kwargs} for kind, kwargs in kinds])


def judged(constraints: str, text: str, *, loose: bool = False) -> Outcome:
    ifeval_text.prepare()
    verifier = build(Config(loose=loose))
    told = verifier.claim(ProblemView(Domain.INSTRUCTION, "Write.", None, None, constraints), text)
    return told if isinstance(told, Outcome) else verifier.decide(told) or verifier.check(told)


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: f"{case['kind'].split(':')[1]}|{case['text'][:30]!r}")
def test_golden(case: dict[str, Any]) -> None:
    constraints = stored((case["kind"], case["kwargs"]))
    for loose in (False, True):
        outcome = judged(constraints, case["text"], loose=loose)
        followed = case["loose" if loose else "strict"]
        assert outcome.status is (Status.CORRECT if followed else Status.INCORRECT), outcome.reason
        assert outcome.score == followed
        assert followed or case["kind"] in outcome.reason


def test_each_of_the_25_kinds_has_a_golden_case_that_passes_and_one_that_does_not() -> None:
    assert len(KINDS) == 25
    assert {case["kind"] for case in GOLDEN if case["strict"]} == set(KINDS)
    assert {case["kind"] for case in GOLDEN if not case["strict"]} == set(KINDS)


def test_the_score_is_the_share_followed_and_the_reason_names_the_rest_with_what_was_counted() -> None:
    constraints = stored(
        ("punctuation:no_comma", {}),
        ("length_constraints:number_words", {"num_words": 5, "relation": "at least"}),
        ("keywords:existence", {"keywords": ["tea", "milk"]}),
    )
    outcome = judged(constraints, "Tea, please.")
    assert outcome.score == 0.0
    assert outcome.reason == (
        "0 of 3 followed; punctuation:no_comma: 1 commas, exactly 0 asked for; "
        "length_constraints:number_words: 2 words, at least 5 asked for; keywords:existence: without 'milk'"
    )
    assert judged(constraints, "Tea with milk").score == pytest.approx(2 / 3)


def test_only_what_follows_the_thinking_counts() -> None:
    constraints = stored(("punctuation:no_comma", {}))
    assert judged(constraints, "<think>well, well</think>Tea.").status is Status.CORRECT
    assert judged(constraints, "<think>well</think>Tea, please.").status is Status.INCORRECT
    assert judged(constraints, "<think>well").reason == "the thinking never ends"


@pytest.mark.parametrize(
    ("constraints", "reason"),
    [
        (None, "no constraints"),
        (" ", "no constraints"),
        ("no", "the constraints are no JSON: Expecting value: line 1 column 1 (char 0)"),
        ("[]", "the list of constraints is empty"),
        ("[1]", "a constraint is int, not an object with a kind"),
        ("{}", "a constraint has neither `kind`, nor `func_name`, nor `instruction_id_list` with its `kwargs`"),
        (stored(("no:kind", {})), "unknown kind of constraint 'no:kind'"),
        ('[{"kind": ["a"]}]', "unknown kind of constraint ['a']"),
        ('{"func_name": "f"}', "unknown function of a constraint 'f'"),
        (
            stored(("length_constraints:number_words", {"num_words": 5})),
            "length_constraints:number_words: relation: Missing required keyword only argument",
        ),
        (
            stored(("punctuation:no_comma", {"num_words": 5})),
            "punctuation:no_comma: num_words: Unexpected keyword argument",
        ),
        ('[{"kind": "punctuation:no_comma", "kwargs": [1]}]', "the kwargs of punctuation:no_comma are no object"),
    ],
)
def test_constraints_that_cannot_be_read_are_no_fault_of_the_trace(constraints: str | None, reason: str) -> None:
    told = build(Config()).claim(ProblemView(Domain.INSTRUCTION, "Write.", None, None, constraints), "Tea.")
    assert told == Outcome(Status.UNVERIFIABLE, reason)


def test_ifeval_s_own_form() -> None:
    pair = {
        "instruction_id_list": ["punctuation:no_comma", "keywords:existence"],
        "kwargs": [{}, {"keywords": ["tea"], "num_words": None}],
    }
    rules = (ifeval.Rule("punctuation:no_comma", {}), ifeval.Rule("keywords:existence", {"keywords": ["tea"]}))
    assert ifeval.read(json.dumps(pair)) == rules
    other = {"instruction_id": pair["instruction_id_list"], "kwargs": [None, {"keywords": ["tea"]}]}
    assert ifeval.read(json.dumps([other])) == rules


@pytest.mark.parametrize(
    ("function", "right", "wrong"),
    [
        ({"func_name": "verify_keywords", "keyword_list": ["tea"], "N": None}, "Tea.", "Milk."),
        ({"func_name": "verify_keyword_frequency", "word": "tea", "N": 2}, "Tea, tea, teas.", "Tea, tea, tea."),
        ({"func_name": "validate_forbidden_words", "forbidden_words": ["tea"]}, "Milk.", "Tea."),
        ({"func_name": "verify_letter_frequency", "letter": "t", "N": 1}, "Tea at", "tea at"),
        ({"func_name": "validate_response_language", "language": "en"}, ENGLISH, "Ich habe den Brief heute gelesen."),
        ({"func_name": "verify_paragraph_count", "N": 2}, "A.\n* * *\nB.", "A.\n***\nB."),
        ({"func_name": "validate_word_constraint", "N": 2, "quantifier": "at most"}, "a b", "a b c"),
        ({"func_name": "validate_word_constraint", "N": 20, "quantifier": "around"}, "a " * 22, "a " * 23),
        ({"func_name": "verify_sentence_constraint", "N": 2, "quantifier": "around"}, "A b. C d. E f.", "Yes! " * 4),
        ({"func_name": "validate_paragraphs", "N": 2, "i": 2, "first_word": "tea"}, "A.\n\nTea.", "Tea.\n\nA."),
        ({"func_name": "verify_postscript", "postscript_marker": "P.S."}, "A.\nP.S. B.", "A. B."),
        ({"func_name": "validate_placeholders", "N": 1}, "[name]", "name"),
        ({"func_name": "verify_bullet_points", "N": 1}, "* a", "a"),
        ({"func_name": "validate_title"}, "<<a>>", "a"),
        ({"func_name": "validate_choice", "options": ["yes", "no"]}, "yes", "maybe"),
        ({"func_name": "validate_highlighted_sections", "N": 1}, "*a*", "a"),
        ({"func_name": "validate_sections", "N": 1, "section_splitter": "Part"}, "Part 1", "Section 1"),
        ({"func_name": "validate_json_format"}, "[1]", "[1"),
        ({"func_name": "validate_repeat_prompt", "original_prompt": "Do it."}, "Do it. Done.", "Done."),
        ({"func_name": "validate_two_responses"}, "a\n******\nb", "a"),
        ({"func_name": "validate_uppercase"}, ENGLISH.upper(), ENGLISH),
        ({"func_name": "validate_lowercase"}, ENGLISH, ENGLISH.upper()),
        ({"func_name": "validate_frequency_capital_words", "N": 1, "quantifier": "at most"}, "ONE two", "ONE TWO"),
        ({"func_name": "validate_end", "end_phrase": "Bye."}, "So. Bye.", "Bye. So."),
        ({"func_name": "validate_quotation"}, '"a"', "a"),
        ({"func_name": "validate_no_commas"}, "a b", "a, b"),
    ],
)
def test_open_instruct_s_form(function: dict[str, Any], right: str, wrong: str) -> None:
    constraints = json.dumps(function)
    assert judged(constraints, right).status is Status.CORRECT
    assert judged(constraints, wrong).status is Status.INCORRECT


def _obeying(kind: str, kwargs: dict[str, Any]) -> tuple[str, str]:
    """A text that follows a drawn constraint, and one that does not."""
    few, many = "word " * 3, "Some words here. " * 200
    more = kwargs.get("relation", kwargs.get("capital_relation")) == "at least"
    number = next((value for value in kwargs.values() if isinstance(value, int)), 0)
    texts = {
        "length_constraints:number_words": (many, few) if more else (few, many),
        "length_constraints:number_sentences": (many, few) if more else (few, many),
        "length_constraints:number_paragraphs": ("\n***\n".join(["Text."] * number), "Text.\n***\n***\nText."),
        "detectable_format:number_bullet_lists": ("* point\n" * number, "* point\n" * (number + 1)),
        "detectable_format:number_highlighted_sections": ("*here* " * number, "*here* " * (number - 1) + "x"),
        "detectable_format:multiple_sections": (
            "".join(f"{kwargs.get('section_spliter')} {one}\nText.\n" for one in range(1, number + 1)),
            "Part 1\nText.",
        ),
        "detectable_content:number_placeholders": ("[name] " * number, "[name] " * (number - 1) + "x"),
        "detectable_format:title": ("<<Tea>>\nText.", "Tea\nText."),
        "keywords:existence": (" ".join(kwargs.get("keywords", [])), "none of them"),
        "keywords:forbidden_words": ("none of them", f"the {kwargs.get('forbidden_words', ['x'])[-1]}!"),
        "keywords:frequency": (f"{kwargs.get('keyword')} " * number, f"{kwargs.get('keyword')} " * (number - 1)),
        "keywords:letter_frequency": (f"{kwargs.get('letter')} " * number, f"{kwargs.get('letter')} " * (number - 1)),
        "change_case:english_capital": (ENGLISH.upper(), ENGLISH),
        "change_case:english_lowercase": (ENGLISH, ENGLISH.upper()),
        "change_case:capital_word_frequency": ("NASA " * number, few) if more else (few, "NASA " * number),
        "punctuation:no_comma": (few, "this, that"),
        "startend:end_checker": (f"Text. {kwargs.get('end_phrase')}", f"{kwargs.get('end_phrase')} Text."),
        "detectable_content:postscript": ("Text.\nP.S. More.", "Text.\nMore."),
        "startend:quotation": ('"Text."', "Text."),
    }
    return texts[kind]


@pytest.mark.parametrize("kind", sorted(DRAWN))
@pytest.mark.parametrize("seed", range(8))
def test_every_drawn_constraint_is_checkable(kind: str, seed: int) -> None:
    kwargs, _ = DRAWN[kind].draw(Random(seed))
    right, wrong = _obeying(kind, kwargs)
    outcome = judged(stored((kind, kwargs)), right)
    assert outcome.status is Status.CORRECT, outcome.reason
    assert judged(stored((kind, kwargs)), wrong).status is Status.INCORRECT


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=300), st.sampled_from(GOLDEN))
def test_any_text_gets_a_verdict_and_loose_forgives_more_than_strict(text: str, case: dict[str, Any]) -> None:
    constraints = stored((case["kind"], case["kwargs"]))
    strict, loose = judged(constraints, text), judged(constraints, text, loose=True)
    assert {strict.status, loose.status} <= {Status.CORRECT, Status.INCORRECT}
    assert loose.status is Status.CORRECT or strict.status is Status.INCORRECT


def test_languages_and_long_texts_are_left_to_a_worker() -> None:
    verifier = build(Config())
    quick = stored(("punctuation:no_comma", {}))
    assert verifier.decide(Claim(quick, "Tea.")) is not None
    assert verifier.decide(Claim(quick, "x" * (INLINE + 1))) is None
    for kind in SLOW:
        kwargs = {"language": "en"} if kind.startswith("language") else {}
        assert verifier.decide(Claim(stored((kind, kwargs)), "Tea.")) is None


@pytest.mark.parametrize(
    "piece", [".", ". ", "*", "* ", "[", "<<", "\n", "-\n", "P.", '"', "Section ", "A", "'S ", " "]
)
@pytest.mark.parametrize("kind", sorted(set(KINDS) - SLOW))
def test_half_a_megabyte_of_spite_is_no_trouble(kind: str, piece: str) -> None:
    kwargs = next(case["kwargs"] for case in GOLDEN if case["kind"] == kind)
    (rule,) = ifeval.read(stored((kind, kwargs)))
    rule.finding(piece * (500_000 // len(piece)) + "x")
