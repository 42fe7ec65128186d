"""The command line: what a person sees, and one clear sentence for every mistake."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Exit code 2, and nothing but one sentence with these words on standard error."""
    assert done.returncode == 2, done.stdout + done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("tracemill: ")
    for word in words:
        assert word in lines[0]


def test_curate_then_look(tracemill: Run, recipe: str, tmp_path: Path) -> None:
    done = tracemill("curate", recipe)
    assert done.returncode == 0, done.stderr
    for words in (
        "verify: 48 rows in",
        "decontaminate",
        "exported rows: dpo/train 15, sft/train 15",
        f"{tmp_path}/lake/releases/tiny/v1",
    ):
        assert words in done.stdout
    assert re.search(r"dedupe\s+48\s+16\s+32", done.stdout)

    funnel = json.loads(tracemill("stats", "--json").stdout)["funnel"]
    assert {
        "stage": "dedupe",
        "table": "traces",
        "before": 48,
        "after": 32,
        "reasons": {"exact duplicate": 16},
    } in funnel
    assert "exported rows: dpo/train 15" in tracemill("stats", "tiny/v1").stdout

    query = "select status, count(*)::int as n from verdicts join traces using (trace_id) group by 1 order by 1"
    assert json.loads(tracemill("sql", query, "--json").stdout) == [
        {"status": "correct", "n": 32},
        {"status": "incorrect", "n": 16},
    ]
    assert "0 rows" in tracemill("sql", "select * from rewrites").stdout

    refused(tracemill("stats", "tiny/v9"), "no release tiny/v9; there are: tiny/v1")
    refused(tracemill("export", recipe, "--set", "export.formats={csv: {}}"), "unknown name 'csv' in exporters")
    done = tracemill("export", recipe, "--set", "export.formats={kto: {}}")
    assert done.returncode == 0, done.stderr
    assert f"release tiny v2: {tmp_path}/lake/releases/tiny/v2" in done.stdout
    assert "exported rows: kto/train 30" in done.stdout
    refused(tracemill("sql", "select nothing from verdicts"), "sql:", '"nothing"')


def test_import_alone(tracemill: Run, recipe: str) -> None:
    done = tracemill("import", recipe)
    assert done.returncode == 0, done.stderr
    assert "traces: 48 rows" in done.stdout
    assert json.loads(tracemill("sql", "select count(*)::int as n from traces", "--json").stdout) == [{"n": 48}]


def test_recipes_and_doctor(tracemill: Run, tmp_path: Path) -> None:
    (tmp_path / "demo.yaml").write_text("name: demo\ndescription: Mine.\n")
    listed = tracemill("recipes", TRACEMILL_RECIPES=str(tmp_path)).stdout
    assert re.search(r"gsm8k-model-solutions +│ bundled", listed)
    assert re.search(r"demo +│ yours, not the bundled one │ Mine\.", listed)
    assert f"yours: {tmp_path}" in listed
    done = tracemill("doctor")
    assert done.returncode == 0, done.stdout
    assert re.search(r"workers\s+│ ok", done.stdout)
    assert re.search(r"sandbox: limits\s+│ ok", done.stdout)
    assert tracemill("doctor", "--lake", "/proc/nowhere").returncode == 2


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("ingest.source.path=nowhere.jsonl", ("nowhere.jsonl: no such file",)),
        (
            "ingest.problem.reference=gold",
            ("traces.jsonl:1: no column 'gold'", "ingest.problem.reference", "question, answer"),
        ),
        ("verify.verifiers.maths={}", ("unknown name 'maths' in verifiers", "math")),
        ("ingest.sources=1", ("ingest.sources: is not a known key",)),
        ("decontaminate.benchmarks.exam.source.path=gone.jsonl", ("gone.jsonl: no such file",)),
        ("decontaminate.benchmarks.exam.text=body", ("exam.jsonl:1: no text at 'body'",)),
    ],
)
def test_a_mistake_in_the_recipe(tracemill: Run, recipe: str, setting: str, words: tuple[str, ...]) -> None:
    refused(tracemill("curate", recipe, "--set", setting), *words)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"question": "broken', "traces.jsonl:5: broken JSON"),
        (b'{"question": "\xff"}', "traces.jsonl:5: invalid UTF-8: byte 14"),
        (b'{"question": 1, "answer": [], "completions": []}', "traces.jsonl:5: wrong type: column 'answer' holds list"),
    ],
)
def test_a_broken_line_leaves_the_lake_as_it_was(
    tracemill: Run, recipe: str, traces: Path, line: bytes, words: str
) -> None:
    assert tracemill("curate", recipe).returncode == 0
    before = tracemill("stats", "--json").stdout
    good = traces.read_bytes().splitlines()
    traces.write_bytes(b"\n".join([*good[:4], line, *good[4:]]))
    refused(tracemill("curate", recipe), words)
    assert tracemill("stats", "--json").stdout == before
    assert tracemill("curate", recipe, "--set", "ingest.on_bad_row=drop").returncode == 0


def test_rows_that_hang_or_are_too_long_are_explained(tracemill: Run, recipe: str, traces: Path) -> None:
    hanging = {
        "question": "What is a tower?",
        "answer": "7",
        "completions": [{"text": r"\boxed{\int_0^\infty \sin(x^3) \cos(x) / (x + \ln(x + 2)) \, dx}", "right": False}],
    }
    long = {"question": "Go on?", "answer": "1", "completions": [{"text": "and on " * 300_000, "right": False}]}
    with traces.open("a") as file:
        file.write(f"\n{json.dumps(hanging)}\n{json.dumps(long)}")
    assert tracemill("curate", recipe, "--set", "verify.deadline_s=2").returncode == 0
    verdicts = json.loads(
        tracemill("sql", "select status, reason from verdicts where status = 'error'", "--json").stdout
    )
    assert verdicts == [{"status": "error", "reason": "timed out after 2 s"}]
    dropped = json.loads(tracemill("sql", "select row_id, reason from dropped where stage = 'ingest'", "--json").stdout)
    assert [(row["reason"], row["row_id"].rsplit("/", 1)[-1]) for row in dropped] == [
        ("completion longer than max_chars", "traces.jsonl:18#0")
    ]


def test_a_full_disk_and_a_read_only_lake(tracemill: Run, recipe: str, small_disk: Path) -> None:
    refused(tracemill("curate", recipe, "--lake", f"{small_disk}/lake"), "no space left", str(small_disk))
    assert not list(small_disk.rglob(".tmp-*"))
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    assert tracemill("curate", recipe, "--lake", f"{small_disk}/lake").returncode == 0
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    refused(tracemill("curate", recipe, "--lake", f"{small_disk}/other"), "not writable")


def test_a_lake_that_is_a_file(tracemill: Run, recipe: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused(tracemill("curate", recipe, "--lake", str(tmp_path / "file")), "choose another")


def test_looking_at_an_empty_lake(tracemill: Run) -> None:
    refused(tracemill("stats"), "no run has finished in it; start `tracemill refresh` or `tracemill curate`")
    assert json.loads(tracemill("sql", "select * from traces", "--json").stdout) == []
