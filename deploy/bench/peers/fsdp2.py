#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Chorale authors
"""Measures what a Python user gets of the rows on several GPUs: Transformers with FSDP2, one process a GPU.

Everything is as in step.py, which this takes its shapes and models from: each block is a unit, and so is the rest.

    torchrun --nproc-per-node 2 deploy/bench/peers/fsdp2.py 8b-full-shard
    torchrun --nproc-per-node 2 deploy/bench/peers/fsdp2.py 8b-full-shard --compile
"""
import argparse
import json
import os
import statistics

import step as one
import torch
import torch.distributed as dist
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

ROWS = {
    "8b-full-shard": one.Row(one.LLAMA_8B, 0, 1, 8192, one.FP32, True, 1e-5),
    "8b-full-shard-bf16": one.Row(one.LLAMA_8B, 0, 4, 4096, one.BF16, True, 1e-5),
}


def sharded(row, tokens, device, compiled):
    model = one.build(row, tokens, device, row.recompute, compiled, "sdpa")
    policy = MixedPrecisionPolicy(param_dtype=one.BF16, reduce_dtype=one.FP32)
    for layer in model.model.layers:
        fully_shard(layer, mp_policy=policy)
    return fully_shard(model, mp_policy=policy)


def largest(values, device):
    found = torch.tensor(values, dtype=torch.float64, device=device)
    dist.all_reduce(found, dist.ReduceOp.MAX)
    return found.tolist()


def measure(name, options, device):
    row = ROWS[name]
    sequences, tokens = options.sequences or row.sequences, options.tokens or row.tokens
    torch.manual_seed(42)  # the same weights everywhere
    model = sharded(row, tokens, device, options.compile)
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=row.learning_rate, weight_decay=0.01, fused=True)
    torch.manual_seed(7 + dist.get_rank())
    batch = torch.randint(row.shape.vocabulary, (sequences, tokens), device=device)
    losses = []

    def run():
        loss = model(input_ids=batch, labels=batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.detach())

    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    for _ in range(one.WARM_UP_STEPS):
        run()
    seconds = largest([one.timed(device, run) for _ in range(options.steps)], device)
    memory = [torch.cuda.max_memory_allocated(device), torch.cuda.max_memory_reserved(device)]
    allocated, reserved = largest(memory, device)
    return {
        "row": name,
        "system": "fsdp2" + (", compiled" if options.compile else ", eager"),
        "ranks": dist.get_world_size(),
        "sequences": sequences,
        "tokens": tokens,
        "steps": options.steps,
        "tokens_per_second": sequences * tokens / statistics.median(seconds),
        "step_ms_min": min(seconds) * 1e3,
        "step_ms_median": statistics.median(seconds) * 1e3,
        "step_ms_max": max(seconds) * 1e3,
        "peak_allocated_gib": allocated / one.GIB,
        "peak_reserved_gib": reserved / one.GIB,
        "first_loss": losses[0].item(),
        "last_loss": losses[-1].item(),
        "versions": one.versions(True),
    }


def main():
    parser = argparse.ArgumentParser(description="Measures Transformers with FSDP2 on several GPUs.")
    parser.add_argument("row", choices=ROWS)
    parser.add_argument("--compile", action="store_true", help="compile each layer")
    parser.add_argument("--sequences", type=int)
    parser.add_argument("--tokens", type=int)
    parser.add_argument("--steps", type=int, default=5)
    options = parser.parse_args()
    if options.steps < 5:
        parser.error("a median needs 5 steps at least")
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    torch.cuda.set_device(device)
    dist.init_process_group("nccl", device_id=device)
    result = measure(options.row, options, device)
    if dist.get_rank() == 0:
        print(json.dumps(result), flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
