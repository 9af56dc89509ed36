#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Chorale authors
"""Measures what a Python user gets of a row of the table of speeds: Transformers and PEFT on one GPU.

The rows, shapes and keys of the JSON are those of deploy/bench/gpu: random weights, one batch of random tokens, fused
AdamW, gradients clipped at 1, the median of the timed steps after three for warming up.

    deploy/bench/peers/step.py                        every row, as its default says
    deploy/bench/peers/step.py 8b-lora --compile      each layer compiled by torch.compile
    deploy/bench/peers/step.py mixture-8 mixture-128 --experts eager
    deploy/bench/peers/step.py tiny --device cpu --steps 5
    deploy/bench/peers/step.py 1b-full --compile --control

The last one measures again a row that deploy/bench/results has, as a control for drift: deploy/bench/table puts the ratio
of the two below its table, and the older one stays in it.
"""
import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

import torch
import transformers

WARM_UP_STEPS = 3
GIB = 2**30
BF16, FP32 = torch.bfloat16, torch.float32
GROUPED = "grouped_mm"  # the fastest of Transformers' ways to compute experts on a GPU


@dataclass(frozen=True)
class Experts:
    family: str
    count: int
    chosen: int
    inner_width: int


@dataclass(frozen=True)
class Shape:
    vocabulary: int
    width: int
    inner_width: int
    layers: int
    heads: int
    key_value_heads: int
    rope_theta: float
    experts: Experts | None = None
    head_width: int | None = None  # that of width / heads where it is not given

    @property
    def attention_width(self):
        return self.heads * self.head_width if self.head_width else self.width


@dataclass(frozen=True)
class Row:
    shape: Shape
    lora_rank: int  # 0: the whole model is trained
    sequences: int
    tokens: int
    dtype: torch.dtype
    recompute: bool
    learning_rate: float


TINY_LLAMA = Shape(32_000, 2048, 5632, 22, 32, 4, 10_000.0)
LLAMA_8B = Shape(128_256, 4096, 14_336, 32, 32, 8, 500_000.0)
MIXTRAL = Shape(32_000, 2048, 5632, 8, 32, 8, 1_000_000.0, Experts("mixtral", 8, 2, 5632))
QWEN3_MOE = Shape(32_000, 2048, 6144, 8, 32, 4, 1_000_000.0, Experts("qwen3_moe", 128, 8, 768), 128)
TINY = Shape(512, 128, 384, 4, 4, 2, 10_000.0)

ROWS = {
    "1b-full": Row(TINY_LLAMA, 0, 8, 2048, BF16, False, 1e-4),
    "8b-lora-recompute": Row(LLAMA_8B, 16, 4, 2048, BF16, True, 1e-4),
    "8b-lora": Row(LLAMA_8B, 16, 2, 2048, BF16, False, 1e-4),  # B 4 does not fit into 80 GiB
    "8b-full": Row(LLAMA_8B, 0, 4, 4096, BF16, True, 1e-5),
    "mixture-8": Row(MIXTRAL, 0, 4, 2048, BF16, False, 1e-4),
    "mixture-128": Row(QWEN3_MOE, 0, 4, 2048, BF16, False, 1e-4),
    "tiny": Row(TINY, 0, 32, 64, FP32, False, 1e-3),
}


def configuration(shape, tokens):
    common = dict(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        intermediate_size=shape.inner_width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_value_heads,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope_theta},
        max_position_embeddings=tokens,
        rms_norm_eps=1e-5,
        tie_word_embeddings=False,
        use_cache=False,
    )
    experts = shape.experts
    if experts is None:
        return transformers.LlamaConfig(**common)
    if experts.family == "mixtral":
        return transformers.MixtralConfig(
            **common, num_local_experts=experts.count, num_experts_per_tok=experts.chosen
        )
    return transformers.Qwen3MoeConfig(
        **common,
        head_dim=shape.head_width,
        moe_intermediate_size=experts.inner_width,
        num_experts=experts.count,
        num_experts_per_tok=experts.chosen,
        norm_topk_prob=True,
    )


def build(row, tokens, device, recompute, options):
    with torch.device(device):  # weights are drawn there
        model = transformers.AutoModelForCausalLM.from_config(
            configuration(row.shape, tokens), dtype=row.dtype, attn_implementation=options.attention
        )
    if row.shape.experts:
        model.set_experts_implementation(options.experts)
    layers = model.model.layers
    if row.lora_rank:
        model = with_lora(model, row.lora_rank)
    if recompute:
        if row.lora_rank:
            model.enable_input_require_grads()  # else nothing before the first adapter would be recomputed
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if options.compile:
        for layer in layers:
            layer.compile()
    return model.train()


