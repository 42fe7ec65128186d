"""Which models a reward model's engine takes, and what it says where it breaks."""

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import EngineError
from tasks.engines.contract import Graded, Message, Scores
from tasks.engines.kinds.reward import Config, RewardEngine, build

BASE = Path(__file__).parents[3] / "data/models/tiny-reasoner"
REPLY = Graded("r", (Message("user", "1 + 2?"),), ("1 + 2 = 3\n", "It is 3."))
OWN = """
from torch import nn
from transformers import LlamaConfig, LlamaModel, LlamaPreTrainedModel


class OwnConfig(LlamaConfig):
    model_type = "own-prm"


class OwnModel(LlamaPreTrainedModel):
    config_class = OwnConfig

    def __init__(self, config):
        super().__init__(config)
        self.model = LlamaModel(config)
        self.score = nn.Sequential(nn.Linear(config.hidden_size, 8), nn.ReLU(), nn.Linear(8, 2))
        self.post_init()

    def forward(self, input_ids=None, attention_mask=None, use_cache=None, **_):
        read = self.model(input_ids=input_ids, attention_mask=attention_mask, use_cache=use_cache)
        return (self.score(read[0]),)
"""


def scored(engine: RewardEngine, *asked: Graded) -> list[Scores]:
    async def run() -> list[Scores]:
        async with engine:
            return await asyncio.gather(*map(engine.score, asked))

    return asyncio.run(run())


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A model whose code lies beside its weights, as Qwen's reward models have it."""
    import torch
    from safetensors.torch import save_file
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path / "own_prm"
    make: Callable[..., Any] = LlamaConfig
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    llama = LlamaForCausalLM(make(vocab_size=1024, **sizes))
    weights = {name: one for name, one in llama.state_dict().items() if name.startswith("model.")}
    for name, size in (("0", (8, 8)), ("2", (2, 8))):
        weights |= {f"score.{name}.weight": torch.ones(size), f"score.{name}.bias": torch.zeros(size[0])}
    folder.mkdir()
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    about = llama.config.to_dict() | {"model_type": "own-prm", "architectures": ["OwnModel"]}
    about["auto_map"] = {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"}
    (folder / "config.json").write_text(json.dumps(about))
    (folder / "own.py").write_text(OWN)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(BASE / name, folder / name)
    return folder


def test_code_of_the_models_own_runs_only_where_that_is_said(own: Path) -> None:
    with pytest.raises(EngineError, match="trust_remote_code"):
        scored(build(Config(), str(own), None), REPLY)
    [told] = scored(build(Config(trust_remote_code=True), str(own), None), REPLY)
    assert told.scores == pytest.approx((0.5, 0.5))


@pytest.mark.parametrize(
    ("head", "kind"),
    [("token_classification", "AutoModelForTokenClassification"), ("sequence", "AutoModelForSequenceClassification")],
)
def test_a_model_without_such_a_head_is_refused(head: Any, kind: str) -> None:
    """transformers would give it one of random numbers."""
    with pytest.raises(EngineError, match=rf"tiny-reasoner: it lacks the weights score\..* no model for {kind}"):
        scored(build(Config(head=head), str(BASE), None), REPLY)


def test_where_it_breaks_all_that_wait_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.engines.kinds import reward

    engine = build(Config(head="tokens", batch=1), str(BASE), None)
    once = reward._Model.read
    count = 0

    def breaks(self: Any, texts: Any) -> Any:
        nonlocal count
        count += 1
        if count == 2:
            raise MemoryError("out of it")
        return once(self, texts)

    monkeypatch.setattr(reward._Model, "read", breaks)

    async def run() -> list[Any]:
        async with engine:
            asked = [engine.score(REPLY._replace(request_id=str(at))) for at in range(4)]
            return await asyncio.gather(*asked, return_exceptions=True)

    told = asyncio.run(run())
    assert [isinstance(one, Scores) for one in told] == [True, False, False, False]
    assert all("out of it" in str(one) and "smaller `batch`" in str(one) for one in told[1:])
