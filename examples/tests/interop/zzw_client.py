"""Every documented operation with python-socketio, over each of its transports at the same time;
prints one JSON object per transport.

usage: zzw_client.py VERSION URL NAME WITNESS...
"""

import json
import os
import queue
import sys
import threading
import time
import urllib.parse

import socketio

VERSION, URL, NAME, *WITNESSES = sys.argv[1:]
PATIENCE = 30
NUMBERED = 1000
# The server keeps 100 messages of an alias.
AHEAD = 60
EVENTS = [
    "connect_c", "heartbeat_c", "register_c", "get_topic_c", "pull_c", "push", "do_push_c",
    "info_status_c", "no_such_event_c",
]

with open(os.path.join(os.path.dirname(__file__), "zzw_words.json"), encoding="utf-8") as words:
    WORDS = json.load(words)
TEXT, OFFLINE = WORDS["text"], WORDS["offline"]


class Utf8:
    """JSON as other languages write it; Python escapes everything outside ASCII."""

    loads = staticmethod(json.loads)

    @staticmethod
    def dumps(value, **options):
        return json.dumps(value, **options, ensure_ascii=False)


class Peer:
    """A link and what it has received."""

    def __init__(self, alias, way, how="query"):
        self.alias = alias
        self.lock = threading.Condition()
        self.received = []
        self.client = socketio.Client(reconnection=False, json=Utf8)
        # A thread for each event, as the library has it, would mix them up.
        trigger = self.client.eio._trigger_event

        def in_order(event, *args, **options):
            if event == "message":
                options["run_async"] = False
            return trigger(event, *args, **options)

        self.client.eio._trigger_event = in_order
        for event in EVENTS:
            self.client.on(event, lambda value, event=event: self.take(event, value))
        self.client.on("disconnect", lambda *reason: self.take("local disconnect", None))
        url, options = URL, {}
        if how == "query":
            url += "?alias=" + urllib.parse.quote(alias)
        if how == "auth":
            options["auth"] = {"alias": alias}
        self.client.connect(url, transports=[way], **options)

    def take(self, event, value):
        with self.lock:
            self.received.append((event, value))
            self.lock.notify_all()

    def next(self, event):
        """The next event of this name that nobody has waited for yet."""
        deadline = time.monotonic() + PATIENCE
        with self.lock:
            while True:
                for at, (name, value) in enumerate(self.received):
                    if name == event:
                        del self.received[at]
                        return value
                left = deadline - time.monotonic()
                assert left > 0, f"no {event} at {self.alias}; instead {self.received}"
                self.lock.wait(left)

    def ask(self, event, request):
        """The reply to a request, which has to come as the acknowledgement too."""
        acked = queue.Queue()
        self.client.emit(event, request, callback=acked.put)
        reply, ack = self.next(f"{event}_c"), acked.get(timeout=PATIENCE)
        assert reply == ack, f"ack of {event}: {ack}"
        return reply

    def push(self, aliases, msg, **more):
        return {"t": 6, "method": "publish_to_alias", "alias": aliases, "msg": msg,
                "opts": {"time_to_live": 600}, "num": "", **more}

    def acknowledge(self, delivery, callback=None):
        ack = {"t": -5, "alias": self.alias, "mid": delivery["mid"]}
        self.client.emit("push_c", ack, callback=callback)

    def deliveries(self, count):
        """So many deliveries, acknowledged."""
        everything = []
        for _ in range(count):
            delivery = self.next("push")
            self.acknowledge(delivery)
            everything.append(delivery["msg"])
        return everything


def status(helper, alias, wanted):
    while True:
        reply = helper.ask("info_status", {"alias": alias})
        if reply["status"] == wanted:
            return wanted
        time.sleep(0.02)


