"""Evaluates what torch.export refuses, in Python: for the command line in a process of its own, for a notebook in the
process that calls it.

# The protocol

Client (the optbench program) and worker speak over one stream socket, in turns: a request, then its answer.

    frame  = u32 length of the header | header | tensors        (little-endian)
    header = JSON: {..., "tensors": [{"dtype": "F32", "shape": [2, 3], "name": "p"}, ...]}
    tensors = their bytes, one after another, contiguous, in the order of the header

dtypes are those of safetensors: F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL.

    request                                   answer
    {"op": "hello"}                           {"protocol": 1, "torch": "2.13.0", "python": "3.11.7", "pid": 1}
    {"op": "export", "code": CODE}            {"program": true, "record": RECORD} and the .pt2 as a tensor U8, or
                                              {"program": false, "reason": "...", "about": ABOUT, "record": RECORD}
    {"op": "open", "code": CODE, "lanes": 3}  {"id": 7}
    {"op": "start", "id", "seed", "double"}   {} and parameters, then buffers, by name
    {"op": "call", "id", "mode": "train" | "eval", "step", "seeds": [one a lane], "double", "gradients": bool or "terms",
     "shared": [bool a tensor]}               {"sizes": [...]} and, lane by lane, outputs, buffers, gradients
      with parameters, buffers, inputs
    {"op": "step", "id", "step", "lr": [one a lane]}, with parameters and gradients, [lanes, ...] each
                                              {} and the parameters after the step
    {"op": "close", "id"}                     {}
    any                                       {"error": "a sentence", "traceback": "..."}

During "step" the worker may answer {"evaluate": lane} with the parameters of that lane, where the optimizer calls its
closure again. The client then sends {"op": "evaluated", "loss": 1.5} with the gradients, and waits on.

    CODE   = {"source": "my_code.py:Name(option=1)" | "notebook:Name(option=1)", "folder": what the path is relative to,
              "role": "loss" | "model" | "objective" | "optimizer", "inputs": ["prediction=float[n,10]", ...],
              "data": path or null, "options": {...}, "seeds": starts to export}
    ABOUT  = {"role", "inputs": [names], "kinds": [dtypes], "outputs": [names], "rank", "vmap": bool,
              "parameters": [{"name", "shape", "trained"}], "buffers": [...], "optimizer_options": {name: default}}
    RECORD = {"files": {path: SHA-256 of every module of the person's own, and of torch/version.py}, "torch", "nonce"}

# What holds

- What is called gets parameters, buffers and inputs with every call, and returns its buffers. Only optimizers keep a
  state, under their id. Code that keeps a state of its own gets an instance a lane.
- Before every lane's call the generators of torch, numpy and random are seeded from the lane's seed and the step.
- One thread. The person's prints go to stderr. An end of the stream ends the process, and those that it started.
"""
