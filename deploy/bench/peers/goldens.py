#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Chorale authors
"""Writes folders that `chorale verify` reads: what Transformers and PEFT compute for tiny random models, in fp32 on a CPU.

There is one for each way in which a family can be configured, and for each kind of adapter. A model's folder is as
save_pretrained writes it, with golden.safetensors beside it; an adapter's is as PEFT writes it, with the adapter after
eight steps in trained/. Everything is computed a second time with each weight moved to a neighbouring number: what then
moves by more than a quarter of what `chorale verify` allows says nothing about an implementation and is left out, with a
line on stderr. deploy/bench/variants writes all folders and verifies them.

    deploy/bench/peers/goldens.py FOLDER             a line for each: its name, its model's folder, its adapter's or -
    deploy/bench/peers/goldens.py FOLDER --only gemma
"""
import argparse
import copy
import os
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

SEED = 12
STEPS = 8
INITIALIZER_RANGE = 0.06
QUARTER = 0.25
ADAMW = {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01}
SIZES = {
    "vocab_size": 101,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": INITIALIZER_RANGE,
    "use_cache": False,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}


def rope(kind, **others):
    return {"rope_parameters": {"rope_type": kind, "rope_theta": 10000.0, **others}}


YARN = rope("yarn", factor=4.0, original_max_position_embeddings=16)
LLAMA3 = rope(
    "llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16
)

