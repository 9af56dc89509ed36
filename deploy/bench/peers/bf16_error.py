#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Chorale authors
"""Measures how far Transformers and PEFT in bf16 are from golden files in fp32, and holds Chorale's error against that.

Everything is in bf16, weights, gradients and AdamW's moments; the loss is taken of fp32 copies of the logits, as
Transformers does it. An error is the L2 norm of a quantity's differences as a share of that of the expected values.

    chorale verify --device cuda --precision bf16 --json MODEL_DIR GOLDEN > ours.json
    deploy/bench/peers/bf16_error.py MODEL_DIR GOLDEN --against ours.json
    deploy/bench/peers/bf16_error.py MODEL_DIR GOLDEN --adapter DIR

With --against a row has both errors and their ratio, and the exit code is 1 where Chorale's error is more than twice
the peer's. A peer's error below 2^-9, that of one rounding to bf16, counts as that: below it chance decides, above all
where a quantity is one number. The row "grad, all" is of all gradients as one vector, and so is "train.final, all".
"""
import argparse
import json
import math
import sys

TWICE = 2.0
ROUND_OFF = 2.0**-9
ADAMW = {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01}
JOINED = ("grad", "train.final")


def load(options, device):
    import torch
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(
        options.model, dtype=torch.bfloat16, attn_implementation=options.attention, local_files_only=True
    )
    if options.adapter:
        import peft

        # PEFT would make adapters of a bf16 model fp32.
        model = peft.PeftModel.from_pretrained(
            model, options.adapter, is_trainable=True, autocast_adapter_dtype=False
        )
        for parameter in model.parameters():
            parameter.data = parameter.data.to(torch.bfloat16)  # whatever PEFT has made of its files
    return model.to(device).train()


def trained(model):
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


class Errors:
    """Of the golden file's quantities, by name, with the norms of what was expected."""

    def __init__(self, golden):
        self.golden = golden
        self.found = {}

    def add(self, quantity, actual):
        import torch

        if quantity not in self.golden:
            return
        expected = self.golden[quantity].to(torch.float64)
        actual = torch.as_tensor(actual).detach().to("cpu", torch.float64).reshape(expected.shape)
        self.add_norms(quantity, (actual - expected).norm().item(), expected.norm().item())

    def add_norms(self, quantity, difference, norm):
        self.found[quantity] = (difference / norm if norm else difference, norm)


def batch(golden, device):
    return {name: golden[name].to(device) for name in ("input_ids", "attention_mask", "labels")}


def measure_gradients(options, device, golden, errors):
    model = load(options, device)
    output = model(**batch(golden, device))
    output.loss.backward()
    if "logits" in golden:
        seen = golden["attention_mask"].cumsum(dim=1) > 0  # elsewhere implementations differ by design
        golden["logits"] = golden["logits"][seen]
        errors.add("logits", output.logits.detach().cpu()[seen])
    errors.add("loss", output.loss)
    for name, parameter in trained(model).items():
        errors.add(f"grad.{name}", parameter.grad)


def measure_training(options, device, golden, errors):
    import torch

    if "train.losses" not in golden:
        return
    model = load(options, device)
    named = trained(model)
    parameters = list(named.values())
    rate = 1e-2 if options.adapter else 1e-3
    optimizer = torch.optim.AdamW(parameters, lr=rate, fused=True, **ADAMW)
    losses, norms = [], []
    for _ in range(golden["train.losses"].numel()):
        optimizer.zero_grad(set_to_none=True)
        loss = model(**batch(golden, device)).loss
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(parameters, 1.0).item())
        optimizer.step()
        losses.append(loss.item())
    errors.add("train.losses", losses)
    errors.add("train.grad_norms", norms)
    for name, parameter in named.items():
        errors.add(f"train.final.{name}", parameter)


def measure(options):
    import torch
    from safetensors.torch import load_file

    device = torch.device(options.device)
    golden = load_file(options.golden)
    errors = Errors(golden)
    measure_gradients(options, device, golden, errors)
    measure_training(options, device, golden, errors)
    return errors.found


def joined(errors, norms):
    """Adds, for the gradients and for the trained weights, the error of all of them as one vector."""
    result = dict(errors)
    for group in JOINED:
        members = [name for name in errors if name.startswith(group + ".")]
        norm = math.hypot(*(norms[name] for name in members))
        if norm:
            result[f"{group}, all"] = math.hypot(*(errors[name] * norms[name] for name in members)) / norm
    return result


def ours(path):
    with open(path, encoding="utf-8") as file:
        report = json.loads(next(line for line in file if line.startswith("{")))
    if report["precision"] == "fp32":
        raise SystemExit(f"{path} is of fp32: it must be of chorale verify --precision bf16 --json")
    errors = {row["quantity"]: row["relative_error"] for row in report["rows"]}
    return {name: math.nan if error is None else error for name, error in errors.items()}


def compare(mine, peers):
    """Rows (quantity, our error, the peer's, their ratio, whether it is at most twice), and what only one side has."""
    found = {name: error for name, (error, _) in peers.items()}
    norms = {name: norm for name, (_, norm) in peers.items()}
    both = {name: error for name, error in mine.items() if name in found}
    left, right = joined(both, norms), joined({name: found[name] for name in both}, norms)
    rows = []
    for name, error in left.items():
        ratio = error / right[name] if right[name] else math.inf if error else 1.0
        # A NaN is not at most anything.
        rows.append((name, error, right[name], ratio, error <= TWICE * max(right[name], ROUND_OFF)))
    return rows, sorted(set(mine) ^ set(found))


def report(rows, alone):
    print("| quantity | Chorale | peer | ratio | |")
    print("| --- | --- | --- | --- | --- |")
    for name, error, other, ratio, good in rows:
        print(f"| {name} | {error:.3e} | {other:.3e} | {ratio:.2f} | {'' if good else 'MORE THAN TWICE'} |")
    for name in alone:
        print(f"only one of the two has {name}")
    worst = max((row[3] for row in rows if max(row[1], row[2]) > ROUND_OFF), default=0.0)
    good = bool(rows) and not alone and all(row[4] for row in rows)
    print(f"{len(rows)} rows, largest ratio above one rounding {worst:.2f}: {'passed' if good else 'FAILED'}")
    return 0 if good else 1


def versions(options):
    import torch
    import transformers

    found = {"torch": torch.__version__, "transformers": transformers.__version__}
    if options.adapter:
        import peft

        found["peft"] = peft.__version__
    if torch.device(options.device).type == "cuda":
        found["gpu"] = torch.cuda.get_device_name()
    return found


def main():
    parser = argparse.ArgumentParser(description="Measures the peer's error in bf16 against golden files in fp32.")
    parser.add_argument("model", metavar="MODEL_DIR")
    parser.add_argument("golden", metavar="GOLDEN.safetensors")
    parser.add_argument("--adapter", metavar="DIR", help="a PEFT folder")
    parser.add_argument("--against", metavar="FILE", help="what chorale verify --precision bf16 --json printed")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--attention", default="sdpa", choices=["sdpa", "eager"])
    options = parser.parse_args()
    peers = measure(options)
    rows = [{"quantity": name, "relative_error": error} for name, (error, _) in peers.items()]
    print(json.dumps({"precision": "bf16", "device": options.device, "rows": rows, "versions": versions(options)}))
    return report(*compare(ours(options.against), peers)) if options.against else 0


if __name__ == "__main__":
    sys.exit(main())
