"""A model hub on this machine, which has the weights of one small model."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REPOSITORY = "timm/test_resnet.r160_in1k"
COMMIT = "0" * 40


@contextmanager
def hub(file):
    """Serve `file` as the weights of `REPOSITORY`; the environment in which it is the hub, and the
    paths that were asked for."""
    content, asked = file.read_bytes(), []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.answer(body=False)

        def do_GET(self):
            self.answer(body=True)

        def answer(self, body):
            asked.append(self.path)
            if self.path.startswith(f"/api/models/{REPOSITORY}"):
                facts = {
                    "id": REPOSITORY,
                    "sha": COMMIT,
                    "siblings": [{"rfilename": "model.safetensors", "size": len(content)}],
                    "cardData": {"license": "cc-by-nc-4.0"},
                }
                self.reply(200, json.dumps(facts).encode(), body)
            elif self.path == f"/{REPOSITORY}/resolve/main/model.safetensors":
                self.reply(200, content, body, ETag='"weights"', **{"X-Repo-Commit": COMMIT})
            else:
                self.reply(404, b"{}", body, **{"X-Error-Code": "EntryNotFound"})

        def reply(self, code, content, body, **headers):
            self.send_response(code)
            for name, value in {"Content-Length": len(content), **headers}.items():
                self.send_header(name, str(value))
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield address(server.server_port), asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def address(port):
    """The environment in which the hub is at that port of this machine."""
    return {
        "HF_ENDPOINT": f"http://127.0.0.1:{port}",
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
    }
