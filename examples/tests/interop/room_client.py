"""Goes into a room with websocket-client: URL STEP...

A step is `say:TEXT`, `show:LENGTH:BYTE` (a picture of so many equal bytes), `hear` (prints what comes)
or `closed` (prints the status of the goodbye).
"""

import hashlib
import sys

import websocket

link = websocket.create_connection(sys.argv[1], timeout=60)
print("in", flush=True)
for step in sys.argv[2:]:
    verb, _, rest = step.partition(":")
    if verb == "say":
        link.send(rest)
    elif verb == "show":
        length, byte = rest.split(":")
        link.send_binary(bytes([int(byte)]) * int(length))
    else:
        opcode, data = link.recv_data()
        if opcode == websocket.ABNF.OPCODE_TEXT:
            print("text", data.decode(), flush=True)
        elif opcode == websocket.ABNF.OPCODE_BINARY:
            print("binary", len(data), hashlib.sha256(data).hexdigest(), flush=True)
        else:
            print("closed", int.from_bytes(data[:2], "big"), flush=True)
link.close()
