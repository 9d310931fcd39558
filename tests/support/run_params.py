def run_params(run_id: str, runner: str = "SequentialRunner") -> dict[str, object]:
    """What Kedro tells hooks of a run, as far as these read it."""
    names = ("env", "pipeline_names", "namespaces", "runtime_params", "only_missing_outputs")
    return {"run_id": run_id, "runner": runner, "project_path": ".", **dict.fromkeys(names)}
