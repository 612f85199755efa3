"""Pushes records as a program in another language would: URL COUNT.

Every record comes in another way: with and without Content-Type, with escaped and plain text, in
chunks, over HTTP/1.0, again on the same connection. Prints the user id of each that is acknowledged.
"""

import base64
import http.client
import json
import sys
import urllib.parse
import urllib.request

url, count = sys.argv[1], int(sys.argv[2])
place = urllib.parse.urlsplit(url)
kept = http.client.HTTPConnection(place.netloc, timeout=30)


def body(number):
    record = {
        "recognitionType": 1,
        "deviceSN": "PS71SAMPLEPY",
        "recognizeScore": 0.8999999761581421,
        "mask": 0,
        "rgb_image": base64.b64encode(b"\xff\xd8\xff" + bytes([number % 256]) * 3000).decode(),
        "pass": True,
        "mode": 0,
        "user": {"name": "测试员", "user_id": 9007199254740993 + number, "type": 1},
        "timestamp": 1660700000 + number,
        "bodyTemperature": 0,
    }
    text = json.dumps({"type": 0, "data": record}, ensure_ascii=number % 2 == 0)
    return (text.replace("/", "\\/") if number % 3 == 0 else text).encode()


def pieces(data):
    for at in range(0, len(data), 700):
        yield data[at : at + 700]


def post(number):
    data = body(number)
    way = number % 4
    if way == 0:  # urllib says application/x-www-form-urlencoded
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=30) as reply:
            return reply.status, reply.read()
    if way == 1:
        old = http.client.HTTPConnection(place.netloc, timeout=30)
        old._http_vsn, old._http_vsn_str = 10, "HTTP/1.0"
        old.request("POST", place.path, data)
        reply = old.getresponse()
        return reply.status, reply.read()
    if way == 2:
        kept.request("POST", place.path, pieces(data), encode_chunked=True,
                     headers={"Transfer-Encoding": "chunked"})
    else:
        kept.request("POST", place.path, data, {"Content-Type": "application/json"})
    reply = kept.getresponse()
    return reply.status, reply.read()


for number in range(count):
    status, answer = post(number)
    answer = json.loads(answer)
    assert status == 200 and answer["code"] == 200, (status, answer)
    assert answer["msg"] == answer["message"] == "success" and answer["data"] == {}, answer
    print(9007199254740993 + number, flush=True)