def with_lora(model, rank):
    import peft

    config = peft.LoraConfig(
        r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    # PEFT would make adapters of a bf16 model fp32; the same dtype everywhere is the faster choice.
    return peft.get_peft_model(model, config, autocast_adapter_dtype=False)


def flops_per_token(model, row, tokens):
    """6 per trained weight of a product, 4 per frozen one, and causal attention: the formula of ModelFlops.java."""
    experts = row.shape.experts
    products = 0
    for name, parameter in model.named_parameters():
        if parameter.dim() < 2 or "embed_tokens" in name:
            continue
        # Those of all experts lie in one tensor of three dimensions, of which a token meets its share.
        share = experts.chosen / experts.count if parameter.dim() == 3 else 1
        products += (6 if parameter.requires_grad else 4) * parameter.numel() * share
    return products + 6 * row.shape.layers * row.shape.attention_width * tokens


def matmul_flops(device):
    side = 8192 if device.type == "cuda" else 256
    a = torch.randn(side, side, device=device, dtype=BF16)
    b = torch.randn(side, side, device=device, dtype=BF16)
    product = torch.empty_like(a)

    def block():
        return timed(device, lambda: [torch.mm(a, b, out=product) for _ in range(20)])

    block()
    return 20 * 2 * side**3 / statistics.median(block() for _ in range(5))


def timed(device, work):
    wait(device)
    started = time.perf_counter()
    work()
    wait(device)
    return time.perf_counter() - started


def wait(device):
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure(name, options):
    row = ROWS[name]
    sequences = options.sequences or row.sequences
    tokens = options.tokens or row.tokens
    recompute = row.recompute if options.recompute is None else options.recompute == "full"
    device = torch.device(options.device)
    torch.manual_seed(42)
    peak = matmul_flops(device)
    model = build(row, tokens, device, recompute, options)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=row.learning_rate, weight_decay=0.01, fused=True)
    batch = torch.randint(row.shape.vocabulary, (sequences, tokens), device=device)
    losses = []

    def step():
        loss = model(input_ids=batch, labels=batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.detach())

    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    for _ in range(WARM_UP_STEPS):
        step()
    seconds = [timed(device, step) for _ in range(options.steps)]
    block = timed(device, lambda: [step() for _ in range(options.steps)])
    step()
    speed = sequences * tokens / statistics.median(seconds)
    flops = flops_per_token(model, row, tokens)
    cuda = device.type == "cuda"
    return {
        "row": name,
        "system": system(row, options),
        "device": str(device),
        "precision": str(row.dtype).removeprefix("torch."),
        "recompute": "full" if recompute else "none",
        "sequences": sequences,
        "tokens": tokens,
        "steps": options.steps,
        "tokens_per_second": speed,
        "block_tokens_per_second": sequences * tokens * options.steps / block,
        "step_ms_min": min(seconds) * 1e3,
        "step_ms_median": statistics.median(seconds) * 1e3,
        "step_ms_max": max(seconds) * 1e3,
        "peak_allocated_gib": torch.cuda.max_memory_allocated(device) / GIB if cuda else None,
        "peak_reserved_gib": torch.cuda.max_memory_reserved(device) / GIB if cuda else None,
        "flops_per_token": flops,
        "matmul_tflops": peak / 1e12,
        "share_of_matmul": speed * flops / peak,
        "first_loss": losses[0].item(),
        "last_loss": losses[-1].item(),
        "versions": versions(cuda),
        "control": options.control,
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "machine": torch.cuda.get_device_name(device) if cuda else f"CPU with {os.cpu_count()} cores",
        "command": " ".join(["deploy/bench/peers/step.py", *sys.argv[1:]]),
    }


def system(row, options):
    words = ["peft" if row.lora_rank else "transformers", "compiled" if options.compile else "eager"]
    if row.shape.experts and options.experts != GROUPED:
        words.append("experts " + options.experts)
    return ", ".join(words)


def versions(cuda):
    found = {"torch": torch.__version__, "transformers": transformers.__version__}
    try:
        import peft

        found["peft"] = peft.__version__
    except ImportError:
        pass  # only rows with an adapter need it
    if cuda:
        found["gpu"] = torch.cuda.get_device_name()
        found["cuda"] = torch.version.cuda
    return found


def table(result):
    print("| row | system | B | T | tokens/s | ms a step: min, median, max | allocated, reserved GiB | of matmul peak |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    memory = "not counted"
    if result["peak_allocated_gib"] is not None:
        memory = f"{result['peak_allocated_gib']:.1f}, {result['peak_reserved_gib']:.1f}"
    print(
        f"| {result['row']} | {result['system']} | {result['sequences']} | {result['tokens']}"
        f" | {result['tokens_per_second']:,.0f}"
        f" | {result['step_ms_min']:.1f}, {result['step_ms_median']:.1f}, {result['step_ms_max']:.1f}"
        f" | {memory} | {100 * result['share_of_matmul']:.1f} % |"
    )


def main():
    parser = argparse.ArgumentParser(description="Measures Transformers and PEFT on one GPU.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--compile", action="store_true", help="compile each layer")
    parser.add_argument("--control", action="store_true", help="mark the result as a control for drift")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--attention", default="sdpa", choices=["sdpa", "eager", "flash_attention_2"])
    parser.add_argument("--experts", default=GROUPED, choices=[GROUPED, "eager", "batched_mm"])
    parser.add_argument("--recompute", choices=["none", "full"])
    parser.add_argument("--sequences", type=int)
    parser.add_argument("--tokens", type=int)
    parser.add_argument("--steps", type=int, default=5)
    options = parser.parse_args()
    unknown = [row for row in options.rows if row not in ROWS]
    if unknown:
        parser.error(f"there is no row {', '.join(unknown)}: give some of {', '.join(ROWS)}")
    if options.steps < 5:
        parser.error("a median needs 5 steps at least")
    if len(options.rows) == 1:
        result = measure(options.rows[0], options)
        table(result)
        print(json.dumps(result), flush=True)
        return 0
    # Each in a process of its own, so that none finds the memory that another has left.
    settings = [argument for argument in sys.argv[1:] if argument not in ROWS]
    failed = 0
    for row in options.rows or ROWS:
        failed += subprocess.run([sys.executable, __file__, row, *settings], check=False).returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
