"""What is free: of the machine, and of the container that one runs in."""

from nbmerge.engine.cost.available_memory import available_memory


def put(root, **files):
    for name, text in files.items():
        file = root / name.replace("__", "/").replace("_DOT_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def test_of_the_machine(tmp_path):
    put(tmp_path, proc__meminfo="MemTotal: 100 kB\nMemAvailable:  50 kB\n")
    assert available_memory(tmp_path) == 50 * 1024


def test_of_a_container(tmp_path):
    put(tmp_path, proc__meminfo="MemAvailable: 1000 kB\n", proc__self__cgroup="0::/job/one\n")
    group = {
        "memory_DOT_max": "9000",
        "memory_DOT_current": "5000",
        "memory_DOT_stat": "anon 1\ninactive_file 700\nactive_file 90\n",
    }
    put(tmp_path, **{f"sys__fs__cgroup__job__one__{k}": v for k, v in group.items()})
    assert available_memory(tmp_path) == 9000 - 5000 + 790
    put(tmp_path, sys__fs__cgroup__job__one__memory_DOT_max="max\n")
    assert available_memory(tmp_path) == 1000 * 1024


def test_of_an_older_container(tmp_path):
    put(tmp_path, proc__meminfo="MemAvailable: 1000 kB\n", proc__self__cgroup="4:memory:/job\n3:cpu:/job\n")
    group = {
        "memory_DOT_limit_in_bytes": "9000",
        "memory_DOT_usage_in_bytes": "8000",
        "memory_DOT_stat": "total_inactive_file 1\n",
    }
    put(tmp_path, **{f"sys__fs__cgroup__memory__job__{k}": v for k, v in group.items()})
    assert available_memory(tmp_path) == 1001


def test_memory_of_this_machine_is_available():
    assert available_memory() > 0
