"""A headless Chromium, driven over WebDriver: opens the page, waits for what it is to show, and takes its picture."""
import base64
import json
import subprocess
import tempfile
import time
import urllib.request

ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--hide-scrollbars"]


class Browser:
    """One tab, 1280 pixels wide."""

    def __init__(self):
        self.driver = subprocess.Popen(["chromedriver", "--port=0", "--allowed-ips=127.0.0.1"], stdout=subprocess.PIPE, text=True)
        port = next(line.rsplit(" ", 1)[1].strip(" .\n") for line in self.driver.stdout if "started successfully on port" in line)
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        arguments = [*ARGUMENTS, f"--user-data-dir={self.profile.name}"]
        self.session = f"http://127.0.0.1:{port}/session"
        made = self._post("", {"capabilities": {"alwaysMatch": {"goog:chromeOptions": {"args": arguments}}}})
        self.session += "/" + made["sessionId"]
        self._devtools("Emulation.setDeviceMetricsOverride", {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False})

    def open(self, url):
        """Opens a page."""
        self._post("/url", {"url": url})

    def wait(self, condition, seconds):
        """Waits until a JavaScript expression is true."""
        deadline = time.monotonic() + seconds
        while not self._post("/execute/sync", {"script": f"return Boolean({condition})", "args": []}):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the page does not show within {seconds} s: {condition}")
            time.sleep(0.1)

    def picture(self, path, selector):
        """Writes a picture of everything above the end of an element."""
        script = f"return document.querySelector({json.dumps(selector)}).getBoundingClientRect().bottom + scrollY"
        height = self._post("/execute/sync", {"script": script, "args": []})
        clip = {"x": 0, "y": 0, "width": 1280, "height": height + 12, "scale": 1}
        data = self._devtools("Page.captureScreenshot", {"format": "webp", "quality": 80, "captureBeyondViewport": True, "clip": clip})
        path.write_bytes(base64.b64decode(data["data"]))

    def quit(self):
        """Ends the browser and its driver."""
        urllib.request.urlopen(urllib.request.Request(self.session, method="DELETE"), timeout=60).close()
        self.driver.terminate()
        self.driver.wait()
        self.profile.cleanup()

    def _devtools(self, command, parameters):
        return self._post("/goog/cdp/execute", {"cmd": command, "params": parameters})

    def _post(self, path, body):
        request = urllib.request.Request(self.session + path, json.dumps(body).encode(), {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)["value"]