# name: (model_type, what differs from SIZES)
MODELS = {
    "llama-biases": ("llama", {"attention_bias": True, "mlp_bias": True}),
    "llama-linear": ("llama", rope("linear", factor=3.0)),
    "llama-dynamic": ("llama", {**rope("dynamic", factor=2.0), "max_position_embeddings": 16}),
    "llama-llama3": ("llama", {**LLAMA3, "tie_word_embeddings": True}),
    "llama-yarn": ("llama", YARN),
    "llama-yarn-scaled": ("llama", rope("yarn", factor=4.0, original_max_position_embeddings=16, mscale=0.8,
                                        mscale_all_dim=0.5, truncate=False, beta_fast=16.0, beta_slow=2.0)),
    "llama-yarn-factor": ("llama", rope("yarn", factor=4.0, original_max_position_embeddings=16,
                                        attention_factor=1.3)),
    "llama-wide-heads": ("llama", {"head_dim": 32, "num_attention_heads": 3, "num_key_value_heads": 1,
                                   "hidden_act": "gelu", "rms_norm_eps": 1e-3}),
    "mistral-whole": ("mistral", {"sliding_window": None}),
    "mistral-window": ("mistral", {"sliding_window": 5, "head_dim": 16, **YARN}),
    "qwen2-window": ("qwen2", {"use_sliding_window": True, "sliding_window": 6, "max_window_layers": 1,
                               "tie_word_embeddings": False}),
    "qwen2-yarn": ("qwen2", {**YARN, "tie_word_embeddings": True}),
    "qwen3-biases": ("qwen3", {"attention_bias": True, "head_dim": 24, "tie_word_embeddings": True}),
    "qwen3-window": ("qwen3", {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 2,
                               "head_dim": 8, **rope("linear", factor=2.0)}),
    "gpt_neox-whole-heads": ("gpt_neox", rope("default", partial_rotary_factor=1.0)),
    "gpt_neox-half-heads": ("gpt_neox", {**rope("default", partial_rotary_factor=0.5),
                                         "use_parallel_residual": False, "attention_bias": False,
                                         "hidden_act": "gelu_new"}),
    "gpt_neox-tied": ("gpt_neox", {"tie_word_embeddings": True, "hidden_act": "gelu_fast",
                                   **rope("linear", factor=4.0, partial_rotary_factor=0.25)}),
    "gemma2-caps": ("gemma2", {"head_dim": 16, "query_pre_attn_scalar": 24, "sliding_window": 5,
                               "attn_logit_softcapping": 1.0, "final_logit_softcapping": 0.5,
                               "attention_bias": True}),
    "gemma2-uncapped": ("gemma2", {"head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 7,
                                   "attn_logit_softcapping": None, "final_logit_softcapping": None,
                                   "tie_word_embeddings": False}),
    "gemma3-mixed": ("gemma3_text", {"head_dim": 16, "query_pre_attn_scalar": 20, "sliding_window": 5,
                                     "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
                                     "rope_parameters": {
                                         "full_attention": {"rope_type": "linear", "factor": 8.0,
                                                            "rope_theta": 1000000.0},
                                         "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}}}),
    "gemma3-untied": ("gemma3_text", {"head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 9,
                                      "attention_bias": True, "final_logit_softcapping": 1.0,
                                      "tie_word_embeddings": False}),
    "phi3-partial": ("phi3", rope("default", partial_rotary_factor=0.5)),
    "phi3-window": ("phi3", {"sliding_window": 6, "tie_word_embeddings": True}),
    "olmo2-biases": ("olmo2", {"attention_bias": True, "num_key_value_heads": 1, "tie_word_embeddings": True}),
    "olmo2-linear": ("olmo2", {"num_key_value_heads": 6, **rope("linear", factor=2.0)}),
    "mixtral-window": ("mixtral", {"num_local_experts": 5, "num_experts_per_tok": 3, "sliding_window": 6}),
    "mixtral-router-loss": ("mixtral", {"num_local_experts": 4, "num_experts_per_tok": 2, "head_dim": 16,
                                        "output_router_logits": True, "router_aux_loss_coef": 0.1}),
    "qwen3_moe-some": ("qwen3_moe", {"num_experts": 6, "num_experts_per_tok": 3, "moe_intermediate_size": 32,
                                     "head_dim": 16, "norm_topk_prob": False, "mlp_only_layers": [1]}),
    "qwen3_moe-router-loss": ("qwen3_moe", {"num_experts": 4, "num_experts_per_tok": 2, "head_dim": 8,
                                            "moe_intermediate_size": 24, "norm_topk_prob": True,
                                            "decoder_sparse_step": 2, "attention_bias": True,
                                            "output_router_logits": True, "router_aux_loss_coef": 0.05}),
}

# name: (the model's, what PEFT's LoraConfig is given)
ADAPTERS = {
    "lora-mistral": ("mistral-window", {"target_modules": "all-linear"}),
    "lora-qwen2": ("qwen2-window", {"target_modules": "all-linear", "rank_pattern": {"q_proj": 2, "layers.1.*up_proj": 6},
                                    "alpha_pattern": {"down_proj": 16}}),
    "lora-qwen3": ("qwen3-biases", {"target_modules": ["q_proj", "v_proj"], "layers_to_transform": [0, 2],
                                    "layers_pattern": "layers"}),
    "lora-gpt_neox": ("gpt_neox-half-heads", {"target_modules": "all-linear"}),
    "lora-gemma2": ("gemma2-caps", {"target_modules": "all-linear", "exclude_modules": ["up_proj"]}),
    "lora-gemma3": ("gemma3-mixed", {"target_modules": r".*\.(q|o)_proj", "modules_to_save": ["norm"]}),
    "lora-phi3": ("phi3-partial", {"target_modules": "all-linear"}),
    "lora-olmo2": ("olmo2-linear", {"target_modules": "all-linear"}),
    "lora-mixtral": ("mixtral-window", {"target_modules": ["q_proj", "k_proj", "v_proj", "o_proj"]}),
    "lora-qwen3_moe": ("qwen3_moe-some", {"target_modules": ["q_proj", "v_proj"]}),
    "rslora-gemma2": ("gemma2-uncapped", {"target_modules": "all-linear", "use_rslora": True}),
    "rslora-llama": ("llama-biases", {"target_modules": "all-linear", "use_rslora": True}),
    "dora-llama": ("llama-biases", {"target_modules": "all-linear", "use_dora": True}),
    "dora-mistral": ("mistral-whole", {"target_modules": ["q_proj", "up_proj"], "use_dora": True}),
    "dora-gpt_neox": ("gpt_neox-whole-heads", {"target_modules": "all-linear", "use_dora": True}),
    "dora-gemma3": ("gemma3-untied", {"target_modules": "all-linear", "use_dora": True}),
    "dora-phi3": ("phi3-window", {"target_modules": "all-linear", "use_dora": True}),
    "dora-olmo2": ("olmo2-biases", {"target_modules": ["k_proj", "down_proj"], "use_dora": True, "use_rslora": True}),
    "saved-qwen3": ("qwen3-window", {"target_modules": "all-linear", "modules_to_save": ["lm_head", "embed_tokens"]}),
    "saved-gpt_neox": ("gpt_neox-whole-heads", {"target_modules": ["dense"], "modules_to_save": ["embed_in"]}),
}


def random_model(name):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    kind, others = MODELS[name]
    sizes = {key: value for key, value in SIZES.items() if kind != "gpt_neox" or key != "num_key_value_heads"}
    config = AutoConfig.for_model(kind, **{**sizes, **others})
    torch.manual_seed(SEED)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:  # biases and norms begin as constants, which would hide mistakes
                parameter.add_(torch.randn_like(parameter) * 0.05)
    return model


def loaded(folder):
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).train()


def batch():
    import torch

    torch.manual_seed(SEED + 1)
    ids = torch.randint(3, SIZES["vocab_size"], (3, 24))
    mask = torch.ones_like(ids)
    mask[1, 19:] = 0
    mask[2, 9:] = 0
    ids[mask == 0] = 0
    labels = ids.masked_fill(mask == 0, -100)
    labels[0, :5] = -100
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def trained(model):
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def quantities(model, rows, rate):
    """What the model computes for the rows, as the golden file has it; the model is trained afterwards."""
    import torch

    found = dict(rows)
    output = model(**rows)
    output.loss.backward()
    found["logits"] = output.logits
    found["loss"] = output.loss.reshape(1)
    named = trained(model)
    found.update({f"grad.{name}": parameter.grad.clone() for name, parameter in named.items()})
    optimizer = torch.optim.AdamW(named.values(), lr=rate, **ADAMW)
    losses, norms = [], []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = model(**rows).loss
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(named.values(), 1.0))
        optimizer.step()
        losses.append(loss.detach())
    found["train.losses"] = torch.stack(losses)
    found["train.grad_norms"] = torch.stack(norms)
    return found


def allowed(name, value):
    """What chorale verify allows a quantity to differ by."""
    if name.startswith("grad."):
        return 2e-5 * value.abs().max().item()
    if name == "train.grad_norms":
        return 2e-5 * value.min().item()
    return {"merged": 2e-5, "trained": 5e-5}.get(name.split(".")[0], 1e-5)


def moved(model):
    """The model with each weight at a neighbouring number."""
    import torch

    torch.manual_seed(SEED + 3)
    other = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.copy_(torch.nextafter(parameter, torch.randn_like(parameter) * 1e3))
    return other


def certain(name, found, again):
    """What is found again, nearly, by the moved model."""
    kept = {}
    for key, value in found.items():
        if value.is_floating_point():
            change = (value - again[key]).abs().max().item()
            if change > QUARTER * allowed(key, value):
                print(f"{name}: {key} is left out: it moves by {change:.1e}", file=sys.stderr, flush=True)
                continue
        kept[key] = value
    return kept


def write(folder, found):
    from safetensors.torch import save_file

    save_file({name: value.detach().contiguous().clone() for name, value in found.items()},
              os.path.join(folder, "golden.safetensors"))


def write_model(root, name):
    folder = os.path.join(root, name)
    random_model(name).save_pretrained(folder)
    model = loaded(folder)
    results = []
    for each in (moved(model), model):
        found = quantities(each, batch(), 1e-3)
        found.update({f"train.final.{key}": value.detach() for key, value in trained(each).items()})
        results.append(found)
    write(folder, certain(name, results[1], results[0]))
    return f"{name} {folder} -"


def adapted(model_folder, settings, folder):
    import peft
    import torch

    torch.manual_seed(SEED + 2)
    config = peft.LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, task_type="CAUSAL_LM", **settings)
    model = peft.get_peft_model(loaded(model_folder), config)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "lora_B" in key:  # zero at first, which would hide the gradient of A
                parameter.copy_(torch.randn_like(parameter) * 0.05)
    model.peft_config["default"].base_model_name_or_path = f"../{os.path.basename(model_folder)}"
    model.save_pretrained(folder)
    return peft.PeftModel.from_pretrained(loaded(model_folder), folder, is_trainable=True).train()


