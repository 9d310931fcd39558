"""``python -m tools.pictures`` makes the pictures of the tutorial anew.

They show the demo's results (``make demo``), its graph (``make viz``) and nothing else, so that no
real sheet gets into the documentation. Chromium takes the screenshots.
"""

import argparse
import functools
import http.server
import json
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "images"
#: Largest picture, bytes: they lie in the repository, in every version.
LIMIT = 200_000
_SCREEN = (1280, 1000)
_WIDTH = 1200
_QUALITY = 80
# A small one, so that its names can be read; without the tour that greets who comes first.
_GRAPH = "?pid=inspection"
_SETTINGS = {"showFeatureHints": False, "theme": "light", "visible": {"sidebar": False}}
_START = f"""<!doctype html><script>
localStorage.setItem("KedroViz", {json.dumps(json.dumps(_SETTINGS))});
location.replace("/{_GRAPH}");
</script>"""


def main() -> None:
    """Take every picture and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=ROOT / "data" / "demo" / "08_reporting")
    parser.add_argument("--graph", type=Path, default=ROOT / "build")
    given = parser.parse_args()
    for needed in (given.results / "report.html", given.graph / "index.html"):
        if not needed.is_file():
            sys.exit(f"{needed} is missing; run make demo and make viz first")
    found = given.results / "overlays", given.results / "inspection_overlays"
    pictures = {
        "report.webp": screenshot((given.results / "report.html").resolve().as_uri()),
        "test_sheet.jpg": _read(_first(found[0], "weak")),
        "inspected.jpg": stacked([_read(_first(found[1], v)) for v in ("reject", "accept")]),
    }
    with served(given.graph) as address:
        pictures["graph.webp"] = screenshot(f"{address}/start")
    for name, picture in pictures.items():
        print(f"{name}: {write(picture, FOLDER / name):,} bytes")


def screenshot(address: str) -> Image:
    """Return the first screen of a page, BGR."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        sys.exit("there is no Chromium on the path")
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        subprocess.run(
            [
                browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                f"--user-data-dir={folder}/profile", f"--window-size={_SCREEN[0]},{_SCREEN[1]}",
                # Scripts that lay out a graph take longer than the page takes to load.
                "--virtual-time-budget=30000", f"--screenshot={shot}", address,
            ],
            check=True, capture_output=True, timeout=300,
        )  # fmt: skip
        return _read(shot)


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files quietly, and a page that sets kedro-viz up before it opens it."""

    def do_GET(self) -> None:
        if self.path != "/start":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(_START.encode())

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder while the block runs; kedro-viz cannot be opened as a file."""
    handler = functools.partial(_Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def stacked(pictures: list[Image]) -> Image:
    """Set pictures of one width below each other, a white line between them."""
    line = np.full((16, pictures[0].shape[1], 3), 255, np.uint8)
    parts = [part for picture in pictures for part in (line, picture)]
    return np.asarray(np.vstack(parts[1:]), np.uint8)


def write(picture: Image, path: Path) -> int:
    """Write a picture, shrunk to a page's width, and return its size, bytes.

    Raises:
        SystemExit: It is larger than :data:`LIMIT`.
    """
    height = round(picture.shape[0] * _WIDTH / picture.shape[1])
    small = cv2.resize(picture, (_WIDTH, height), interpolation=cv2.INTER_AREA)
    kind = {".jpg": cv2.IMWRITE_JPEG_QUALITY, ".webp": cv2.IMWRITE_WEBP_QUALITY}[path.suffix]
    data = cv2.imencode(path.suffix, small, [kind, _QUALITY])[1].tobytes()
    if len(data) > LIMIT:
        sys.exit(f"{path.name} would take {len(data):,} bytes; {LIMIT:,} is the limit")
    path.write_bytes(data)
    return len(data)


def _first(folder: Path, kind: str) -> Path:
    found = sorted(folder.glob(f"{kind}_*.jpg"))
    if not found:
        sys.exit(f"{folder} holds no picture of {kind}")
    return found[0]


def _read(path: Path) -> Image:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR), np.uint8)


if __name__ == "__main__":
    main()
