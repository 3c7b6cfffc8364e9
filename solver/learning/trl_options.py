"""What TRL's trainers are told: every option of theirs that can change a loss, set by this project.

An option is told even where TRL has the same default, so that another version of TRL does not
change a loss without a word; a test compares this inventory with TRL's own. `solver.trl` may change
those that act in the chosen loss. All other options of TRL have no part in a loss: recorded
responses go in, a scalar comes out, and the rest of a trainer does not run. Torch-free.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

from selfplay.core.errors import ConfigError, nearest

Settings: TypeAlias = Mapping[str, Any]
"""TRL's options by name, those of the objective included."""


@dataclass(frozen=True)
class Told:
    """An option of TRL's that can change a loss."""

    value: Any
    """What TRL is told, unless `solver.trl` says otherwise."""
    trl: Any
    """TRL's own default, in the version that this inventory was made from."""
    free: bool = False
    """May `solver.trl` change it?"""
    acts: Callable[[Settings], bool] = lambda settings: True
    """Does the chosen loss read it?"""
    when: str = ""
    """The same in words, behind 'acts only'."""


def same(default: Any) -> Told:
    """Told as TRL has it, and not to be changed."""
    return Told(default, default)


def _one_of(name: str, *values: Any) -> Callable[[Settings], bool]:
    return lambda settings: settings[name] in values


SMOOTHED = ("exo_pair", "robust", "aot", "aot_unpaired")
SCORED = ("sigmoid", "hinge", "ipo", "exo_pair", "robust", "discopop", "sigmoid_norm")
"""DPO's losses of the two scores that an f-divergence gives; the others take the log-ratios."""


def _adaptive(default: float) -> Told:
    acts = _one_of("use_adaptive_entropy", True)
    return Told(default, default, True, acts, "with use_adaptive_entropy")


_ALL = {"router_aux_loss_coef": Told(0.0, None), "use_liger_kernel": same(False)}
_SHARED = _ALL | {"disable_dropout": Told(False, True)}
"""The learning loop adds the router's loss (`solver.router_loss`) and decides on dropout."""

_GROUPS = _SHARED | {
    "disable_dropout": same(False),
    # Of how many steps a batch of TRL's own generation makes.
    "steps_per_generation": Told(1, None),
    # The reference's log-probabilities and π_old are handed over with the responses.
    "num_iterations": same(1),
    # What is left out of a loss is left out before TRL sees it (`solver.objective.mask_truncated`).
    "mask_truncated_completions": same(False),
}

