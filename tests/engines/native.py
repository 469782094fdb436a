"""Run llama.cpp's own server from its Python wheel: ``python native.py MODEL PORT CONTEXT SLOTS``.

Runs in the environment of the engine, which has ``xllamacpp``.
"""

import sys
import threading

import xllamacpp


def serve(model: str, port: int, context: int, slots: int) -> None:
    """Serve until the process is ended; each slot answers one request, in a context of its own."""
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.port = port
    params.n_ctx = context * slots
    params.n_parallel = slots
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.use_jinja = True
    # The cache in single precision, as in process: else near ties fall another way.
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    serve(sys.argv[1], *map(int, sys.argv[2:5]))
