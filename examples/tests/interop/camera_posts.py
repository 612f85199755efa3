"""Posts a picture in every way that Python's own library has: URL LENGTH. Prints each status."""

import http.client
import sys
import urllib.parse
import urllib.request

url, length = sys.argv[1], int(sys.argv[2])
place = urllib.parse.urlsplit(url)


def picture(number):
    return bytes([number]) * length


def pieces(data):
    for at in range(0, len(data), 7000):
        yield data[at : at + 7000]


request = urllib.request.Request(url, data=picture(1), headers={"Content-Type": "image/jpeg"})
print(urllib.request.urlopen(request, timeout=60).status)
kept = http.client.HTTPConnection(place.netloc, timeout=60)
for number in (2, 3):
    kept.request("POST", place.path, body=picture(number))
    answer = kept.getresponse()
    answer.read()
    print(answer.status)
kept.request("POST", place.path, body=pieces(picture(4)), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
print(kept.getresponse().status)
