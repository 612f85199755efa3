"""A subscriber in the shape of the vendor's sample; prints the CPU time, in ns, of the EVENTS that follow the FIRST.

usage: ws_receive.py WS_URL FIRST EVENTS DEVICE
"""
import json
import sys
import time

import websocket

url, first, events, device = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
socket = websocket.WebSocket()
socket.connect(url, timeout=30)
socket.send(json.dumps({"need_face": True, "need_register": True, "event_list": [device]}))


def receive():
    _, data = socket.recv_data(4096)
    event = json.loads(str(data, encoding="utf8"))
    return event["video_id"], event["event_id"]


for _ in range(first):
    receive()
start = time.process_time_ns()
for _ in range(events):
    receive()
print(time.process_time_ns() - start)
