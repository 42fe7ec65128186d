import pyarrow as pa

from tasks.gold import gold, samples


def test_samples_are_neither_gold_nor_continuations() -> None:
    rows = [
        ("a", "tiny", "policy", "generated", None),
        ("b", None, "gold", "imported", None),
        ("c", "reference", "file.jsonl", "imported", None),
        ("d", "tiny", "gold", "generated", None),
        ("e", "tiny", "policy", "rewritten", "a"),
        ("f", None, "golden.jsonl", "imported", None),
        ("g", None, "file.jsonl", "imported", None),
    ]
    columns = list(zip(*rows, strict=True))
    names = ("trace_id", "model", "source", "origin", "parent_trace_id")
    traces = pa.table({name: pa.array(column, pa.string()) for name, column in zip(names, columns, strict=True)})
    assert gold(traces).tolist() == [False, True, True, False, False, False, False]
    assert samples(traces)["trace_id"].to_pylist() == ["a", "d", "f", "g"]
    assert samples(traces.slice(0, 0)).num_rows == 0