def write_adapter(root, name):
    base, settings = ADAPTERS[name]
    model_folder, folder = os.path.join(root, base), os.path.join(root, name)
    model = adapted(model_folder, settings, folder)
    results = []
    for each in (moved(model), model):
        found = quantities(each, batch(), 1e-2)
        found.update({f"trained.{key}": value.detach().clone() for key, value in trained(each).items()})
        each.save_pretrained(os.path.join(folder, "trained"))
        merged = each.merge_and_unload()
        changed = next(key for key, _ in merged.named_parameters() if key.endswith(
            ("q_proj.weight", "qkv_proj.weight", "k_proj.weight", "dense.weight")))
        found[f"merged.{changed}"] = merged.get_parameter(changed).detach()
        results.append(found)
    kept = certain(name, results[1], results[0])
    if any(key.startswith("trained.") and key not in kept for key in results[1]):
        shutil.rmtree(os.path.join(folder, "trained"))
    write(folder, {key: value for key, value in kept.items() if not key.startswith("trained.")})
    return f"{name} {model_folder} {folder}"


def prepare():
    import torch
    import transformers

    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


def main():
    parser = argparse.ArgumentParser(description="Writes what Transformers and PEFT compute for tiny random models.")
    parser.add_argument("folder", metavar="FOLDER")
    parser.add_argument("--only", metavar="TEXT", default="", help="of names that hold this")
    options = parser.parse_args()
    adapters = [name for name in ADAPTERS if options.only in name]
    needed = {ADAPTERS[name][0] for name in adapters}
    models = [name for name in MODELS if options.only in name or name in needed]
    with ProcessPoolExecutor(max(1, (os.cpu_count() or 1) // 2), initializer=prepare) as pool:
        for work, names in ((write_model, models), (write_adapter, adapters)):  # adapters need their models' folders
            for line in pool.map(work, [options.folder] * len(names), names):
                print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
