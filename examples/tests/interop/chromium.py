"""Looks at the demo's page as a person would, in headless Chromium.

usage: chromium.py URL [FOLDER]

Leaves pictures of the page in FOLDER, taking more time so that there is more to see. Needs chromium and chromedriver; INTEROP_CHROMIUM may name the
former. Exit status 0 if everything is as it should be, else 1 with the reason on standard error.
"""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--lang=en-US",
]
PATIENCE = 30
# Whoever runs this ends it after a minute; what it started has to be gone by then.
LONGEST = 55


class Browser:
    """One session of the WebDriver protocol."""

    def __init__(self, driver, chromium, profile):
        self.driver = subprocess.Popen(
            [driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.base = None
        try:
            self.open(chromium, profile)
        except BaseException:
            self.close()
            raise

    def open(self, chromium, profile):
        port = None
        for line in self.driver.stdout:
            found = re.search(r"successfully on port (\d+)", line)
            if found:
                port = found[1]
                break
        if port is None:
            raise AssertionError("chromedriver did not start")
        self.base = f"http://127.0.0.1:{port}/session"
        chrome = {"binary": chromium, "args": [*FLAGS, f"--user-data-dir={profile}"]}
        capabilities = {"goog:chromeOptions": chrome, "goog:loggingPrefs": {"browser": "ALL"}}
        session = self.call("POST", "", {"capabilities": {"alwaysMatch": capabilities}})
        self.base += "/" + session["sessionId"]

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.base + path, data, {"Content-Type": "application/json"}, method=method)
        # Proxies are for other hosts than this one.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=PATIENCE) as answer:
            return json.load(answer)["value"]

    def script(self, text, *arguments):
        return self.call("POST", "/execute/sync", {"script": text, "args": list(arguments)})

    def devtools(self, command, **parameters):
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def window(self, width, height):
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height,
                      deviceScaleFactor=1, mobile=width < 600)

    def press(self, selector, key):
        """Puts the focus on an element and presses a key there."""
        found = self.call("POST", "/element", {"using": "css selector", "value": selector})
        element = next(iter(found.values()))
        self.script("arguments[0].focus()", found)
        self.call("POST", f"/element/{element}/value", {"text": key})

    def wait(self, what, text, *arguments):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            value = self.script(text, *arguments)
            if value:
                return value
            time.sleep(0.1)
        raise AssertionError(f"waited {PATIENCE} s in vain: {what}")

    def picture(self, folder, name):
        if folder:
            with open(os.path.join(folder, name), "wb") as file:
                file.write(base64.b64decode(self.call("GET", "/screenshot")))

    def close(self):
        try:
            if self.base and not self.base.endswith("/session"):
                self.call("DELETE", "")
        finally:
            self.driver.terminate()
            self.driver.wait()


ENTER = "\ue007"
FLOWS = ["face-1-1", "face-1-3", "se5-v1", "se5-v2"]


