"""Drawing tokens."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.engines.sampling import draw, noise


def uniform(seed: int, count: int) -> torch.Tensor:
    return torch.from_numpy(noise(np.full(count, seed, np.uint64), np.arange(count, dtype=np.uint64)))


def test_noise_is_uniform_and_each_streams_own() -> None:
    first, second = uniform(0, 20_000).numpy(), uniform(1, 20_000).numpy()
    for one in (first, second):
        assert 0 <= one.min() < one.max() < 1
        assert abs(one.mean() - 0.5) < 0.01
        assert np.histogram(one, 10, (0, 1))[0].min() > 1800
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.03
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 0.03
    assert noise(np.array([1], np.uint64), np.array([7], np.uint64)) == second[7]


def test_it_draws_by_the_softmax() -> None:
    logits = torch.tensor([1.0, 3.0, 2.0, -torch.inf])
    count = 20_000
    drawn = draw(logits.expand(count, 4), torch.full((count,), 0.5), torch.ones(count), uniform(3, count))
    share = torch.bincount(drawn, minlength=4) / count
    assert torch.allclose(share, torch.softmax(logits / 0.5, -1), atol=0.01)
    assert share[3] == 0


def test_a_nucleus_keeps_the_likeliest() -> None:
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    count = 4_000
    drawn = draw(logits.expand(count, 4), torch.ones(count), torch.full((count,), 0.7), uniform(3, count))
    share = torch.bincount(drawn, minlength=4) / count
    assert torch.allclose(share, torch.tensor([0.625, 0.375, 0, 0]), atol=0.03)


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.floats(-30, 30, width=32), min_size=5, max_size=5), min_size=1, max_size=6),
    st.sampled_from([0.0, 1e-6, 0.7, 5.0]),
    st.sampled_from([1e-9, 0.5, 1.0]),
    st.floats(0, 1, exclude_max=True),
)
def test_rows_do_not_depend_on_each_other(rows: list[list[float]], heat: float, top_p: float, at: float) -> None:
    logits = torch.tensor(rows)
    ends = [torch.full((len(rows),), value) for value in (heat, top_p, at)]
    together = draw(logits, *ends)
    assert together.tolist() == [draw(logits[[i]], *(end[[i]] for end in ends)).item() for i in range(len(rows))]
    if heat == 0:
        assert together.tolist() == logits.argmax(-1).tolist()


@pytest.mark.parametrize("at", [0.0, 1 - 2.0**-32])
def test_impossible_tokens_are_never_drawn(at: float) -> None:
    logits = torch.tensor([[-torch.inf, 0.1, 0.3, -torch.inf]])
    drawn = draw(logits, torch.ones(1), torch.ones(1), torch.tensor([at], dtype=torch.float64))
    assert drawn.item() in (1, 2)
