"""Constraints: IFEval's names, and no two that contradict each other."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.problems.constraints import KINDS, WORDS, draw_constraints

# instruction_following_eval/instructions.py: `get_instruction_args_keys` of each kind.
IFEVAL = {
    "length_constraints:number_words": {"num_words", "relation"},
    "length_constraints:number_sentences": {"num_sentences", "relation"},
    "length_constraints:number_paragraphs": {"num_paragraphs"},
    "detectable_format:number_bullet_lists": {"num_bullets"},
    "detectable_format:number_highlighted_sections": {"num_highlights"},
    "detectable_format:multiple_sections": {"section_spliter", "num_sections"},
    "detectable_content:number_placeholders": {"num_placeholders"},
    "detectable_format:title": set(),
    "keywords:existence": {"keywords"},
    "keywords:forbidden_words": {"forbidden_words"},
    "keywords:frequency": {"keyword", "frequency", "relation"},
    "keywords:letter_frequency": {"letter", "let_frequency", "let_relation"},
    "change_case:english_capital": set(),
    "change_case:english_lowercase": set(),
    "change_case:capital_word_frequency": {"capital_frequency", "capital_relation"},
    "punctuation:no_comma": set(),
    "startend:end_checker": {"end_phrase"},
    "detectable_content:postscript": {"postscript_marker"},
    "startend:quotation": set(),
}


def test_all_kinds_have_ifevals_arguments() -> None:
    for seed in range(20):
        drawn = {name: kind.draw(Random(seed)) for name, kind in KINDS.items()}
        assert {name: set(kwargs) for name, (kwargs, _) in drawn.items()} == IFEVAL
        for kwargs, sentence in drawn.values():
            assert sentence
            assert all(str(value) in sentence for value in kwargs.values() if not isinstance(value, list))
            assert all(
                f'"{word}"' in sentence for value in kwargs.values() if isinstance(value, list) for word in value
            )
            assert kwargs.get("relation", "at least") in {"at least", "less than"}


def test_words_are_distinct() -> None:
    assert len(set(WORDS)) == len(WORDS) > 40


@settings(max_examples=200)
@given(st.integers(0, 2**31), st.integers(1, 9), st.lists(st.sampled_from(sorted(KINDS)), min_size=1, unique=True))
def test_no_two_of_a_group(seed: int, count: int, kinds: list[str]) -> None:
    drawn = draw_constraints(kinds, count, Random(seed))
    groups = [KINDS[one.kind].group for one in drawn]
    assert len(set(groups)) == len(groups)
    assert len(drawn) == min(count, len({KINDS[one].group for one in kinds}))
    assert drawn == draw_constraints(list(reversed(kinds)), count, Random(seed))


def test_every_kind_is_drawn() -> None:
    seen = {one.kind for seed in range(400) for one in draw_constraints(KINDS, 3, Random(seed))}
    assert seen == set(KINDS)
