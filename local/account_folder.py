"""The part of the local account that outlives a command: pictures, records and ledgers, in a folder.

A WSGI application in front of moto writes each object to the folder before the caller gets S3's response. The folder
has the object's key as the file name, and the object's headers beside it. A file's modification time is the object's.
"""

import fcntl
import json
import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from moto.s3.models import S3Backend
from werkzeug.wrappers import Response

from local.terminal import CommandError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HEADERS, NEW = ".headers", ".new"
KEY = re.compile(r"(temporal|budgets)/cli_[\w-]+/[\w-]+\.\w+|results/[\w-]+/(manifest|shards/[\w-]+)\.json", re.ASCII)
"""A stricter form than S3's: no key may lead out of the folder. A batch at the provider outlives this command."""
DAY_SECONDS = 86_400
NOT_WRITTEN = b"<Error><Code>InsufficientStorage</Code><Message>The folder could not be written.</Message></Error>"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder, and keep other commands out of it. Raises CommandError and OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(f"Another command uses {folder}. End it, or use another folder: OUT=out2.") from None
        yield


class AccountFolder:
    """A bucket's objects in a folder, and the WSGI application that writes them."""

    def __init__(self, app: "WSGIApplication", backend: S3Backend, bucket: str, folder: Path) -> None:
        self._app = app
        self._backend = backend
        self._bucket = bucket
        self._folder = folder
        self._lock = Lock()
        self.problem: OSError | None = None
        """The reason why an object could not be written."""

    def load(self, retention_days: int) -> None:
        """Put the objects of the folder into the bucket. Delete those whose lifetime is over, as S3 does.

        Raises CommandError for a damaged file.
        """
        oldest = time.time() - retention_days * DAY_SECONDS
        for path in sorted([*self._folder.glob("*/cli_*/*"), *self._folder.glob("results/**/*.*")]):
            if path.suffix == NEW:  # the command ended before the file was whole
                path.unlink()
            elif path.suffix == HEADERS:
                continue
            elif path.parts[-3] == "temporal" and path.stat().st_mtime < oldest:
                _delete(path)
            else:
                self._load(path)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a request to the account."""
        path = unquote(str(environ["RAW_URI"]).partition("?")[0])
        key = path.removeprefix(f"/{self._bucket}/")
        if not KEY.fullmatch(key):
            return self._app(environ, start_response)
        with self._lock:  # a caller must not see an object that is not in the folder yet
            response = Response.from_app(self._app, environ, buffered=True)
            if environ["REQUEST_METHOD"] in ("PUT", "DELETE") and response.status.startswith("2"):
                try:
                    self._write(key)
                except OSError as error:
                    self.problem = error
                    self._put_back(key)
                    response = Response(NOT_WRITTEN, 507, content_type="application/xml")
        return response(environ, start_response)

    def _write(self, key: str) -> None:
        path, found = self._folder / key, self._backend.get_object(self._bucket, key)
        if found is None:
            _delete(path)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(_headers(path), json.dumps(dict(found.metadata)).encode())
        replace(path, found.value)

    def _put_back(self, key: str) -> None:
        """Make the object in the account what the folder has. moto closes the file of an object that it replaces."""
        if (self._folder / key).exists():
            self._load(self._folder / key)
        else:
            self._backend.delete_object(self._bucket, key)

    def _load(self, path: Path) -> None:
        try:
            headers: Any = json.loads(_headers(path).read_bytes())
            content = path.read_bytes()
            is_whole = isinstance(headers, dict) and bool(content)
            if path.suffix == ".json":
                json.loads(content)
        except (FileNotFoundError, ValueError):
            is_whole = False
        if not is_whole:
            raise CommandError(
                f"{path} or the {HEADERS} file beside it is damaged. Delete both files. Then the account no longer "
                "remembers this purchase, and its key buys again."
            )
        key = self._backend.put_object(self._bucket, path.relative_to(self._folder).as_posix(), content)
        key.set_metadata(headers)
        key.last_modified = datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(tzinfo=None)


def replace(path: Path, content: bytes) -> None:
    """Write a file as a whole or not at all, also when the power fails."""
    new = path.with_name(path.name + NEW)
    try:
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise


def _delete(path: Path) -> None:
    path.unlink(missing_ok=True)
    _headers(path).unlink(missing_ok=True)


def _headers(path: Path) -> Path:
    return path.with_name(path.name + HEADERS)