def look(page, url, folder):
    page.window(1280, 800)
    page.call("POST", "/url", {"url": url})
    for flow in FLOWS:
        page.wait(f"{flow} shows events with pictures that load", """
            const faces = [...document.querySelectorAll(`#flow-${arguments[0]} .card img`)];
            return faces.filter(face => face.complete && face.naturalWidth > 0).length >= 6;
            """, flow)
    print("ok: events appear, with pictures")

    text = page.wait("a Chinese name is shown", """
        const names = [...document.querySelectorAll(".card b")].map(name => name.textContent);
        return names.some(name => /^[\\u4e00-\\u9fff]{2,}/.test(name)) && document.body.textContent;
        """)
    assert "\ufffd" not in text, "a character was damaged on the way"
    assert "测试员" in text or "样例" in text or "示例" in text or "访客" in text, "no name of the cast"
    print("ok: Chinese names are intact")

    if folder:
        # Nothing is to be half-way in the pictures.
        still = [{"name": "prefers-reduced-motion", "value": "reduce"}]
        page.devtools("Emulation.setEmulatedMedia", features=still)
        time.sleep(18)
    page.press("#flow-se5-v1 [data-switch=cut]", ENTER)
    page.wait("cutting the link opens a gap", """
        return document.querySelector("#flow-se5-v1 [data-gap=open]")""")
    print("ok: a cut link shows as a gap")
    recovered = page.wait("the gap is repaired", """
        const gap = document.querySelector("#flow-se5-v1 [data-gap=filled]");
        return gap && gap.textContent""")
    assert re.search(r"[1-9]\d* recovered", recovered), f"nothing was recovered: {recovered}"
    page.wait("the focus is still on the switch", """
        return document.activeElement?.dataset.switch === "cut" """)
    page.wait("a repaired event is shown with its picture, fetched from the box", """
        return [...document.querySelectorAll("#flow-se5-v1 .card.tone-warn img")]
            .some(face => face.complete && face.naturalWidth > 0)""")
    lost = page.script("""return [...document.querySelectorAll("[data-counter=lost]")]
        .map(lost => lost.textContent)""")
    assert set(lost) == {"0"}, f"events were lost: {lost}"
    print("ok: the gap is repaired:", recovered)

    drain(page, folder)
    picture(page, folder, "demo-records.png", "#lane-face")
    if folder:
        page.press("#flow-zzw-tcp [data-switch=away]", ENTER)
        page.wait("messages wait for a phone that is away", """
            return Number(document.querySelector("#flow-zzw-tcp [data-counter=queued]").textContent) >= 4""")
    picture(page, folder, "demo-push.png", "#lane-zzw")
    if folder:
        page.press("#flow-analyst [data-switch=away]", ENTER)
        page.wait("a task is given to another analyser", """
            return Number(document.querySelector("#flow-analyst [data-counter=timed_out]").textContent) >= 2""")
        page.press("#flow-analyst [data-switch=away]", ENTER)
    picture(page, folder, "demo-tasks.png", "#lane-analyst")
    page.press("#language", ENTER)
    page.wait("the page speaks Chinese", """
        return document.documentElement.lang === "zh-CN"
            && document.querySelector("#flow-se5-v1 [data-switch=cut]").textContent === "切断连接" """)
    picture(page, folder, "demo-records.zh-CN.png", "#lane-face")
    picture(page, folder, "demo-push.zh-CN.png", "#lane-zzw")
    picture(page, folder, "demo-tasks.zh-CN.png", "#lane-analyst")
    if folder:
        page.press("#flow-zzw-tcp [data-switch=away]", ENTER)
        page.wait("what waited arrives", """
            return document.querySelector("#flow-zzw-tcp [data-gap=filled]")""")
    page.press("#flow-face-1-3 [data-switch=down]", ENTER)
    page.wait("the other cache drains", """
        return document.querySelector("#flow-face-1-3 [data-gap=filled]")
            && document.querySelector("#verdict").textContent === "无丢失" """)
    if folder:
        time.sleep(4)
    picture(page, folder, "demo.zh-CN.png", "body")
    page.press("#language", ENTER)
    page.wait("the page speaks English", "return document.documentElement.lang === 'en'")
    picture(page, folder, "demo.png", "body")
    print("ok: the language can be changed")

    page.press("#flow-se5-v1 [data-open=wire]", ENTER)
    whole = page.wait("the wire shows an event, and its exact bytes on demand", """
        const line = [...document.querySelectorAll("#flow-se5-v1 [data-wire]")]
            .find(line => line.querySelector("pre").textContent.includes("identity_name"));
        if (!line || line.dataset.asked) return line?.querySelector("pre").textContent.length > 2000
            && line.querySelector("pre").textContent;
        line.dataset.asked = "yes";
        line.querySelector("button").click();
        """)
    assert "identity_name" in json.loads(whole) or "data" in json.loads(whole), "no event"
    page.wait("the wire still shows the subscription", """
        return [...document.querySelectorAll("#flow-se5-v1 [data-wire] pre")]
            .some(text => text.textContent.startsWith('{"need_face":true,'))""")
    print("ok: the wire can be read:", len(whole), "characters")
    page.press("#flow-se5-v1 [data-open=code]", ENTER)
    page.wait("there is code to copy", """
        return document.querySelector("#flow-se5-v1 [data-role=code] pre")?.textContent.includes("curl ")
        """)
    print("ok: there is code to copy")

    for width in (360, 768):
        page.window(width, 800)
        wide = page.wait("the page is laid out", "return document.documentElement.scrollWidth")
        assert wide <= width, f"{wide} px wide on a screen of {width} px"
    print("ok: a phone shows it without scrolling sideways")

    log = page.call("POST", "/se/log", {"type": "browser"})
    errors = [entry["message"] for entry in log if entry["level"] in ("SEVERE", "WARNING")]
    assert not errors, f"the console has {errors}"
    print("ok: the console is quiet")


