"""What object stores do otherwise than folders: their errors, conditional writes, and checksums that they vouch for."""

import base64
import hashlib
import sys
from collections.abc import Mapping
from typing import Any, Final

from pyarrow import PythonFile
from pyarrow.fs import FSSpecHandler, PyFileSystem

from schemas.errors import LakeError

_WHOLE: Final = 2**29
"""Bytes: objects of less than twice as many are put whole, for only of such does S3 keep a sha256 of all bytes."""
_SMALL: Final = 2**22
"""Bytes: so many and less are read by one request, of larger ones what is asked for and a quarter of it ahead."""
_TRIES: Final = 5
_ERRORS: Final = {"botocore.exceptions": ("BotoCoreError", "ClientError"), "aiohttp": ("ClientError",)}
_UNKNOWN: Final = (
    "the store does not take these credentials, or they have expired; set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY "
    "and, for temporary ones, AWS_SESSION_TOKEN"
)
_NONE: Final = "there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
_DENIED: Final = "access is denied; these credentials need leave to list, read, write and delete below this prefix"
_BUSY: Final = "the store turns requests down, for too many or for now; run again later, finished parts are kept"
_ELSEWHERE: Final = "the bucket lies in another region; set AWS_DEFAULT_REGION to it"
_GONE: Final = "the store cannot be reached; see to it, or to AWS_ENDPOINT_URL, and run again: finished parts are kept"
_NO_BUCKET: Final = "NoSuchBucket"
_BY_CODE: Final = {
    _NO_BUCKET: "there is no such bucket; make it, or choose another --lake",
    "RequestTimeTooSkewed": "this machine's clock is wrong; set it",
    **dict.fromkeys(("AccessDenied", "AllAccessDisabled", "403", "Forbidden"), _DENIED),
    **dict.fromkeys(("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken"), _UNKNOWN),
    **dict.fromkeys(("SlowDown", "ServiceUnavailable", "InternalError", "500", "502", "503", "429"), _BUSY),
    **dict.fromkeys(("PermanentRedirect", "AuthorizationHeaderMalformed", "301"), _ELSEWHERE),
}
_BY_CLASS: Final = {
    **dict.fromkeys(("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"), _NONE),
    "ProfileNotFound": "there is no such profile; set AWS_PROFILE to one that there is",
    **dict.fromkeys(
        ("ConnectionError", "HTTPClientError", "ClientConnectionError", "ClientPayloadError", "TimeoutError"), _GONE
    ),
}


def errors(*more: type[Exception]) -> tuple[type[Exception], ...]:
    """What reading and writing raises: OSError, and the S3 client's own errors, which are none, once it is loaded."""
    found: list[type[Exception]] = [OSError, *more]
    for module, names in _ERRORS.items():
        found += [getattr(sys.modules[module], name) for name in names if module in sys.modules]
    return tuple(found)


def advice(exc: BaseException) -> str | None:
    """What to do about an object store's error, in one sentence; None for a missing object and for other errors."""
    if told := _BY_CODE.get(_code(exc)):
        return told
    classes = (one.__name__ for one in type(exc).__mro__ if not issubclass(OSError, one))
    if told := next((_BY_CLASS[name] for name in classes if name in _BY_CLASS), None):
        return told
    return None if isinstance(exc, OSError | ValueError) else f"{type(exc).__name__}: {exc}"


def raise_without_bucket(exc: FileNotFoundError) -> None:
    """Raise the error again unless only an object is missing."""
    if _code(exc) == _NO_BUCKET:
        raise exc


def connect(filesystem: Any) -> None:
    """Make the client at once, so that settings that cannot be used are told of here.

    Raises:
        LakeError: the environment names no usable endpoint, profile or region.
    """
    if not _speaks_s3(filesystem):
        return
    try:
        filesystem.connect()
    except errors(ValueError) as exc:
        raise LakeError(f"object storage: {advice(exc) or exc}; see AWS_ENDPOINT_URL, AWS_PROFILE") from exc


