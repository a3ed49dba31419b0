"""Under gevent threads are greenlets of one thread, and an event loop in one of them would be everybody's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from host import Host, Viewer, eventually
from redis_server import RedisServer
from streamator import JobLogger, RedisStore

COMMAND = "gunicorn flask_web:app -k gevent"


def test_jobs_of_other_processes_are_shown_by_flask_under_gevent(tmp_path: Path) -> None:
    with RedisServer() as redis, Host(COMMAND, tmp_path / "server.log", REDIS_URL=redis.url) as host:
        store = RedisStore(url=redis.url)
        jobs = [JobLogger(store) for _ in range(12)]
        for job in jobs:
            job.log("one")
        assert store.flush() == 0
        with ThreadPoolExecutor(12) as pool:
            paths = [f"/log/{job.job_id}" for job in jobs]
            for answer in pool.map(host.client.get, paths):
                assert answer.status_code == 200, answer.text + host.output.read_text()
                assert [event["message"] for event in answer.json()["logs"]] == ["one"]
        viewers = [Viewer(host, job.job_id) for job in jobs]
        eventually(lambda: all(viewer.sees for viewer in viewers), "the first lines")
        assert [host.ask("/loop") for _ in range(5)] == [42] * 5  # a user's own event loops run beside ours
        for job in jobs:
            for n in range(100):
                job.log(f"line {n}")
            job.close()
        for viewer in viewers:
            viewer.join(30)
            assert viewer.text.count("\ndata: ") == 102 and "done" in viewer.text, host.output.read_text()
        store.close()
