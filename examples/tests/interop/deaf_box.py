"""A box that never answers a ping, on nothing but the standard library.

usage: deaf_box.py

It prints each ping it ignores. Once a subscriber that got no pong has asked over HTTP instead, it
sends one event, half a second later. The ping and the question go out together; the question waits
here for the ping, so that it does not matter which of them comes first.
"""
import base64
import hashlib
import http.server
import json
import socket
import struct
import threading
import time

DEVICE = "9483034a-da64-4db0-b223-64e87d5567db"
connected, pinged, asked = threading.Event(), threading.Event(), threading.Event()


class Questions(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if is_check := connected.is_set():
            pinged.wait()
        body = json.dumps({"data": {"devices_list": [{"device_id": DEVICE}]}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if is_check:
            asked.set()

    def log_message(self, *_):
        pass


def read(stream, length):
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data


def read_frame(stream):
    head, length = read(stream, 2)
    length &= 0x7F
    if length == 126:
        (length,) = struct.unpack(">H", read(stream, 2))
    mask = read(stream, 4)
    data = bytes(byte ^ mask[at % 4] for at, byte in enumerate(read(stream, length)))
    return head & 0x0F, data


def send_when_asked(connection):
    asked.wait()
    time.sleep(0.5)
    event = {
        "device_id": DEVICE,
        "identity_id": "1",
        "identity_name": "测试员甲",
        "timestamp": int(time.time() * 1000),
        "ext_data": {"person_type": 1, "device_type": "3"},
    }
    data = json.dumps(event).encode()
    connection.sendall(b"\x81\x7e" + struct.pack(">H", len(data)) + data)


def serve(connection):
    stream = connection.makefile("rb")
    key = b""
    while (line := stream.readline().strip()) != b"":
        name, _, value = line.partition(b":")
        if name.lower() == b"sec-websocket-key":
            key = value.strip()
    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    connected.set()
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
    )
    print("connected", flush=True)
    threading.Thread(target=send_when_asked, args=(connection,), daemon=True).start()
    while True:
        opcode, _ = read_frame(stream)
        if opcode == 9:
            print("ping ignored", flush=True)
            pinged.set()


questions = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Questions)
threading.Thread(target=questions.serve_forever, daemon=True).start()
listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]
print(f"listening ws://127.0.0.1:{port} http://127.0.0.1:{questions.server_port}", flush=True)
while True:
    accepted, _ = listener.accept()
    try:
        serve(accepted)
    except (EOFError, ConnectionError):
        print("gone", flush=True)
