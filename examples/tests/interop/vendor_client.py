"""A subscriber in the shape of the vendor's sample: no error handling, websocket-client.

usage: vendor_client.py WS_URL DIALECT COUNT DEVICE...
"""
import json
import sys

import websocket

url, dialect, count, devices = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]
names = {
    "1": ("need_face", "need_register", "event_list"),
    "2": ("with_face_image", "with_register_image", "media_device_ids"),
}[dialect]

socket = websocket.WebSocket()
socket.connect(url)
socket.send(json.dumps(dict(zip(names, (True, True, devices)))))
for _ in range(count):
    # What looks like a buffer size asks for control frames, too: a ping comes as data.
    opcode, data = socket.recv_data(4096)
    event = json.loads(str(data, encoding="utf8"))
    source = event["video_id"] if dialect == "1" else event["media_device_id"]
    print(source, event["event_id"], len(data), flush=True)
