"""Build the two tiny wheels that the experiment `bump_dependency` chooses between; the same bytes every time."""

import base64
import hashlib
import zipfile
from pathlib import Path

NAME = "tinymetrics"
ACCURACY = '''"""Numbers about predictions."""


def accuracy(predicted, wanted):
    """The share that is right."""
    return sum(p == w for p, w in zip(predicted, wanted)) / len(wanted)
'''
BALANCED = '''

def balanced_accuracy(predicted, wanted):
    """The share that is right, averaged over the classes; new in 2.0."""
    pairs = list(zip(predicted, wanted))
    shares = [[p == w for p, w in pairs if w == label] for label in sorted(set(wanted))]
    return sum(sum(share) / len(share) for share in shares) / len(shares)
'''
RELEASES = {"1.0": ACCURACY, "2.0": ACCURACY + BALANCED}


def wheel(version):
    """The files of a wheel, by name."""
    info = f"{NAME}-{version}.dist-info"
    files = {
        f"{NAME}.py": RELEASES[version],
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: build_wheels\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = [f"{name},sha256={_hash(text)},{len(text.encode())}" for name, text in files.items()]
    return {**files, f"{info}/RECORD": "\n".join([*lines, f"{info}/RECORD,,"]) + "\n"}


def _hash(text):
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def build(folder):
    """Write both wheels into this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for version in RELEASES:
        with zipfile.ZipFile(folder / f"{NAME}-{version}-py3-none-any.whl", "w") as archive:
            for name, text in wheel(version).items():
                archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), text)


if __name__ == "__main__":
    build(Path(__file__).parent / "wheels")
