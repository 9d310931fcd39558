"""How many cores a process may use, in containers."""

import math
import os
from pathlib import Path

import pytest

from steel_defects import threads
from steel_defects.threads import core_count, cpu_quota


@pytest.fixture
def tree(tmp_path):
    def write(groups: str, **files: str) -> tuple[Path, Path]:
        (tmp_path / "cgroup").write_text(groups, encoding="utf-8")
        for name, text in files.items():
            path = tmp_path / "fs" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path / "cgroup", tmp_path / "fs"

    return write


V1 = "4:memory:/docker/a\n3:cpu,cpuacct:/docker/a\n"
PERIOD = {"cpu,cpuacct/cpu.cfs_period_us": "100000\n"}


@pytest.mark.parametrize(
    ("groups", "files", "quota"),
    [
        ("0::/\n", {"cpu.max": "100000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "max 100000\n"}, math.inf),
        ("0::/a/b\n", {"a/cpu.max": "250000 100000\n", "a/b/cpu.max": "max 100000\n"}, 2.5),
        ("0::/a/b\n", {"a/cpu.max": "400000 100000\n", "a/b/cpu.max": "50000 100000\n"}, 0.5),
        ("0::/of/the/host\n", {"cpu.max": "150000 100000\n"}, 1.5),
        (V1, {"cpu,cpuacct/cpu.cfs_quota_us": "200000\n", **PERIOD}, 2),
        (V1, {"cpu,cpuacct/cpu.cfs_quota_us": "-1\n", **PERIOD}, math.inf),
        ("0::/\n", {"cpu.max": "nonsense"}, math.inf),
        ("0::/\n", {}, math.inf),
    ],
)
def test_quotas_of_control_groups(tree, groups, files, quota):
    assert cpu_quota(*tree(groups, **files)) == quota


def test_without_control_groups_there_is_no_quota(tmp_path):
    assert cpu_quota(tmp_path / "cgroup", tmp_path) == math.inf


@pytest.mark.parametrize(("quota", "expected"), [(0.5, 1), (1.5, 2), (math.inf, 8), (99, 8)])
def test_cores_are_the_smaller_of_affinity_and_quota(monkeypatch, quota, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)))
    monkeypatch.setattr(threads, "cpu_quota", lambda *_: quota)
    core_count.cache_clear()
    try:
        assert core_count() == expected
    finally:
        core_count.cache_clear()
