"""Several clusters in one file: which stage opens which, and what such a file may say."""

import pytest

from jpasbatch.compute.clusters.local import LocalCluster
from jpasbatch.compute.clusters.pools import STAGES, PooledCluster, stages_by_cluster
from jpasbatch.compute.clusters.slurm import SlurmCluster
from jpasbatch.compute.clusters.ssh import SshCluster
from jpasbatch.errors import InputError
from jpasbatch.job.job import load_cluster
from jpasbatch.stages.pipeline import stage_function
from jpasbatch.stages.run.reporting import REPORTED

CPU, GPU = LocalCluster(workers=4), LocalCluster(workers=2, resources={"GPU": 1.0})

FILE = """
default = "cpu"
[stages]
train = "gpu"
[pools.cpu]
kind    = "local"
workers = 4
[pools.gpu]
kind      = "local"
workers   = 2
resources = { GPU = 1.0 }
"""


@pytest.fixture
def write(tmp_path):
    def write(text):
        (tmp_path / "cluster.toml").write_text(text, encoding="utf-8")
        return tmp_path / "cluster.toml"

    return write


def test_a_stage_opens_the_pool_that_it_needs_and_no_other(write):
    cluster = load_cluster(write(FILE))
    assert list(stages_by_cluster(cluster, ["mock", "ingest", "train", "infer", "summarise"])) == [
        (CPU, ["mock", "ingest"]),
        (GPU, ["train"]),
        (CPU, ["infer", "summarise"]),
    ]


def test_one_cluster_runs_all_stages_and_one_pool_needs_no_default():
    assert list(stages_by_cluster(CPU, ["train", "infer"])) == [(CPU, ["train", "infer"])]
    assert list(stages_by_cluster(PooledCluster({"only": CPU}), ["train", "infer"])) == [
        (CPU, ["train", "infer"])
    ]


def test_every_stage_that_runs_tasks_may_be_named():
    assert set(STAGES) == set(REPORTED) - {"fetch"}
    assert all(map(stage_function, STAGES))


def test_the_pools_are_described():
    pools = {"cpu": SshCluster(("a", "b")), "gpu": SlurmCluster(gpu="gpu:1")}
    described = PooledCluster(pools, "cpu").describe()
    assert described.workers == 4
    assert "pool cpu: 2 workers" in described.says
    assert "# pool gpu\n#!/" in described.script
    assert "#SBATCH --gres=gpu:1" in described.script


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('default = "cpu"', "", "default is missing"),
        ('default = "cpu"', 'default = "cqu"', r"default: there is no pool 'cqu'; allowed: cpu, gpu"),
        ('train = "gpu"', 'train = "gpus"', r"train: there is no pool 'gpus'"),
        ('train = "gpu"', 'trian = "gpu"', r"\[stages\]: found 'trian'; allowed: mock"),
        ('train = "gpu"', "train = 2", "must name a pool, in quotes"),
        ('default = "cpu"', 'default = "cpu"\nworkers = 2', "unknown key 'workers' beside"),
        ("workers = 4", "workers = 0", r"\[pools.cpu\]: workers"),
        ("workers = 4", "worker = 4", r"\[pools.cpu\].*worker"),
        ('kind    = "local"', "", r"\[pools.cpu\]: 'kind' is missing"),
        (FILE, "pools = 3", "pools must be tables"),
        (FILE, "[pools]", "none is there"),
    ],
)
def test_a_file_that_cannot_be(write, old, new, message):
    with pytest.raises(InputError, match=message):
        load_cluster(write(FILE.replace(old, new)))
