"""Nothing that a kept release or run can reach goes; all else that is old does."""

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.conform import rows
from schemas.errors import LakeError, RecipeError
from schemas.refs import Ref, ReleaseManifest, Snapshot, Stage, Tables
from schemas.summary import Summary
from schemas.tables import DROPPED
from tasks.lake import Lake
from tasks.retention import Held, Keeping, Made, clear, duration, held, plan
from tasks.running import running
from tasks.storage import Found

NOW = datetime(2026, 1, 22, tzinfo=UTC)
LATER = timedelta(days=2)
NAMES = ("problems", "traces", "verdicts")
KEYS = st.integers(0, 11)
SUMMARY = Summary(recipe="x", verdicts={}, kept_verdicts={}, funnel=())


def ref(number: int) -> Ref:
    return Ref(table=NAMES[number % 3], key=f"k{number}")


def tables(numbers: set[int]) -> Tables:
    made: dict[str, tuple[Ref, ...]] = {}
    for number in sorted(numbers):
        made[ref(number).table] = (*made.get(ref(number).table, ()), ref(number))
    return made


def release(name: str, version: int, numbers: set[int]) -> ReleaseManifest:
    return ReleaseManifest(
        name=name, version=f"v{version}", key="k", previous=None, formats={}, files={}, tables=tables(numbers),
        changes={}, summary=SUMMARY, tools={}, created=NOW,
    )  # fmt: skip


@st.composite
def lakes(draw: st.DrawFn) -> Held:
    """Twelve tables, each made from some with lower numbers; some never finished, some young."""
    finished = draw(st.sets(KEYS))
    young = draw(st.sets(KEYS, max_size=3))
    made = {
        ref(number): Made(tuple(map(ref, draw(st.sets(st.integers(0, number - 1), max_size=2)))), frozenset({"part-0"}))
        for number in finished
        if number
    }
    files = [
        Found(f"{ref(number).path}/{name}", 1, NOW - timedelta(hours=1 if number in young else 100))
        for number in range(12)
        for name in ("part-0", *(["manifest.json"] if ref(number) in made else []))
    ]
    runs = {}
    for number in range(draw(st.integers(0, 5))):
        path, at = f"snapshots/{number}.json", NOW - timedelta(days=draw(st.integers(0, 50)), seconds=number)
        runs[path] = Snapshot(
            recipe=draw(st.sampled_from("ab")),
            tables=tables(draw(st.sets(KEYS, max_size=3))),
            uses=tuple(map(ref, draw(st.sets(KEYS, max_size=2)))),
            created=at,
            summary=draw(st.sampled_from([None, SUMMARY])),
        )
        files.append(Found(path, 1, at))
    releases = {}
    for number in range(draw(st.integers(0, 4))):
        made_of = release(draw(st.sampled_from("xy")), number + 8, draw(st.sets(KEYS, max_size=3)))
        path = f"releases/{made_of.name}/{made_of.version}"
        releases[path] = made_of
        files += [Found(f"{path}/{name}", 1, NOW - timedelta(days=9)) for name in ("manifest.json", "sft/train/part-0")]
    files += [Found("reviews/batch.jsonl", 1, NOW - timedelta(days=99)), Found("notes.txt", 1, NOW)]
    return Held(tuple(files), made, runs, releases)


def reachable(lake: Held, start: set[Ref]) -> set[Ref]:
    found = set(start)
    while more := {one for each in found if each in lake.tables for one in lake.tables[each].inputs} - found:
        found |= more
    return found


@given(lakes(), st.integers(1, 3), st.none() | st.integers(1, 2))
def test_exactly_what_nothing_kept_can_reach_goes(lake: Held, runs: int, releases: int | None) -> None:
    planned = plan(lake, Keeping(runs=runs, releases=releases), NOW)
    gone = [file.path for one in planned.goes for file in one.files]
    assert len(gone) == len(set(gone))
    start: set[Ref] = set()
    for recipe in "ab":
        own = sorted((one for one in lake.runs.values() if one.recipe == recipe), key=lambda one: one.created)
        for some in (own, [one for one in own if one.summary]):
            newest: list[Tables] = []
            for one in reversed(some):
                newest += [one.tables] if one.tables not in newest else []
                if len(newest) <= runs or one.created > NOW - timedelta(hours=24):
                    start |= {*(each for refs in one.tables.values() for each in refs), *one.uses}
    for name in "xy":
        own_releases = [one for one in lake.releases.values() if one.name == name]
        kept = own_releases[-releases:] if releases else own_releases
        start |= {each for one in kept for refs in one.tables.values() for each in refs}
        for made in own_releases:
            assert (f"releases/{name}/{made.version}/manifest.json" in gone) == (made not in kept)
    young = {ref(n) for n in range(12) if any(f.path.startswith(f"{ref(n).path}/") and f.modified > NOW - timedelta(hours=24) for f in lake.files)}  # fmt: skip  # noqa: E501
    stays = reachable(lake, start | young)
    for number in range(12):
        own_files = [file.path for file in lake.files if file.path.startswith(f"{ref(number).path}/")]
        assert all((path in gone) == (ref(number) not in stays) for path in own_files)
    assert not {"reviews/batch.jsonl", "notes.txt"} & set(gone)
    kept_notes = [one for path, one in lake.runs.items() if path not in gone]
    assert {one.recipe for one in kept_notes} == {one.recipe for one in lake.runs.values()}


