"""Runs the programs that the demo's page offers to copy: those for curl and for Python.

usage: page_programs.py URL

Needs curl and websocket-client. Exit status 0 if each says what it should.
"""

import json
import subprocess
import sys
import urllib.request


def snapshot(url):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url + "events", timeout=30) as news:
        name, data = news.readline(), news.readline()
    assert name == b"event: snapshot\n", name
    return json.loads(data.removeprefix(b"data: "))


def curl(code):
    said = subprocess.run(["bash", "-c", code], capture_output=True, timeout=30, check=True)
    answer = json.loads(said.stdout)
    is_done = answer.get("code") == 200 or answer.get("t") == -6
    assert is_done or {"data", "devices", "events", "id"} & answer.keys(), answer
    assert "error" not in answer, answer


def python(code):
    program = subprocess.Popen([sys.executable, "-u", "-c", code], stdout=subprocess.PIPE)
    try:
        time, rest = program.stdout.readline().decode().split(" ", 1)
        name, score = rest.rsplit(" ", 1)
    finally:
        program.kill()
        program.wait()
    assert len(time) == 13 and name and 0 <= float(score) <= 1, (time, name, score)


def main():
    run = {"curl": curl, "Python": python}
    count = 0
    for flow in snapshot(sys.argv[1])["flows"]:
        for snippet in flow["snippets"]:
            if snippet["language"] in run:
                run[snippet["language"]](snippet["code"])
                count += 1
                print("ok:", flow["id"], snippet["title"]["en"], snippet["language"])
    assert count >= 10, f"only {count} programs"


if __name__ == "__main__":
    main()
