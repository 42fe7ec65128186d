import os
from pathlib import Path

import numpy as np
import pytest

from schemas.errors import LakeError
from tasks.dedupe.space import Effort, space


def test_what_does_not_fit_lies_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    small, large = space((3, 4), np.uint32, 48), space((3, 4), np.uint32, 47)
    for one in (small, large):
        one[:] = np.arange(12).reshape(3, 4)
        assert one.sum() == 66
    assert small.base is None
    assert large.base is not None
    assert not list(tmp_path.iterdir())


def test_no_room_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(LakeError, match=r"no room for 8 MiB .* raise it, or set TMPDIR .*No space left"):
        space((1 << 20,), np.uint64, 0)


def test_shares_come_back_in_order() -> None:
    assert Effort(threads=3).map(lambda share: share * 2, range(20)) == list(range(0, 40, 2))
