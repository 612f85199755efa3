"""A box as the document shows it, on `websockets` and http.server: numbers as texts, `\\/` escapes,
missing members, a name in `\\u` escapes.

usage: little_box.py COUNT
"""
import asyncio
import base64
import http.server
import json
import sys
import threading
import time

import websockets

DEVICE = "2c1a6a12-ecf4-4490-a2fc-8d7a5023bfcd"
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 4 + b"\xff\xd9"
count = int(sys.argv[1])


class Questions(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path.startswith("/SophonDevice/api/Devices"):
            self.answer(200, {"data": {"devices_list": [{"device_id": DEVICE, "...": "..."}]}})
        else:
            self.answer(404, {"error": {"code": 404, "message": "not found", "status": "NOT_FOUND"}})

    def do_POST(self):
        self.answer(404, {"error": {"code": 404, "message": "not found", "status": "NOT_FOUND"}})

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def event(number):
    now = int(time.time() * 1000)
    everything = {
        "reg_pic": "",
        "ext_data": {
            "person_type": "5",
            "device_ip": "192.168.1.243",
            "device_type": 0,
            "recognize_face": base64.b64encode(JPEG).decode(),
        },
        "identity_id": 9007199254740993 + number,
        "device_id": DEVICE,
        "identity_info": {"addTime": "1594111791", "name": "样例\"引号\"", "type": 5},
        "score": "0.6231614351272583",
        "timestamp": str(now),
        "group_name": "贵宾/一层",
        "identity_name": "样例小明",
    }
    if number % 3 == 1:
        everything["timestamp"] = now / 1000
        everything["identity_info"] = None
        del everything["ext_data"]["person_type"], everything["group_name"]
    if number % 3 == 2:
        del everything["ext_data"], everything["reg_pic"]
        everything["score"] = None
    return json.dumps(everything, ensure_ascii=number % 2 == 0).replace("/", "\\/")


async def serve(socket):
    wanted = json.loads(await socket.recv())
    print("config", json.dumps(wanted), flush=True)
    for number in range(count):
        await socket.send(event(number))
    await socket.wait_closed()


async def main():
    questions = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Questions)
    threading.Thread(target=questions.serve_forever, daemon=True).start()
    async with websockets.serve(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        print(f"listening ws://127.0.0.1:{port} http://127.0.0.1:{questions.server_port}", flush=True)
        await asyncio.get_running_loop().create_future()


asyncio.run(main())