def numbered(peer):
    """Numbered messages to oneself, as many at once as the server keeps."""
    count = dict(sent=0, received=0, inversions=0, replies=0, replyInversions=0)
    deadline = time.monotonic() + PATIENCE
    while count["received"] < NUMBERED or count["replies"] < NUMBERED:
        behind = min(count["received"], count["replies"])
        while count["sent"] < NUMBERED and count["sent"] - behind < AHEAD:
            number = count["sent"]
            peer.client.emit("do_push", peer.push([peer.alias], number, num=number))
            count["sent"] += 1
        with peer.lock:
            while not peer.received:
                assert time.monotonic() < deadline, f"{peer.alias} got only {count}"
                peer.lock.wait(1)
            received, peer.received = peer.received, []
        for event, value in received:
            if event == "push":
                count["inversions"] += value["msg"] != count["received"]
                count["received"] += 1
                peer.acknowledge(value)
            else:
                assert event == "do_push_c", event
                wrong = value["num"] != count["replies"] or value["t"] != -6
                count["replyInversions"] += wrong
                count["replies"] += 1
    return count


def everything(way, helper):
    alias = f"{NAME}-{way}"
    topic = f"{OFFLINE[0]}-{alias}"
    said = {"client": NAME, "way": way}

    peer = Peer(alias, way, "auth" if VERSION == "5" else "query")
    said["connect"] = peer.next("connect_c")
    # JavaScript clients keep this event to themselves.
    said["connectEvent"] = peer.ask("connect", {"alias": alias})
    said["heartbeat"] = peer.ask("heartbeat", {"t": 1, "alias": alias})
    said["heartbeatAsText"] = peer.ask("heartbeat", Utf8.dumps({"t": 1, "alias": alias}))
    info = {"communityId": 1, "name": TEXT}
    said["register"] = peer.ask("register", {"t": 2, "topic": [topic], "info": info, "num": "1"})
    said["incomplete"] = peer.ask("register", {"t": 2, "topic": [], "num": "2"})
    said["topics"] = peer.ask("get_topic", {"t": 3, "num": 3})
    said["unknown"] = peer.ask("no_such_event", {"num": "4"})
    said["pullNothing"] = peer.ask("pull", {"t": 4, "alias": alias, "num": "5"})
    said["status"] = peer.ask("info_status", {"alias": alias})

    publish = {"t": 6, "method": "publish", "topic": [topic], "msg": TEXT, "opts": {}, "num": "6"}
    said["publish"] = peer.ask("do_push", publish)
    delivery = peer.next("push")
    said["delivered"] = {key: delivery[key] for key in ("alias", "topic", "msg")}
    acked = queue.Queue()
    peer.acknowledge(delivery, lambda *args: acked.put(list(args)))
    said["acknowledged"] = acked.get(timeout=PATIENCE)

    said["toWitnesses"] = peer.ask("do_push", peer.push(WITNESSES, f"{alias}|{TEXT}"))
    said["echoes"] = sorted(peer.deliveries(len(WITNESSES)))

    said["order"] = numbered(peer)

    peer.client.emit("disconnect", {"alias": alias})
    peer.next("local disconnect")
    said["offline"] = status(helper, alias, "offline")
    for msg in OFFLINE:
        helper.ask("do_push", helper.push([alias], msg))
    peer = Peer(alias, way)
    said["again"] = peer.next("connect_c")
    missed = [peer.next("push") for _ in OFFLINE]
    said["missed"] = [one["msg"] for one in missed]
    peer.acknowledge(missed[0])
    said["pull"] = peer.ask("pull", {"t": 4, "num": "7"})["msg"]
    said["pullAgain"] = peer.ask("pull", {"t": 4, "num": "7"})["msg"]
    said["pullEmpty"] = peer.ask("pull", {"t": 4, "num": "8"})["msg"]

    other = Peer(alias, "websocket", "none")
    said["boundByHeartbeat"] = other.ask("heartbeat", {"t": 1, "alias": alias})
    said["greeted"] = other.next("connect_c")
    said["replaced"] = peer.next("connect_c")
    peer.next("local disconnect")
    other.client.disconnect()
    status(helper, alias, "offline")
    return said


def main():
    helper = Peer(f"{NAME}-helper", "websocket")
    helper.next("connect_c")
    failed = []

    def run(way):
        try:
            print(json.dumps(everything(way, helper), ensure_ascii=False), flush=True)
        except BaseException:
            failed.append(way)
            raise

    threads = [threading.Thread(target=run, args=[way]) for way in ("websocket", "polling")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    helper.client.disconnect()
    os._exit(1 if failed else 0)


main()
