"""A receiver as a process of its own: python3 receiver.py PORT SECRET FILE

It verifies each request by the library, and has stored the events in FILE before it answers.
"""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

from standardwebhooks import Webhook, WebhookVerificationError

port, secret, path = int(sys.argv[1]), sys.argv[2], sys.argv[3]
webhook, lock = Webhook(secret), Lock()
out = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            events = webhook.verify(body, {k.lower(): v for k, v in self.headers.items()})["events"]
        except WebhookVerificationError:
            return self.answer(401)
        lines = "".join(json.dumps([e["room"], e.get("id")]) + "\n" for e in events)
        with lock:
            os.write(out, lines.encode())
        self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


Server(("127.0.0.1", port), Receiver).serve_forever()
