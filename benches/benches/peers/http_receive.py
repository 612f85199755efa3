"""Receivers in Python; each prints its port.

usage: http_receive.py plain|sqlite|fastapi DIRECTORY

`plain` is http.server and json, `sqlite` keeps every record in a transaction of its own as well,
`fastapi` is FastAPI with a pydantic model on uvicorn.
"""
import json
import socket
import sqlite3
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

kind, directory = sys.argv[1], sys.argv[2]
ANSWER = json.dumps({"code": 200, "msg": "success", "data": {}}).encode()


def plain(keep):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            keep(json.loads(body)["data"], body)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(ANSWER)))
            self.end_headers()
            self.wfile.write(ANSWER)

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 64

    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


def sqlite():
    database = sqlite3.connect(f"{directory}/python.db", isolation_level=None, check_same_thread=False)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE records(id INTEGER PRIMARY KEY, sn TEXT, user TEXT, raw BLOB)")
    lock = threading.Lock()

    def keep(data, body):
        row = (data["deviceSN"], data["user"]["name"], body)
        with lock:
            database.execute("INSERT INTO records(sn, user, raw) VALUES(?, ?, ?)", row)

    plain(keep)


def fastapi():
    import uvicorn
    from fastapi import FastAPI
    from pydantic import BaseModel

    class User(BaseModel):
        name: str
        user_id: int
        type: int

    class Data(BaseModel):
        recognitionType: int
        deviceSN: str
        recognizeScore: float
        mask: int
        rgb_image: str
        # `pass` is a word of the language, and not looked at here.
        mode: int
        user: User
        timestamp: int
        bodyTemperature: float

    class Push(BaseModel):
        type: int
        data: Data

    app = FastAPI()

    @app.post("/Record")
    async def record(push: Push):
        return {"code": 200 if push.data.user.name else 500, "msg": "success", "data": {}}

    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(app, log_level="critical", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


if kind == "fastapi":
    fastapi()
elif kind == "sqlite":
    sqlite()
else:
    plain(lambda data, body: None)
