"""The pytest plugin `streamator.testing.fixtures`, as another project's tests use it."""

from __future__ import annotations

import pytest


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest('pytest_plugins = ["streamator.testing.fixtures"]')
    return pytester


def passes(project: pytest.Pytester, code: str, count: int) -> None:
    """Run the tests in ``code``, in their order; there must be ``count``, and all must pass."""
    project.makepyfile(f"from streamator import *\nfrom streamator.store import register_store, stores\n{code}")
    project.runpytest("-p", "no:randomly", "-p", "no:cacheprovider").assert_outcomes(passed=count)


def test_the_fixture_is_the_default_store_of_loggers_and_readers(project: pytest.Pytester) -> None:
    code = """
def test_one(streamator_store):
    with JobLogger() as job:
        job.log("x")
    assert streamator_store.get(job.job_id) is not None
    assert open_store() is open_store("memory") is streamator_store
    assert stores() == [streamator_store]
"""
    passes(project, code, 1)


def test_stores_and_jobs_of_an_earlier_test_are_forgotten(project: pytest.Pytester) -> None:
    code = """
kept = []

def test_first(streamator_store):
    kept.append((streamator_store, open_store("memory", max_jobs=5), JobEmitter(job_id="one")))
    assert JobEmitter.exists("one")

def test_second(streamator_store):
    assert not JobEmitter.exists("one")
    assert streamator_store is not kept[0][0]
    assert open_store("memory", max_jobs=5) is not kept[0][1]
    JobLogger(job_id="one").close()
"""
    passes(project, code, 2)


def test_stores_from_before_the_test_are_there_again_after_it(project: pytest.Pytester) -> None:
    code = """
mine = open_store("memory", max_jobs=5)

def test_with_the_fixture(streamator_store):
    assert mine not in stores()

def test_without_it():
    assert mine in stores() and open_store("memory", max_jobs=5) is mine
"""
    passes(project, code, 2)


def test_names_that_a_test_registers_are_forgotten(project: pytest.Pytester) -> None:
    code = """
def test_first(streamator_store):
    register_store("mine", "streamator:MemoryStore")
    assert open_store("mine") is not streamator_store

def test_second(streamator_store):
    register_store("mine", "streamator.store:MemoryStore")
"""
    passes(project, code, 2)


def test_the_logs_of_dropped_loggers_end_with_their_test(project: pytest.Pytester) -> None:
    code = """
logs = []

def test_first(streamator_store, monkeypatch):
    monkeypatch.setattr("threading.Thread.start", lambda thread: None)  # the one that would end the log
    job = JobLogger()
    logs.append(streamator_store.get(job.job_id).log)
    del job
    assert not logs[0].closed

def test_second():
    assert logs[0].closed
"""
    passes(project, code, 2)


def test_it_can_be_on_for_every_test_by_a_setting(project: pytest.Pytester) -> None:
    project.makepyprojecttoml('[tool.pytest.ini_options]\nusefixtures = ["streamator_store"]')
    code = """
import pytest

@pytest.mark.parametrize("run", range(2))
def test_the_same_id_is_free_each_time(run):
    JobLogger(job_id="one").close()
"""
    passes(project, code, 2)


def test_the_plugin_is_off_where_nobody_loads_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_one(streamator_store): pass")
    result = pytester.runpytest("-p", "no:randomly", "-p", "no:cacheprovider")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*fixture 'streamator_store' not found*"])
