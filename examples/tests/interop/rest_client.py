"""Asks REST as a program in another language would: BASE TOKEN. Prints each answer as a line.

Every push comes in another way: plain and escaped text, in pieces, with Expect, over HTTP/1.0, again on
the same connection.
"""

import http.client
import json
import sys
import urllib.error
import urllib.parse
import urllib.request

base, token = sys.argv[1:]
place = urllib.parse.urlsplit(base)


def body(number, **options):
    message = {"t": 6, "method": "publish_to_alias", "alias": ["门口机"], "msg": f"你好 {number} 😀", "num": number}
    return json.dumps(message, **options).encode()


def pieces(data):
    for at in range(0, len(data), 7):
        yield data[at : at + 7]


def show(answer):
    print(answer.status, answer.read().decode(), flush=True)


push = f"{base}/push/{token}"
show(urllib.request.urlopen(urllib.request.Request(push, data=body(1)), timeout=60))
show(urllib.request.urlopen(urllib.request.Request(push, data=body(2, ensure_ascii=False)), timeout=60))

kept = http.client.HTTPConnection(place.netloc, timeout=60)
kept.request("POST", f"/push/{token}", body=pieces(body(3)), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
show(kept.getresponse())
kept.request("POST", f"/push/{token}", body=body(4), headers={"Expect": "100-continue", "Content-Type": "application/json"})
show(kept.getresponse())

old = http.client.HTTPConnection(place.netloc, timeout=60)
old._http_vsn, old._http_vsn_str = 10, "HTTP/1.0"
old.request("POST", f"/push/{token}", body=body(5))
show(old.getresponse())

status = f"{base}/info/status/{urllib.parse.quote('门口机', safe='')}/{token}"
show(urllib.request.urlopen(status, timeout=60))
try:
    urllib.request.urlopen(f"{base}/info/{token[::-1]}", timeout=60)
except urllib.error.HTTPError as error:
    show(error)
