"""S3 over HTTP: who may, and then moto, which has no lock and forgets everything."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote

from sweeper.engine.around import uploads
from sweeper.engine.around.moto_services import Wsgi
from sweeper.engine.around.s3 import ObjectStore
from sweeper.engine.wire import access, refusals
from sweeper.engine.wire.gate import bucket_in_host
from sweeper.engine.wire.http import Environ, StartResponse
from sweeper.engine.wire.permissions import Permissions


class S3:
    """One request at a time, and what it changed goes to disk before it is answered."""

    def __init__(self, permissions: Permissions, objects: ObjectStore, moto: Wsgi) -> None:
        self._permissions, self._objects, self._moto = permissions, objects, moto

    def __call__(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        """WSGI."""
        bucket, key = _object_of(environ)
        moto, permissions = self._moto, self._permissions
        needed = access.of_s3(permissions, environ, bucket, key, lambda: self._objects.lacks(bucket, key))
        refused = access.refused(permissions, needed)
        if refused := refused or access.of_another_owner(permissions, environ, bucket, there=self._objects.has(bucket)):
            return refusals.denied(environ, start, "s3", refused.message)
        if uploads.is_plain_put(environ, key):
            return uploads.put(moto, self._objects, bucket, key, environ, start)
        with self._objects.lock:
            chunks = list(moto(uploads.as_bytes(environ), start))
            if bucket and environ["REQUEST_METHOD"] in ("PUT", "POST", "DELETE"):
                self._objects.sync(bucket, key)
        return chunks


def _object_of(environ: Environ) -> tuple[str, str]:
    """Bucket and key that an S3 request is about, in either way of addressing."""
    path = unquote(str(environ["RAW_URI"]).partition("?")[0]).removeprefix("/")
    if bucket := bucket_in_host(environ):
        return bucket, path
    bucket, _, key = path.partition("/")
    return bucket, key
