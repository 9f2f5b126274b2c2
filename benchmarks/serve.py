"""Serve a GGUF file with llama.cpp's own server on a loopback port: a real OpenAI-compatible server for trials.

python benchmarks/serve.py FILE.gguf [--port 8080] [--slots 4] [--context 3072] [--threads 2]
"""

import argparse
import signal

import xllamacpp


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--context", type=int, default=3072, help="tokens of one request")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    parameters = xllamacpp.CommonParams()
    parameters.model.path = arguments.weights
    parameters.n_parallel = arguments.slots
    parameters.n_ctx = arguments.slots * arguments.context
    parameters.cpuparams.n_threads = arguments.threads
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = arguments.port
    parameters.verbosity = 0
    server = xllamacpp.Server(parameters)
    print(f"serving {arguments.weights} at {server.listening_address}/v1", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
