"""Fetches KaTeX from its npm package into `static/vendor/katex`: `python -m review.web.vendor` (needs npm).

The files are in the repository; this is how they came there, and how the next version will.
"""

import hashlib
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import IO, Final

PACKAGE: Final = "katex"
VERSION: Final = "0.19.1"
HOME: Final = Path(__file__).parent / "static" / "vendor" / PACKAGE
ABOUT: Final = "VERSION.json"
_FILES: Final = ("dist/katex.min.js", "dist/katex.min.css", "LICENSE")
_FONTS: Final = "dist/fonts/"


def vendor(home: Path = HOME) -> None:
    """Write the package's script, style sheet, woff2 fonts and licence, and what they are."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", f"{PACKAGE}@{VERSION}"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as packed:
            for member in packed:
                name = member.name.removeprefix("package/")
                if name in _FILES or (name.startswith(_FONTS) and name.endswith(".woff2")):
                    _write(home / name.removeprefix("dist/"), packed.extractfile(member))
    about = {"package": PACKAGE, "version": VERSION, "licence": "MIT", "sha256": digests(home)}
    (home / ABOUT).write_text(json.dumps(about, indent=2) + "\n")


def digests(home: Path = HOME) -> dict[str, str]:
    """The sha256 of every file below but `VERSION.json`, by its path."""
    files = sorted(path for path in home.rglob("*") if path.is_file() and path.name != ABOUT)
    return {str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _write(path: Path, content: IO[bytes] | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.read() if content else b"")


if __name__ == "__main__":
    vendor()
