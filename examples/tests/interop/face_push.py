"""Pushes records as a terminal does, with what Python brings along: urllib.

face_push.py URL FIRST LAST
"""
import base64
import json
import sys
import urllib.request

url, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
jpeg = b"\xff\xd8\xff" + bytes(range(256)) * 40 + b"\xff\xd9"
for number in range(first, last + 1):
    record = {
        "type": 0,
        "data": {
            "recognitionType": 1,
            "deviceSN": "PYTHON",
            "recognizeScore": 0.9,
            "rgb_image": base64.b64encode(jpeg).decode(),
            "pass": True,
            "user": {"name": "样例小明", "user_id": 9007199254740992 + number, "type": 1},
            "timestamp": 1660625866 + number,
        },
    }
    # Names as \u escapes in every other one, and urllib's own content type, which is a form's.
    body = json.dumps(record, ensure_ascii=number % 2 == 0).encode()
    with urllib.request.urlopen(urllib.request.Request(url, body)) as reply:
        answer = json.load(reply)
        assert (reply.status, answer["code"]) == (200, 200), answer
print("acknowledged", last - first + 1)
