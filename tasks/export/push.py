"""A release goes to a repository of data sets on the Hugging Face hub, as one commit.

The token is what huggingface_hub finds: HF_TOKEN, or the one that `hf auth login` stored. Nothing here reads it but to
keep it out of messages.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from schemas.errors import DamagedError, HubError
from schemas.refs import ReleaseManifest
from tasks.engines.redact import redact
from tasks.export import published
from tasks.export.selection import TRAIN, VALIDATION
from tasks.storage import Storage

if TYPE_CHECKING:
    from huggingface_hub import HfApi

MANIFEST: Final = "manifest.json"
_KIND: Final = "dataset"
_REPOSITORY: Final = re.compile(r"[\w.-]+/[\w.-]+")
_OURS: Final = re.compile(rf"[\w.-]+/({TRAIN}|{VALIDATION})(/part-[\w.-]+\.parquet|\.jsonl)")
"""Rows of a release: `<format>/<split>/part-*.parquet`, `<format>/<split>.jsonl`."""
_ADVICE: Final = {
    401: "it wants a token, or does not know this one: set HF_TOKEN, or run `hf auth login`",
    403: "the token may not do this: take one that may write to the repository",
    404: "there is no such owner or repository, or the token may not see it: check the name and the token",
    409: "the repository was changed meanwhile: push again",
}


class Upload(NamedTuple):
    """What is to go where."""

    release: ReleaseManifest
    repository: str
    private: bool
    files: Mapping[str, int]
    """Bytes by path, the same in the release's folder and in the repository."""

    @property
    def folder(self) -> str:
        """The release's folder below the lake's root."""
        return published.folder(self.release.name, self.release.version)


def plan(storage: Storage, release: str, repository: str, *, private: bool) -> Upload:
    """What a push of a release (`name`, or `name/version`) uploads: all but the claim. Nothing leaves this machine.

    Raises:
        LakeError: there is no such release.
        DamagedError: a file of it is missing or damaged.
        HubError: the repository's name is none.
    """
    found = published.find(storage, release)
    if _REPOSITORY.fullmatch(repository) is None:
        raise HubError(f"repository {repository}: give it as OWNER/REPO")
    if not published.whole(storage, found):
        raise DamagedError(
            f"release {found.name}/{found.version}: a file of it is missing or damaged; run its recipe again, which "
            "mends it"
        )
    parts = {f"{path}/{part.name}": part.bytes for path, parts in found.formats.items() for part in parts}
    others = {
        name: storage.size(f"{published.folder(found.name, found.version)}/{name}") for name in (*found.files, MANIFEST)
    }
    return Upload(found, repository, private, dict(sorted((parts | others).items())))


def push(storage: Storage, upload: Upload, endpoint: str | None = None) -> str:
    """Upload in one commit; rows of other versions that an earlier push left there go. Returns the commit's address.

    A repository that is not there is made; one that is has to be as private as `upload` says.

    Raises:
        HubError: the hub cannot be reached, turns the upload down, or has the repository with the other visibility.
        LakeError: a file cannot be read.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    api = HfApi(endpoint=endpoint)
    with _explained(upload.repository):
        there = _repository(api, upload)
        gone = sorted(one for one in there if _OURS.fullmatch(one) and one not in upload.files)
        with TemporaryDirectory() as temporary:
            places = {
                name: _on_this_machine(storage, f"{upload.folder}/{name}", Path(temporary)) for name in upload.files
            }
            commit = api.create_commit(
                upload.repository,
                [
                    *(CommitOperationAdd(name, str(place)) for name, place in places.items()),
                    *(CommitOperationDelete(name) for name in gone),
                ],
                commit_message=f"{upload.release.name} {upload.release.version}",
                repo_type=_KIND,
            )
    return str(commit.commit_url)


def _repository(api: "HfApi", upload: Upload) -> list[str]:
    """Make the repository if it is not there; the files it has."""
    api.create_repo(upload.repository, repo_type=_KIND, private=upload.private, exist_ok=True)
    found = api.dataset_info(upload.repository)
    if found.private is not upload.private:
        there, asked = ("private", "public") if found.private else ("public", "private")
        raise HubError(f"repository {upload.repository}: is {there}; push with --{there}, or make it {asked} first")
    return [one.rfilename for one in found.siblings or ()]


def _on_this_machine(storage: Storage, path: str, temporary: Path) -> Path:
    if storage.local:
        return Path(storage.full(path))
    storage.fetch(path, temporary / path)
    return temporary / path


@contextmanager
def _explained(repository: str) -> Iterator[None]:
    """What the hub's client raises becomes a sentence, without the token."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    # Of the client's own HTTP library, which is another one from version to version.
    unreachable = cast("type[Exception]", HfHubHTTPError.__mro__[1])
    try:
        yield
    except HfHubHTTPError as exc:
        status = exc.response.status_code
        advice = _ADVICE.get(status) or _plain(exc)
        raise HubError(f"repository {repository}: the hub answers {status}: {advice}") from exc
    except OfflineModeIsEnabled as exc:
        raise HubError(f"repository {repository}: HF_HUB_OFFLINE is set; unset it to push") from exc
    except unreachable as exc:
        raise HubError(
            f"repository {repository}: the hub cannot be reached: {_plain(exc)}; go online, push again"
        ) from exc
    except (ValueError, RuntimeError, OSError) as exc:
        raise HubError(f"repository {repository}: the upload failed: {_plain(exc)}; push again") from exc


def _plain(exc: BaseException) -> str:
    from huggingface_hub import get_token

    told = " ".join(str(exc).split()) or type(exc).__name__
    return redact(told, [token for token in [get_token()] if token])
