"""Which of TRL's options may be passed through, and why the others may not."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from selfplay.core.errors import ConfigError, nearest

OWNED = (
    (
        "the run's directory and ledger keep weights, metrics and reports",
        (
            "output_dir save_ logging_ log_ report_to run_name push_to_hub hub_ resume_ restore_ "
            "load_best_ ignore_data_skip project trackio_ disable_tqdm num_completions_to_print "
            "include_ metric_for_ greater_is_better enable_jit_checkpoint"
        ),
    ),
    ("evaluation is a stage of the game", "eval_ do_ per_device_eval_ batch_eval_ prediction_"),
    ("it is derived from the run's seed", "seed data_seed"),
    (
        (
            "the solver's configuration sets it (solver.learning_rate, schedule, warmup_rounds, "
            "betas, weight_decay, max_grad_norm, epochs, minibatches, micro_batch_tokens, "
            "gradient_checkpointing, mixed_precision)"
        ),
        (
            "learning_rate lr_scheduler_ warmup_ optim adam_ weight_decay max_grad_norm max_steps "
            "num_train_epochs per_device_train_ gradient_accumulation_ gradient_checkpointing "
            "activation_checkpointing bf16 fp16 auto_find_batch_size train_sampling_ "
            "length_column_name group_by_ num_iterations"
        ),
    ),
    (
        "the objective's own options set it (solver.objective)",
        (
            "beta epsilon epsilon_high normalize_advantages loss_type precompute_ref_ "
            "sync_ref_model ref_model_ reward_ num_generations mask_truncated_ ld_alpha "
            "importance_sampling_level scale_rewards multi_objective_ desirable_weight "
            "undesirable_weight label_smoothing_factor completion_only_loss assistant_only_loss"
        ),
    ),
    (
        "responses are recorded: a trainer neither generates nor tokenises nor loads them",
        (
            "use_vllm vllm_ temperature top_p top_k min_p repetition_penalty generation_ "
            "use_transformers_ transformers_ max_completion_length max_length truncation_mode "
            "max_prompt_length chat_template_ cache_implementation steps_per_generation "
            "shuffle_dataset remove_unused_columns dataset_ dataloader_ pad_to_multiple_of "
            "pad_token padding_free ds3_gather_ label_names packing packing_ eos_token "
            "max_tool_calling_iterations"
        ),
    ),
    (
        "the configuration's `model` chooses model and device",
        "model_init_kwargs trust_remote_code use_cpu cast_lm_head_to_fp32",
    ),
)
"""Reason, and the names (or, ending in _, beginnings of names) that it holds for."""


def check_trl_options(options: Mapping[str, Any], config_class: type) -> None:
    """Refuses what `config_class` does not know, and what the project itself decides.

    Args:
        options: `solver.trl` of the configuration.
        config_class: TRL's configuration dataclass of the chosen objective.

    Raises:
        ConfigError: with the nearest known name, or the reason and the option to use instead.
    """
    known = {field.name for field in dataclasses.fields(config_class) if field.init}
    for name in options:
        if name not in known:
            free = [option for option in known if owned_because(option) is None]
            raise ConfigError(
                f"solver.trl: {config_class.__name__} has no option '{name}'; {nearest(name, free)}"
            )
        if reason := owned_because(name):
            raise ConfigError(f"solver.trl: '{name}' cannot be passed on, since {reason}.")


def owned_because(name: str) -> str | None:
    """Why the project decides the option `name` itself; None if it may be passed through."""
    for reason, entries in OWNED:
        for entry in entries.split():
            if name == entry or (entry.endswith("_") and name.startswith(entry)):
                return reason
    return None
