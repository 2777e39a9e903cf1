"""An application's endpoint that gives pages their tokens, for trying out on one machine:

    python3 examples/token_endpoint.py PORT SECRET_FILE PAGE_ORIGIN...

It believes the name in the query. An application asks its own session who the user is.
"""
import base64, hashlib, hmac, json, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

def token(user, seconds=300):
    encoded = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=")
    now = int(time.time())
    parts = {"alg": "HS256", "typ": "JWT"}, {"sub": user, "iat": now, "exp": now + seconds}
    message = b".".join(encoded(json.dumps(part).encode()) for part in parts)
    return (message + b"." + encoded(hmac.digest(secret, message, hashlib.sha256))).decode()

class Endpoint(BaseHTTPRequestHandler):
    def do_GET(self):
        origin, user = self.headers["Origin"], parse_qs(urlsplit(self.path).query).get("user")
        if origin not in origins or not user:
            return self.send_error(403)
        self.send_response(200)
        self.send_header("Access-Control-Allow-Origin", origin)
        self.send_header("Access-Control-Allow-Credentials", "true")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(json.dumps({"token": token(user[0])}).encode())

port, secret_file, *origins = sys.argv[1:]
secret = open(secret_file, "rb").read().removesuffix(b"\n")
server = ThreadingHTTPServer(("127.0.0.1", int(port)), Endpoint)
print(f"listening on 127.0.0.1:{port}", flush=True)
server.serve_forever()
