"""A process that was started is told from any other; what it left running is found."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from flows.server.control import end
from flows.server.folder import MARK, VARIABLE, WORKER, Folder, Settings
from schemas.errors import ServerError


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path / "state")
    made.create()
    return made


def sleeping(folder: Folder, *, deaf: bool = False, variable: str = MARK) -> psutil.Process:
    ignoring = "signal.signal(signal.SIGTERM, signal.SIG_IGN);" if deaf else ""
    program = f"import signal, time; {ignoring} print('up', flush=True); time.sleep(60)"
    marked = os.environ | {variable: str(folder.path)}
    process = psutil.Popen([sys.executable, "-c", program], env=marked, stdout=subprocess.PIPE)
    assert process.stdout.readline()
    return psutil.Process(process.pid)


def test_a_process_is_found_again_until_it_ends(folder: Folder) -> None:
    process = sleeping(folder)
    folder.note(WORKER, process)
    assert folder.process(WORKER) == process
    assert folder.offspring() == [process]
    assert end([process], 20) == "has ended"
    assert folder.process(WORKER) is None
    assert folder.offspring() == []


def test_what_a_shell_starts_that_names_the_folder_is_not_the_servers(folder: Folder) -> None:
    process = sleeping(folder, variable=VARIABLE)
    assert folder.offspring() == []
    assert end([process], 20) == "has ended"


def test_a_later_process_with_the_same_pid_is_not_it(folder: Folder) -> None:
    process = sleeping(folder)
    folder.note(WORKER, process)
    noted = folder.path / "worker.json"
    noted.write_text(noted.read_text().replace('"started":', '"started":1'))
    assert folder.process(WORKER) is None
    assert process.is_running()
    end([process], 20)


def test_a_process_that_will_not_end_is_killed(folder: Folder) -> None:
    assert end([sleeping(folder, deaf=True)], 0.5) == "was killed"


def test_settings_are_kept(folder: Folder) -> None:
    assert folder.settings() is None
    folder.keep(Settings(port=4300))
    assert folder.settings() == Settings(port=4300)
    (folder.path / "settings.json").write_text("{")
    assert folder.settings() is None


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ServerError, match=r"file/state: cannot be written .*; name another folder: TRACEMILL_STATE"):
        Folder(tmp_path / "file/state").create()
