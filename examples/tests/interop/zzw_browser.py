"""Talks to the Socket.IO port from a page in headless Chromium: with plain WebSocket, and with
socket.io-client by polling, which is a request to another origin. Prints one JSON object for each.

usage: zzw_browser.py ADDRESS LIBRARY...

LIBRARY is the file of a socket.io-client for browsers. Needs what chromium.py needs.
"""

import http.server
import json
import os
import shutil
import sys
import tempfile
import threading

from chromium import Browser

with open(os.path.join(os.path.dirname(__file__), "zzw_words.json"), encoding="utf-8") as words:
    TEXT = json.load(words)["text"]

# A whole client of Socket.IO in a few lines, as it may stand in any page.
PLAIN = """
    const [address, text] = arguments;
    const alias = "browser-plain", said = { way: alias };
    const socket = new WebSocket(`ws://${address}/socket.io/?EIO=4&transport=websocket`);
    const emit = (event, value) => socket.send("42" + JSON.stringify([event, value]));
    socket.onmessage = ({ data }) => {
        if (data === "2") return socket.send("3");
        if (data.startsWith("0{")) return socket.send("40" + JSON.stringify({ alias }));
        if (data.startsWith("40{")) return;
        if (data === "41") {
            socket.close();
            said.left = true;
            window.said = said;
            return;
        }
        const [event, value] = JSON.parse(data.slice(2));
        said[event] = value;
        if (event === "connect_c") emit("do_push", { alias: [alias], msg: text, num: "1" });
        if (event === "push") emit("push_c", { t: -5, alias, mid: value.mid });
        if (said.push && said.do_push_c) emit("disconnect", { alias });
    };
"""

LIBRARY = """
    const [address, text, way] = arguments;
    const alias = `browser-${way}`, said = { way: alias };
    const options = { transports: ["polling"], forceNew: true, withCredentials: true, query: { alias } };
    const socket = io(`http://${address}`, options);
    socket.on("connect_c", value => {
        said.connect_c = value;
        socket.emit("do_push", { alias: [alias], msg: text, num: "1" });
    });
    // It stays: a poll that crosses a goodbye is answered with 400, and the console says so.
    const done = () => { if (said.push && said.do_push_c && said.acknowledged) window.said = said; };
    socket.on("do_push_c", value => { said.do_push_c = value; done(); });
    socket.on("push", value => {
        said.push = value;
        socket.emit("push_c", { t: -5, alias, mid: value.mid }, () => {
            said.acknowledged = true;
            done();
        });
    });
"""


class Page(http.server.BaseHTTPRequestHandler):
    """A page of somebody's. One that is not from this machine may not talk to it."""

    def do_GET(self):
        is_page = self.path == "/"
        self.send_response(200 if is_page else 204)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        if is_page:
            self.wfile.write(b"<title>somebody's</title>")

    def log_message(self, *_):
        pass


def main():
    address, *libraries = sys.argv[1:]
    pages = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    chromium = os.environ.get("INTEROP_CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        page = Browser(shutil.which("chromedriver"), chromium, profile)
        try:
            page.call("POST", "/url", {"url": f"http://127.0.0.1:{pages.server_port}/"})
            page.script(PLAIN, address, TEXT)
            said = [page.wait("the end of the plain link", "return window.said")]
            for number, library in enumerate(libraries):
                with open(library, encoding="utf-8") as file:
                    page.script(file.read())
                page.script("window.said = null")
                page.script(LIBRARY, address, TEXT, number)
                said.append(page.wait(f"the end of {library}", "return window.said"))
            log = page.call("POST", "/se/log", {"type": "browser"})
            wrong = [entry["message"] for entry in log if entry["level"] in ("SEVERE", "WARNING")]
            assert not wrong, f"the console has {wrong}"
        finally:
            page.close()
    for one in said:
        print(json.dumps(one, ensure_ascii=False))


if __name__ == "__main__":
    main()
