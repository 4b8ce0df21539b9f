# SPDX-License-Identifier: Apache-2.0
"""A node for tests: serves HTTP on 127.0.0.1, and ends as its environment says.

usage: node.py PORT; SICK: answers 503; STUBBORN: ignores SIGTERM; EXIT_CODE: of
a stop; CHILD: leaves a process behind.
"""
import http.server
import os
import signal
import subprocess
import sys

if os.environ.get("STUBBORN"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM,
                  lambda *_: os._exit(int(os.environ.get("EXIT_CODE", "0"))))
if os.environ.get("CHILD"):
    subprocess.Popen(["sleep", "600"])


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503 if os.environ.get("SICK") else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()


http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
