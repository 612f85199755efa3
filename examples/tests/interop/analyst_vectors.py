"""Computes signatures and passwords anew: SIGNATURES PASSWORDS. Prints how many lines it agrees with."""

import base64
import hashlib
import hmac
import sys
import urllib.parse

KEY = b"test-secret"


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [line.split() for line in file if not line.startswith("#")]


def value(word):
    kind, text = word.split(":", 1)
    return None if kind == "n" else urllib.parse.unquote(text)


def shown(text):
    return "None" if text is None else text


def sign(preset, params):
    params = sorted((name, text) for name, text in params if name != "sign")
    if preset.startswith(("WeChatPay", "Top")):
        params = [(name, text) for name, text in params if text]
    pairs = "&".join(f"{name}={shown(text)}" for name, text in params).encode()
    joined = "".join(name + shown(text) for name, text in params).encode()
    values = "".join(shown(text) for _, text in params).encode()
    if preset in ("MakeMd5", "WeChatPayMd5"):
        return hashlib.md5(pairs + b"&key=" + KEY).hexdigest().upper()
    if preset == "WeChatPayHmacSha256":
        return hmac.new(KEY, pairs + b"&key=" + KEY, hashlib.sha256).hexdigest().upper()
    if preset == "TopMd5":
        return hashlib.md5(KEY + joined + KEY).hexdigest().upper()
    if preset == "TopHmacMd5":
        return hmac.new(KEY, joined, hashlib.md5).hexdigest().upper()
    if preset == "ValuesMd5":
        return hashlib.md5(values + KEY).hexdigest()
    return base64.b64encode(hmac.new(KEY, pairs, hashlib.sha1).digest()).decode()


count = 0
for preset, expected, *words in lines(sys.argv[1]):
    params = [(name, value(text)) for name, text in (word.split("=", 1) for word in words)]
    assert sign(preset, params) == expected, (preset, words)
    count += 1
for what, key, client, expected in lines(sys.argv[2]):
    signed = client if what == "whole" else client.split("@@@")[0]
    digest = hmac.new(key.encode(), signed.encode(), hashlib.sha1).digest()
    assert base64.b64encode(digest).decode() == expected, (what, client)
    count += 1
print(count)