def picture(page, folder, name, start):
    """Leaves a picture that starts with an element, if pictures are wanted."""
    if not folder:
        return
    page.script("""document.activeElement.blur();
        document.querySelector(arguments[0]).scrollIntoView({ behavior: "instant" })""", start)
    # What is further down is loaded when it is scrolled to.
    page.wait("the pictures in it are drawn", """
        const isSeen = face => {
            const [box, list] = [face, face.closest(".cards")].map(one => one.getBoundingClientRect());
            return box.bottom > 0 && box.top < Math.min(innerHeight, list.bottom);
        };
        const seen = [...document.querySelectorAll(".card img")].filter(isSeen);
        return Promise.all(seen.map(face => face.decode())).then(() => true, () => false)""")
    page.picture(folder, name)


def drain(page, folder):
    """Stops the platforms of both face terminals until records wait, and starts the first again."""
    figure = "#flow-face-1-1 [data-counter=queued]"
    for flow in ["face-1-1", "face-1-3"]:
        page.press(f"#flow-{flow} [data-switch=down]", ENTER)
    queued = page.wait("records wait while the platform is down", """
        const queued = Number(document.querySelector(arguments[0]).textContent);
        return queued >= arguments[1] && queued""", figure, 9 if folder else 3)
    print("ok: with the platform down the cache fills:", queued, "records")
    page.press("#flow-face-1-1 [data-switch=down]", ENTER)
    page.wait("the cache drains", """
        return document.querySelector("#flow-face-1-1 [data-gap=filled]")
            && Number(document.querySelector(arguments[0]).textContent) <= 1""", figure)
    order = page.script("""return [...document.querySelectorAll("#flow-face-1-1 .card .place")]
        .map(place => Number(/^№ (\\d+)/.exec(place.textContent)[1]))""")
    assert order == sorted(set(order), reverse=True), f"out of order: {order}"
    late = page.script("""
        return document.querySelectorAll("#flow-face-1-1 .card.tone-warn").length""")
    assert late >= min(queued, 20), f"{late} of {queued} records from the cache are shown"
    lost = page.script("""return document.querySelector("#flow-face-1-1 [data-counter=lost]").textContent""")
    assert lost == "0", f"records were lost: {lost}"
    print("ok: the cache drains in order")


def too_long(*_):
    raise AssertionError(f"not done after {LONGEST} s")


def main():
    url, folder = sys.argv[1], (sys.argv[2:] or [None])[0]
    chromium = os.environ.get("INTEROP_CHROMIUM") or shutil.which("chromium")
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        sys.exit("chromium and chromedriver are needed: apt-get install chromium chromium-driver")
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(LONGEST)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        page = Browser(driver, chromium, profile)
        try:
            look(page, url, folder)
        except AssertionError as reason:
            page.picture(folder, "failed.png")
            print(page.call("POST", "/se/log", {"type": "browser"}), file=sys.stderr)
            sys.exit(f"failed: {reason}")
        finally:
            page.close()


if __name__ == "__main__":
    main()