class _Sized(FSSpecHandler):
    """For pyarrow: files whose sizes are known, which the store need not be asked for."""

    def __init__(self, filesystem: Any, sizes: Mapping[str, int]) -> None:
        super().__init__(filesystem)
        self._sizes = sizes

    def open_input_file(self, path: str) -> PythonFile:
        size = self._sizes[path]
        cache = "all" if size <= _SMALL else "readahead"
        filesystem: Any = self.fs
        file = filesystem.open(path, mode="rb", size=size, cache_type=cache, block_size=_SMALL // 4)
        return PythonFile(file, mode="r")


def readable(filesystem: Any, sizes: Mapping[str, int]) -> Any:
    """The file system as pyarrow reads files of these sizes, by path, with few requests."""
    # To its type stubs the handler is abstract.
    handler: Any = _Sized
    return PyFileSystem(handler(filesystem, sizes)) if _speaks_s3(filesystem) else filesystem


def read(filesystem: Any, path: str) -> bytes:
    """An object's bytes, by one request."""
    return bytes(filesystem.cat_file(path, **({"max_concurrency": 1} if _speaks_s3(filesystem) else {})))


def put(filesystem: Any, path: str, data: bytes, mode: str = "overwrite") -> None:
    """Put an object, with its sha256 where the store checks and keeps it; mode `create` fails where there is one."""
    settings: dict[str, Any] = {}
    if _speaks_s3(filesystem):
        settings = {"chunksize": _WHOLE}
        if len(data) < 2 * _WHOLE:
            settings |= _vouched(hashlib.sha256(data).digest())
    filesystem.pipe_file(path, data, mode=mode, **settings)


def create(filesystem: Any, path: str, data: bytes) -> bool:
    """Put an object unless there is one; whether it was put.

    Of several writers exactly one succeeds where the store has conditional writes; where it has none, the one that
    looks last before another has written.
    """
    # A store may not know conditions and take them for granted.
    if filesystem.exists(path):
        return False
    done = put_new(filesystem, path, data)
    if done is None:
        put(filesystem, path, data)
    return done is not False


def put_new(filesystem: Any, path: str, data: bytes) -> bool | None:
    """Put an object on the condition that there is none; whether it was put, None if the store knows no conditions."""
    for left in reversed(range(_TRIES)):
        try:
            put(filesystem, path, data, "create")
        except FileExistsError:
            return False
        except NotImplementedError:
            return None
        except OSError as exc:
            match _code(exc):
                case "PreconditionFailed" | "412":
                    return False
                case "NotImplemented" | "501":
                    return None
                case "ConditionalRequestConflict" | "OperationAborted" | "409" if left:
                    continue
            raise
        return True
    return None


def upload(filesystem: Any, source: str, path: str, sha256: str, size: int) -> None:
    """Put a file of this machine, with its sha256 where the store checks and keeps it."""
    whole = _speaks_s3(filesystem) and size < filesystem.default_block_size
    filesystem.put_file(source, path, **(_vouched(bytes.fromhex(sha256)) if whole else {}))


def checksum(filesystem: Any, path: str) -> str | None:
    """The sha256 that the store has checked an object against when it was put; None if it keeps none.

    Raises:
        FileNotFoundError: there is no such object.
    """
    if not _speaks_s3(filesystem):
        return None
    bucket, key, _ = filesystem.split_path(path)
    told = filesystem.call_s3("head_object", Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    kept = str(told.get("ChecksumSHA256") or "-")
    # With a dash it is one of the parts' sums.
    return None if "-" in kept else base64.b64decode(kept).hex()


def remove(filesystem: Any, paths: list[str]) -> bool:
    """Remove many objects, a thousand at a time; whether the store can do that."""
    if paths and _speaks_s3(filesystem):
        filesystem.rm(paths)
    return _speaks_s3(filesystem)


def _speaks_s3(filesystem: Any) -> bool:
    return "s3" in filesystem.protocol


def _vouched(digest: bytes) -> dict[str, str]:
    return {"ChecksumAlgorithm": "SHA256", "ChecksumSHA256": base64.b64encode(digest).decode()}


def _code(exc: BaseException) -> str:
    """What the store's answer calls the error."""
    for one in (exc, exc.__cause__):
        response = getattr(one, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code", ""))
    return ""
