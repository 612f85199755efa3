"""An analyser as its document has it: SERVER NAME KEY.

Asks the server where the broker is, gets tasks, and says of each that one of its first goods was
taken. Prints a line for each task.
"""

import hashlib
import json
import sys
import time
import urllib.parse
import urllib.request

import paho.mqtt.client as mqtt

server, name, key = sys.argv[1:4]


def connection_info():
    parameters = {"name": name, "timestamp": int(time.time() * 1000)}
    pairs = "&".join(f"{k}={parameters[k]}" for k in sorted(parameters))
    digest = hashlib.md5(f"{pairs}&key={key}".encode()).hexdigest()
    query = urllib.parse.urlencode({**parameters, "sign": digest.upper()})
    url = f"{server}/recognition/api/get_connection_info/?{query}"
    with urllib.request.urlopen(url, timeout=60) as answer:
        reply = json.load(answer)
    assert reply["status"] == 0, reply
    return reply["data"]["data"]


def on_connect(client, _data, _flags, reason, _properties):
    assert not reason.is_failure, reason
    if not info["user_name"].startswith("Signature|"):
        client.subscribe(f"{info['topic']}/p2p/{info['client_id']}", qos=1)
    print("connected", flush=True)


def on_message(client, _data, message):
    said = json.loads(message.payload)
    print(said["action"], said["data"]["id"], flush=True)
    if said["action"] != "ANALYSIS_START":
        return
    task = said["data"]
    assert task["analyst_id"] is None
    goods = [ids[0] for _, ids in sorted(task["goods_ids"].items()) if ids]
    result = {"id": task["id"], "RESULT": {str(goods[0]): 1}}
    answer = {"action": "ANALYSIS_FINISH", "data": result}
    topic = f"{info['topic']}/p2p/{info['server_client_id']}"
    client.publish(topic, json.dumps(answer), qos=1)


info = connection_info()
version = mqtt.CallbackAPIVersion.VERSION2
client = mqtt.Client(version, client_id=info["client_id"], clean_session=False)
client.username_pw_set(info["user_name"], info["password"])
client.on_connect, client.on_message = on_connect, on_message
client.connect(info["brokerUrl"], info["port"], info["keepalive"])
client.loop_forever()