@given(lakes())
def test_after_clearing_there_is_nothing_more_to_clear(lake: Held) -> None:
    gone = {file.path for one in plan(lake, Keeping(), NOW).goes for file in one.files}
    rest = Held(
        tuple(file for file in lake.files if file.path not in gone),
        {one: made for one, made in lake.tables.items() if f"{one.path}/manifest.json" not in gone},
        {path: one for path, one in lake.runs.items() if path not in gone},
        {path: one for path, one in lake.releases.items() if f"{path}/manifest.json" not in gone},
    )
    assert plan(rest, Keeping(), NOW).goes == ()


@pytest.fixture(params=["folder", "memory", "s3"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    if request.param == "s3":
        return Lake(f"{request.getfixturevalue('s3')}/lake")
    return Lake(str(tmp_path / "lake") if request.param == "folder" else f"memory://{uuid.uuid4().hex}/lake")


def table(lake: Lake, number: int, *inputs: Ref) -> Ref:
    row: dict[str, object] = {
        "table": "traces",
        "row_id": "t",
        "stage": "s",
        "reason": "r",
        "evidence": None,
        "duplicate_of": None,
    }
    stage = Stage(name="test", version="1", config={"n": number}, inputs=inputs, tables=("dropped",))
    return lake.run(stage, lambda: iter([lambda: {"dropped": rows([row], DROPPED, at="test")}]))["dropped"][0]


def note(recipe: str, *refs: Ref, day: int) -> Snapshot:
    return Snapshot(
        recipe=recipe, tables={"dropped": refs}, created=datetime.now(UTC) + timedelta(seconds=day), summary=SUMMARY
    )


def test_a_lake_is_cleared(lake: Lake) -> None:
    ground, old, new = table(lake, 1), table(lake, 2), None
    beside = Lake(lake.url)
    beside.record(note("one", old, day=1))
    new = table(lake, 3, ground)
    lake.storage.write(f"{new.path}/journal-00000-0123456789abcdef.parquet", b"left")
    lake.storage.write("traces/abandoned/journal-00000-0123456789abcdef.parquet", b"rows")
    lake.storage.write("plans/p.json", b"{}")
    lake.storage.write("reviews/batch.jsonl", b"")
    later = Lake(lake.url)
    later.record(note("one", new, day=2))
    assert clear(lake, Keeping(), datetime.now(UTC)).goes == (), "all of it is young"
    clear(lake, Keeping(), datetime.now(UTC) + LATER)
    assert sorted(one.path for one in lake.storage.files() if not one.path.startswith(("dropped/", "snapshots/"))) == [
        "reviews/batch.jsonl"
    ]
    assert [lake.whole(one) for one in (ground, old, new)] == [True, False, True]
    manifest = lake.manifest(new)
    assert manifest is not None
    assert lake.storage.names(new.path) == ["manifest.json", *(part.name for part in manifest.parts), "stage.json"]
    assert old.key not in lake.storage.names("dropped")
    assert [one.tables for one in lake.snapshots()] == [{"dropped": (new,)}]
    assert lake.newest() == {"dropped": (new,)}


def test_what_a_run_asked_for_beside_its_tables_stays(lake: Lake) -> None:
    beside, shown = table(lake, 1), table(lake, 2)
    lake.record(note("one", shown, day=1))
    assert lake.snapshots()[0].uses == (beside,)
    assert clear(lake, Keeping(), datetime.now(UTC) + LATER).goes == ()
    assert lake.whole(beside)


def test_nothing_goes_while_a_run_is_under_way(lake: Lake) -> None:
    lost = table(lake, 1)
    with running(lake.storage, "refresh demo"):
        with pytest.raises(LakeError, match=r"refresh demo .* is under way"):
            clear(lake, Keeping(), datetime.now(UTC) + LATER)
        assert plan(held(lake), Keeping(), datetime.now(UTC) + LATER).goes
    assert lake.whole(lost)


def test_cut_off_between_any_two_removals(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = table(lake, 1), table(lake, 2)
    for one, day in ((old, 1), (new, 2)):
        Lake(lake.url).record(note("one", one, day=day))
    remove = lake.storage.remove_all
    for allowed in range(3):
        left = [allowed]

        def broken(paths: list[str], left: list[int] = left) -> None:
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            remove(paths)

        monkeypatch.setattr(lake.storage, "remove_all", broken)
        with pytest.raises(KeyboardInterrupt):
            clear(lake, Keeping(), datetime.now(UTC) + LATER)
        assert lake.newest() == {"dropped": (new,)}
        # A table without parts has no manifest, and a run that is noted has all its tables.
        for one in (old, new):
            assert lake.whole(one) or lake.manifest(one) is None
        assert lake.whole(new)
    monkeypatch.undo()
    clear(lake, Keeping(), datetime.now(UTC) + LATER)
    assert lake.storage.names("dropped") == [new.key]


def test_times() -> None:
    assert [duration(one) for one in ("90s", "30m", "24h", "7d", "2w", "0s")] == [
        timedelta(seconds=90), timedelta(minutes=30), timedelta(hours=24), timedelta(days=7), timedelta(weeks=2),
        timedelta(0),
    ]  # fmt: skip
    for wrong in ("", "24", "-1h", "1y", "1.5h"):
        with pytest.raises(RecipeError, match="is no time; give one like"):
            duration(wrong)
