"""An analyser that subscribes to nothing and a dispatcher that sends it tasks: PORT SECRET COUNT.

Prints topic and text of each message that the analyser gets.
"""

import base64
import hashlib
import hmac
import sys
import threading

import paho.mqtt.client as mqtt

port, secret, count = int(sys.argv[1]), sys.argv[2].encode(), int(sys.argv[3])
arrived = threading.Semaphore(0)


def connect(client_id, on_message=None):
    version = mqtt.CallbackAPIVersion.VERSION2
    client = mqtt.Client(version, client_id=client_id, clean_session=False)
    digest = hmac.new(secret, client_id.encode(), hashlib.sha1).digest()
    client.username_pw_set("Signature|test-key-id|test", base64.b64encode(digest).decode())
    is_up = threading.Event()
    client.on_connect = lambda *_: is_up.set()
    client.on_message = on_message
    client.connect("127.0.0.1", port)
    client.loop_start()
    assert is_up.wait(60), "no connection"
    return client


def show(_client, _data, message):
    print(message.topic, message.payload.decode(), flush=True)
    arrived.release()


analyst = connect("GID_Analyst@@@analyst_3", show)
monitor = connect("GID_Analyst@@@monitor")
for number in range(count):
    sent = monitor.publish("Analyst/p2p/GID_Analyst@@@analyst_3", f"任务 {number}", qos=1)
    sent.wait_for_publish(60)
for _ in range(count):
    assert arrived.acquire(timeout=60), "no message"
for client in (analyst, monitor):
    client.disconnect()
    client.loop_stop()
