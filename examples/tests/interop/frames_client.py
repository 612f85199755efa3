"""A subscriber that behaves as a Qt client of these boxes does, on the standard library alone: an
indented subscription, sent again on the same connection with another list; frames taken for
messages; 23 characters cut off each picture, prefix or not.

usage: frames_client.py HOST PORT DIALECT FIRST_DEVICE SECOND_DEVICE
"""
import base64
import json
import os
import socket
import struct
import sys

host, port, dialect, first, second = sys.argv[1:]
names = {
    "1": ("need_face", "need_register", "event_list"),
    "2": ("with_face_image", "with_register_image", "media_device_ids"),
}[dialect]


def send(text):
    data, mask = text.encode(), os.urandom(4)
    head = b"\x81" + (bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack(">H", len(data)))
    connection.sendall(head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(data)))


def subscribe(devices):
    send(json.dumps(dict(zip(names, (True, True, devices))), indent=4))


def read_frame():
    head = stream.read(2)
    length = head[1] & 0x7F
    if length == 126:
        (length,) = struct.unpack(">H", stream.read(2))
    elif length == 127:
        (length,) = struct.unpack(">Q", stream.read(8))
    return json.loads(stream.read(length))


connection = socket.create_connection((host, int(port)))
stream = connection.makefile("rb")
key = base64.b64encode(os.urandom(16)).decode()
connection.sendall(
    f"GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
)
assert b" 101 " in stream.readline()
while stream.readline().strip():
    pass

subscribe([first])
seen = 0
switched = False
while seen < 6:
    event = read_frame()
    device = event["device_id"] if dialect == "1" else event["media_device_id"]
    if not switched:
        assert device == first, device
        subscribe([second])
        switched = True
        continue
    if device == first:  # was under way
        assert seen == 0, "the first list was not replaced"
        continue
    seen += 1
    picture = event["ext_data"]["recognize_face"] if dialect == "1" else event["recognize_face_image"]
    try:
        jpeg = base64.b64decode(picture[23:]).startswith(b"\xff\xd8")
    except ValueError:
        jpeg = False
    print(device, "picture" if jpeg else "garbage", flush=True)
