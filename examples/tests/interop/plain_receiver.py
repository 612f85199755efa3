"""A platform in a few lines, on http.server: answers as the document shows, after so many answers
of another kind. Prints each record before it acknowledges it: user_id, serial number, bytes of picture, path.

usage: plain_receiver.py [PORT [KIND COUNT]]
"""
import base64
import http.server
import json
import sys

port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
kind = sys.argv[2] if len(sys.argv) > 2 else "none"
left = int(sys.argv[3]) if len(sys.argv) > 3 else 0
OTHERS = {
    "code": (200, b'{"code":500,"msg":"database locked","data":{}}'),
    "500": (500, b"<html>Internal Server Error</html>"),
    "503": (503, b'{"code":503,"msg":"busy"}'),
    "garbage": (200, b"\x00\xff not json at all"),
    "page": (200, b"<!doctype html><title>It works!</title>"),
    "empty": (200, b""),
    "list": (200, b"[200]"),
    "no-code": (200, b'{"msg":"success"}'),
    "redirect": (307, b""),
    "endless": (200, b'{"code":200,"msg":"' + b"x" * (1 << 20) + b'"}'),
}


class Platform(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        global left
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if left > 0:
            left -= 1
            return self.otherwise()
        data = json.loads(body)["data"]
        jpeg = base64.b64decode(data["rgb_image"], validate=True)
        kind = self.headers["Content-Type"] or "-"
        words = [data["user"]["user_id"], data["deviceSN"], len(jpeg), self.path, kind]
        words.append(data["timestamp"])
        # Kept first, then acknowledged; in one piece, since there are threads.
        sys.stdout.write(" ".join(map(str, words)) + "\n")
        sys.stdout.flush()
        self.answer(200, b'{"code":200,"msg":"success","data":{}}')

    def otherwise(self):
        sys.stderr.write("other\n")
        sys.stderr.flush()
        if kind == "nothing":
            self.close_connection = True
        elif kind == "half":
            self.send_response(200)
            self.send_header("Content-Length", "39")
            self.end_headers()
            self.wfile.write(b'{"code":200,"msg":"suc')
            self.close_connection = True
        else:
            self.answer(*OTHERS[kind])

    def answer(self, status, body):
        self.send_response(status)
        if status == 307:
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            pass  # It has heard enough.

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Platform)
print("listening", server.server_port, flush=True, file=sys.stderr)
server.serve_forever()
