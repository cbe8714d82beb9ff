"""A page in a real browser, on another port of this machine, and an engine."""

from __future__ import annotations

import json
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from .conftest import Clients, request

CHROMIUM = shutil.which("chromium")
# It knows a presigned URL, which is more than any page should; it looks at what it got, and tells its own server.
PAGE = """<!doctype html><body><script>
const {engine, presigned, job} = %s, told = {};
const create = {method: "POST", mode: "no-cors", body: job, headers: {"Content-Type": "text/plain"}};
const tried = {
  image: () => new Promise(end => { const seen = new Image();
    seen.onload = () => end("loaded"); seen.onerror = () => end("refused"); seen.src = presigned; }),
  script: () => new Promise(end => { const seen = document.createElement("script");
    seen.onload = () => end("loaded"); seen.onerror = () => end("refused"); seen.src = presigned;
    document.body.append(seen); }),
  frame: () => new Promise(end => { const seen = document.createElement("iframe");
    seen.onload = () => { try { end(seen.contentDocument.body.innerText); } catch { end("closed"); } };
    seen.src = presigned; document.body.append(seen); }),
  simple: async () => (await fetch(presigned)).text(),
  cached: async () => (await fetch(presigned, {cache: "force-cache"})).text(),
  opaque: async () => (await fetch(engine, create)).text(),
  target: async () => (await fetch(engine, {method: "POST", body: job,
    headers: {"X-Amz-Target": "SageMaker.CreateTrainingJob"}})).text(),
};
(async () => {
  for (const [name, attempt] of Object.entries(tried)) {
    try { told[name] = await attempt(); } catch (error) { told[name] = error.name; }
  }
  await fetch("/told", {method: "POST", body: JSON.stringify(told)});
})();
</script></body>"""


@contextmanager
def shown(page: str, profile: Path) -> Iterator[queue.Queue[str]]:
    """Serve a page, show it in a browser, and hand on what it tells."""
    told: queue.Queue[str] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(page.encode())

        def do_POST(self) -> None:
            told.put(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self._answer(b"")

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    options += ["--remote-debugging-port=0", f"--user-data-dir={profile}"]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    browser = subprocess.Popen([str(CHROMIUM), *options, f"http://127.0.0.1:{server.server_port}/"], **silent)
    try:
        yield told
    finally:
        browser.terminate()
        browser.wait()
        server.shutdown()
        server.server_close()


@pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: chromium is not on the PATH")
def test_a_page_in_a_browser_reads_nothing_and_starts_nothing(clients: Clients, tmp_path: Path) -> None:
    """Neither by an image, a script, a frame or a fetch, nor from the browser's cache after any of them."""
    image = "<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'><text>the secret</text></svg>"
    clients.s3.put_object(Bucket="bucket", Key="seen", Body=image.encode(), ContentType="image/svg+xml")
    presigned = clients.s3.generate_presigned_url("get_object", {"Bucket": "bucket", "Key": "seen"})
    known = {"engine": clients.url, "presigned": presigned, "job": json.dumps(request("page"))}
    with shown(PAGE % json.dumps(known), tmp_path) as told:
        answers = json.loads(told.get(timeout=120))
    assert answers == {
        "image": "refused",
        "script": "refused",
        "frame": "closed",
        "simple": "TypeError",
        "cached": "TypeError",
        "opaque": "",
        "target": "TypeError",
    }
    jobs = clients.sagemaker.list_training_jobs(NameContains="page")["TrainingJobSummaries"]
    assert jobs == []
