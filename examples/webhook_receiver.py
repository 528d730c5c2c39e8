"""Receives what gafferd posts to a webhook, and prints it. Needs nothing but Python 3.

    python3 examples/webhook_receiver.py 8080 'open sesame'
    gafferctl add_webhook proc http://127.0.0.1:8080/ --secret 'open sesame'

Port 0 takes a free one. Without a secret, whatever comes is believed.
"""

import hashlib
import hmac
import http.server
import json
import sys

PORT = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
SECRET = sys.argv[2].encode() if len(sys.argv) > 2 else None


class Receiver(http.server.BaseHTTPRequestHandler):
    # Connections are kept, which saves much where events are many.
    protocol_version = "HTTP/1.1"
    seen = set()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(self.receive(body))

    def receive(self, body):
        if SECRET is not None:
            expected = "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()
            # Compares in a time that tells nothing.
            if not hmac.compare_digest(expected, self.headers.get("X-Gaffer-Signature", "")):
                return 403
        delivery = self.headers["X-Gaffer-Delivery"]
        if delivery not in self.seen:  # Else we had it already, and gafferd did not hear that.
            self.seen.add(delivery)
            event = json.loads(body)
            print(event["event"], event["name"], event.get("pid", "-"), flush=True)
        return 204

    def answer(self, status):
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Receiver)
print("listening on http://127.0.0.1:%d" % server.server_port, flush=True)
try:
    server.serve_forever()
except KeyboardInterrupt:
    pass
