"""TRL's options: a frozen inventory, so that another version of TRL cannot change a loss unseen."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from transformers import TrainingArguments
from trl import DPOConfig, GRPOConfig, KTOConfig, RewardConfig, RLOOConfig, SFTConfig

from selfplay.core.errors import ConfigError
from solver.learning.trl_options import TOLD, check_trl_options, told, trainer_of
from solver.objectives.page import PAGE
from solver.objectives.rows.groups import GrpoOptions
from solver.objectives.rows.trl import DpoOptions
from solver.objectives.table import OBJECTIVES

CONFIGS = [GRPOConfig, RLOOConfig, DPOConfig, KTOConfig, SFTConfig, RewardConfig]

BY_OBJECTIVE = {
    "GRPOTrainer": "loss_type beta epsilon epsilon_high importance_sampling_level temperature "
    "max_completion_length",
    "RLOOTrainer": "beta epsilon epsilon_high temperature",
    "DPOTrainer": "loss_type beta ld_alpha",
    "KTOTrainer": "loss_type beta desirable_weight undesirable_weight",
    "SFTTrainer": "loss_type",
    "RewardTrainer": "",
}
"""Set by the options of our objectives in every case."""

GENERATION = (
    "cache_implementation chat_template_kwargs ds3_gather_for_generation generation_batch_size "
    "generation_kwargs log_completions log_multimodal log_unique_prompts min_p model_init_kwargs "
    "num_completions_to_print num_generations num_generations_eval pad_to_multiple_of "
    "ref_model_mixup_alpha ref_model_sync_steps repetition_penalty reward_weights shuffle_dataset "
    "sync_ref_model top_k top_p transformers_continuous_batching_config trust_remote_code "
    "use_transformers_continuous_batching use_transformers_paged vllm_enable_sleep_mode "
    "vllm_gpu_memory_utilization vllm_group_port vllm_max_model_length vllm_mode vllm_model_impl "
    "vllm_server_base_url vllm_server_host vllm_server_port vllm_server_timeout "
    "vllm_structured_outputs_regex vllm_tensor_parallel_size "
)
DATA = (
    "activation_offloading dataset_num_proc max_length model_init_kwargs pad_to_multiple_of "
    "trust_remote_code "
)
WITHOUT_INFLUENCE = {
    "GRPOTrainer": GENERATION
    + "log_completions_hub_repo max_tool_calling_iterations multi_objective_aggregation "
    "vllm_importance_sampling_cap vllm_importance_sampling_clip_max "
    "vllm_importance_sampling_clip_min vllm_importance_sampling_mode",
    "RLOOTrainer": GENERATION
    + "max_completion_length normalize_advantages reward_clip_range use_vllm",
    "DPOTrainer": DATA + "pad_token padding_free precompute_ref_batch_size ref_model_mixup_alpha "
    "ref_model_sync_steps sync_ref_model truncation_mode",
    "KTOTrainer": DATA
    + "precompute_ref_batch_size ref_model_mixup_alpha ref_model_sync_steps sync_ref_model",
    "SFTTrainer": DATA + "assistant_only_loss chat_template_path completion_only_loss "
    "dataset_kwargs dataset_text_field eos_token eval_packing packing packing_strategy pad_token "
    "padding_free shuffle_dataset truncation_mode",
    "RewardTrainer": DATA + "chat_template_path eos_token pad_token",
}
"""Of loading, generating, tokenising, synchronising, logging: none of it runs on recorded ids."""

BASE = """
accelerator_config activation_checkpointing activation_checkpointing_kwargs adam_beta1 adam_beta2
adam_epsilon auto_find_batch_size average_tokens_across_devices batch_eval_metrics bf16
bf16_full_eval data_seed dataloader_drop_last dataloader_in_order
dataloader_multiprocessing_context dataloader_num_workers dataloader_persistent_workers
dataloader_pin_memory dataloader_prefetch_factor ddp_backend ddp_broadcast_buffers
ddp_bucket_cap_mb ddp_find_unused_parameters ddp_static_graph ddp_timeout debug deepspeed
disable_tqdm do_eval do_predict do_train enable_jit_checkpoint eval_accumulation_steps eval_delay
eval_do_concat_batches eval_on_start eval_steps eval_strategy eval_use_gather_object fp16
fp16_full_eval fsdp fsdp_config full_determinism gradient_accumulation_steps
gradient_checkpointing gradient_checkpointing_kwargs greater_is_better hub_always_push
hub_model_id hub_private_repo hub_revision hub_strategy hub_token ignore_data_skip
include_for_metrics include_num_input_tokens_seen label_names label_smoothing_factor
learning_rate length_column_name liger_kernel_config load_best_model_at_end local_rank log_level
log_level_replica log_on_each_node logging_first_step logging_nan_inf_filter logging_steps
logging_strategy lr_scheduler_kwargs lr_scheduler_type max_grad_norm max_steps
metric_for_best_model neftune_noise_alpha num_train_epochs optim optim_args optim_target_modules
output_dir parallelism_config per_device_eval_batch_size per_device_train_batch_size
prediction_loss_only project push_to_hub remove_unused_columns report_to
restore_callback_states_from_checkpoint resume_from_checkpoint run_name save_on_each_node
save_only_model save_steps save_strategy save_total_limit seed skip_memory_metrics tf32
torch_compile torch_compile_backend torch_compile_mode torch_empty_cache_steps trackio_bucket_id
trackio_space_id trackio_static_space_id train_sampling_strategy use_cache use_cpu
use_liger_kernel warmup_steps weight_decay
"""
"""transformers' own, of the loop around a loss; `label_smoothing_factor` and `use_liger_kernel` are
told where a trainer reads them in its loss."""


def own_fields(config: type) -> dict[str, Any]:
    """The options that TRL adds to transformers'."""
    base = {field.name for field in dataclasses.fields(TrainingArguments)}
    return {f.name: f for f in dataclasses.fields(config) if f.name not in base}