TOLD: Mapping[str, Mapping[str, Told]] = MappingProxyType(
    {
        "DPOTrainer": _SHARED
        | {
            "precompute_ref_log_probs": Told(True, False),
            "loss_weights": same(None),
            "ld_alpha": same(None),
            "f_divergence_type": Told(
                "reverse_kl",
                "reverse_kl",
                True,
                _one_of("loss_type", *SCORED),
                f"in a loss of the divergence's scores ({', '.join(SCORED)})",
            ),
            "f_alpha_divergence_coef": Told(
                0.5,
                0.5,
                True,
                _one_of("f_divergence_type", "alpha_divergence"),
                "with f_divergence_type=alpha_divergence",
            ),
            "label_smoothing": Told(
                0.0,
                0.0,
                True,
                _one_of("loss_type", *SMOOTHED),
                f"in the losses {', '.join(SMOOTHED)} (solver.objective.loss_type of dpo)",
            ),
            "use_weighting": Told(
                False,
                False,
                True,
                lambda settings: settings["loss_type"] != "sft",
                "in a loss of pairs",
            ),
            "discopop_tau": Told(
                0.05, 0.05, True, _one_of("loss_type", "discopop"), "in the loss discopop"
            ),
        },
        "RLOOTrainer": _GROUPS,
        "GRPOTrainer": _GROUPS
        | {
            "cast_lm_head_to_fp32": same(False),
            # Advantages are handed over.
            "scale_rewards": same("group"),
            "delta": Told(None, None, True),
            "off_policy_mask_threshold": Told(None, None, True),
            "top_entropy_quantile": Told(1.0, 1.0, True),
            "entropy_coef": Told(0.0, 0.0, True),
            "use_adaptive_entropy": Told(False, False, True),
            "entropy_coef_min": _adaptive(0.0),
            "entropy_coef_max": _adaptive(1.0),
            "entropy_coef_delta": _adaptive(0.005),
            "entropy_target": _adaptive(0.2),
            # The KL beside the surrogate is DeepSeekMath's k3 as it stands (arXiv 2402.03300, eq.
            # 4); true multiplies it by the ratio, gradient included (DeepSeek-V3.2, 2512.02556).
            "use_bias_correction_kl": Told(
                False,
                True,
                True,
                lambda settings: (
                    settings["beta"] > 0 and settings["importance_sampling_level"] == "token"
                ),
                "with solver.objective.beta above 0 and importance=token (TRL would spread a "
                "sequence's one weight over its tokens, which corrects no token's KL)",
            ),
            # Of losses that no objective here chooses.
            "sapo_temperature_neg": same(1.05),
            "sapo_temperature_pos": same(1.0),
            "vespo_k_pos": same(2.0),
            "vespo_lambda_pos": same(3.0),
            "vespo_k_neg": same(3.0),
            "vespo_lambda_neg": same(2.0),
            # Generation is no part of a trainer here, and neither is its correction.
            "use_vllm": same(False),
            "vllm_importance_sampling_correction": Told(False, True),
        },
        "KTOTrainer": _SHARED | {"precompute_ref_log_probs": Told(True, False)},
        "SFTTrainer": _ALL | {"label_smoothing_factor": same(0.0)},
        "RewardTrainer": {
            "use_liger_kernel": same(False),
            "disable_dropout": Told(False, True),
            "center_rewards_coefficient": Told(None, None, True),
        },
    }
)
"""By trainer and option. What the objective's own options set comes on top (`own`)."""

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
            "gradient_checkpointing, mixed_precision, router_loss)"
        ),
        (
            "learning_rate lr_scheduler_ warmup_ optim optim_ adam_ weight_decay max_grad_norm "
            "max_steps num_train_epochs per_device_train_ gradient_accumulation_ "
            "gradient_checkpointing activation_checkpointing bf16 fp16 auto_find_batch_size "
            "train_sampling_ length_column_name group_by_ num_iterations router_aux_loss_coef"
        ),
    ),
    ("solver.objective.mask_truncated does that", "mask_truncated_completions"),
    ("the target or the penalty on length shapes rewards (solver.length)", "reward_clip_range"),
    ("a sum of objectives weighs them (solver.objective=sum)", "loss_weights"),
    (
        "the objective's own options set it (solver.objective)",
        (
            "beta epsilon epsilon_high normalize_advantages loss_type precompute_ref_ "
            "sync_ref_model ref_model_ reward_ num_generations ld_alpha "
            "importance_sampling_level scale_rewards multi_objective_ desirable_weight "
            "undesirable_weight label_smoothing_factor completion_only_loss assistant_only_loss "
            "sapo_ vespo_"
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
    (
        "the adapters' dropout alone is dropped while learning (model.lora.dropout)",
        "disable_dropout",
    ),
)
"""Reason, and the names (or, ending in _, beginnings of names) that it holds for."""

UNREAD = "it belongs to the trainer's own loop, which does not run here: it would change nothing"


def told(trainer: str, own: Settings, given: Settings) -> dict[str, Any]:
    """All that TRL is told of a loss.

    Args:
        trainer: TRL's, by the name of its class.
        own: what the objective's options say, in TRL's words.
        given: `solver.trl`.
    """
    return {name: option.value for name, option in TOLD[trainer].items()} | {**own, **given}


def acting(trainer: str, own: Settings, given: Settings) -> dict[str, Any]:
    """Of `told`, what the objective or `solver.trl` decides and the chosen loss reads."""
    settings = told(trainer, own, given)
    free = {n for n, option in TOLD[trainer].items() if option.free and option.acts(settings)}
    return {name: value for name, value in settings.items() if name in own or name in free}


def check_trl_options(given: Settings, config_class: type, own: Settings) -> None:
    """Refuses what TRL does not know, what the project decides, and what would change nothing.

    Args:
        given: `solver.trl` of the configuration.
        config_class: TRL's configuration dataclass of the chosen objective.
        own: what the objective's options say, in TRL's words.

    Raises:
        ConfigError: with the nearest name that may be given, or the reason and what to do instead.
    """
    trainer = trainer_of(config_class)
    options, settings = TOLD[trainer], told(trainer, own, given)
    known = {field.name for field in dataclasses.fields(config_class) if field.init}
    for name in given:
        option = options.get(name)
        if name not in known:
            free = [key for key, other in options.items() if other.free]
            raise ConfigError(
                f"solver.trl: {config_class.__name__} has no option '{name}'; {nearest(name, free)}"
            )
        if option is None or not option.free:
            raise ConfigError(
                f"solver.trl: '{name}' cannot be passed on, since {owned_because(name) or UNREAD}."
            )
        if not option.acts(settings):
            raise ConfigError(
                f"solver.trl: expected only what changes the loss, found '{name}', which acts only "
                f"{option.when}. Remove it, or choose a loss that reads it."
            )


def trainer_of(config_class: type) -> str:
    """The name of the trainer that a configuration of TRL's belongs to."""
    return config_class.__name__.removesuffix("Config") + "Trainer"


def owned_because(name: str) -> str | None:
    """Why the project decides the option `name` itself; None where it decides nothing."""
    for reason, entries in OWNED:
        for entry in entries.split():
            if name == entry or (entry.endswith("_") and name.startswith(entry)):
                return reason
    return None
