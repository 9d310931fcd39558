"""Project settings; see the Kedro documentation for what can stand here."""

from pathlib import Path

from kedro.utils import find_kedro_project

from steel_defects.config_loader import ConfigLoader
from steel_defects.hooks import (
    ChosenModelHooks,
    ComparisonHooks,
    InputHooks,
    OutputLockHooks,
    PromotionHooks,
    RunnerHooks,
    SecondFolderHooks,
    TargetHooks,
    VersionHooks,
)
from steel_defects.parameter_hooks import ParameterHooks
from steel_defects.run_record import RunRecordHooks
from steel_defects.tracking import TrackingHooks
from steel_defects.up_to_date import NodeRecordHooks

HOOKS = (
    ParameterHooks(), RunnerHooks(), InputHooks(), ChosenModelHooks(),
    ComparisonHooks(), PromotionHooks(), VersionHooks(), SecondFolderHooks(),
    TargetHooks(), OutputLockHooks(), RunRecordHooks(), NodeRecordHooks(), TrackingHooks(),
)  # fmt: skip

# kedro-viz keeps what it shows of a run in the project's folder, and an installed wheel has none.
DISABLE_HOOKS_FOR_PLUGINS = () if find_kedro_project(Path.cwd()) else ("kedro-viz",)

CONFIG_LOADER_CLASS = ConfigLoader
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    # An environment names only the parameters that differ from conf/base, like --params does.
    "merge_strategy": {"parameters": "soft"},
}