@pytest.mark.parametrize("config", CONFIGS)
def test_each_option_of_trl_is_told_or_known_to_have_no_part_in_a_loss(config: type) -> None:
    trainer = trainer_of(config)
    known = {*TOLD[trainer], *BY_OBJECTIVE[trainer].split(), *WITHOUT_INFLUENCE[trainer].split()}
    fields = {field.name for field in dataclasses.fields(config)}
    assert set(own_fields(config)) <= known, "TRL has options that nobody has looked at"
    assert known <= fields, "TRL has lost options that are told to it"


def test_transformers_has_no_option_that_nobody_has_looked_at() -> None:
    assert {field.name for field in dataclasses.fields(TrainingArguments)} == set(BASE.split())


@pytest.mark.parametrize("config", CONFIGS)
def test_what_the_page_calls_trls_default_is_trls_default(config: type) -> None:
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    inventory = {name: option.trl for name, option in TOLD[trainer_of(config)].items()}
    assert inventory == {name: defaults[name] for name in inventory}


def test_the_page_says_what_trl_is_told() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for trainer, options in TOLD.items():
        part = page.split(f"**{trainer}**")[1].split("**")[0]
        assert all(f"| `{name}` |" in part for name in options)
    assert "| `use_bias_correction_kl` | `false` | `true` |" in page


def test_every_objective_of_a_trainer_gives_trl_a_whole_set_of_settings() -> None:
    for name, row in OBJECTIVES.items():
        if row.trainer and hasattr(row.options, "trl"):
            own = set(row.options().trl())
            by_stage = {"temperature", "max_completion_length", "beta", "ld_alpha"}
            assert set(BY_OBJECTIVE[row.trainer].split()) - by_stage <= own, name


@pytest.mark.parametrize(
    ("config", "own", "given", "message"),
    [
        (DPOConfig, DpoOptions(), "label_smoothing", "acts only in the losses exo_pair"),
        (DPOConfig, DpoOptions(), "discopop_tau", "acts only in the loss discopop"),
        (DPOConfig, DpoOptions(), "f_alpha_divergence_coef", "f_divergence_type=alpha"),
        (DPOConfig, DpoOptions(loss_type="apo_zero"), "f_divergence_type", "acts only in a loss"),
        (DPOConfig, DpoOptions(loss_type="sft"), "use_weighting", "acts only in a loss of pairs"),
        (DPOConfig, DpoOptions(), "loss_weights", "a sum of objectives"),
        (DPOConfig, DpoOptions(), "neftune_noise_alpha", "trainer's own loop"),
        (DPOConfig, DpoOptions(), "torch_compile", "trainer's own loop"),
        (DPOConfig, DpoOptions(), "router_aux_loss_coef", "router_loss"),
        (GRPOConfig, GrpoOptions(), "mask_truncated_completions", "objective.mask_truncated"),
        (GRPOConfig, GrpoOptions(beta=0.0), "use_bias_correction_kl", "beta above 0"),
        (GRPOConfig, GrpoOptions(importance="sequence"), "use_bias_correction_kl", "one weight"),
        (GRPOConfig, GrpoOptions(), "entropy_target", "with use_adaptive_entropy"),
        (GRPOConfig, GrpoOptions(), "sapo_temperature_pos", "objective's own options"),
        (GRPOConfig, GrpoOptions(), "vllm_importance_sampling_mode", "responses are recorded"),
    ],
)
def test_an_option_that_would_change_nothing_is_refused(
    config: type, own: Any, given: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        check_trl_options({given: 0.1}, config, own.trl())


def test_an_option_that_acts_is_told_to_trl() -> None:
    own = DpoOptions(loss_type="robust").trl()
    check_trl_options({"label_smoothing": 0.1}, DPOConfig, own)
    assert told("DPOTrainer", own, {"label_smoothing": 0.1})["label_smoothing"] == 0.1
    assert told("GRPOTrainer", GrpoOptions().trl(), {})["use_bias_correction_kl"] is False
