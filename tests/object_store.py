"""An object store on the loopback interface that speaks S3, in a process of its own, with one bucket."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

BUCKET = "s3://synthneg-test"


@contextmanager
def storing() -> Iterator[dict[str, str]]:
    """Serve; yields the environment that leads there, which this process has meanwhile, too."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    leads = {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    before = {name: os.environ.get(name) for name in leads}
    os.environ.update(leads)
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _make_bucket(port)
            yield leads
        finally:
            process.terminate()
            for name, value in before.items():
                os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def _make_bucket(port: int) -> None:
    import s3fs  # noqa: PLC0415 - not of every installation

    end = time.monotonic() + 60
    while time.monotonic() < end:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            break
        time.sleep(0.1)
    s3fs.S3FileSystem.clear_instance_cache()  # it would go on with the server before
    s3fs.S3FileSystem().mkdir(BUCKET)
