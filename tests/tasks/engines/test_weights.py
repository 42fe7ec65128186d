"""Weights that cannot be loaded are said by the model's name."""

from pathlib import Path

import pytest

from schemas.errors import EngineError
from tasks.engines.weights import Weights, load_model

BASE = Path(__file__).parents[3] / "data/models/tiny-reasoner"


def test_weights_lie_where_the_settings_say() -> None:
    model = load_model(str(BASE), None, Weights(dtype="bfloat16", device="cpu"))
    assert {str(one.dtype) for one in model.parameters()} == {"torch.bfloat16"}
    assert str(model.device) == "cpu"


@pytest.mark.parametrize("device", ["cuda:99", "nowhere"])
def test_a_device_that_is_not_there_is_an_error(device: str) -> None:
    with pytest.raises(EngineError, match="tiny-reasoner cannot be loaded"):
        load_model(str(BASE), None, Weights(device=device))
