from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from starlette.datastructures import State
from streamator import MemoryStore, follow

from app.agents import workers
from app.agents.events import AGENTS, AgentEvent
from app.agents.findings import DocumentFindings, Findings
from app.agents.job import Agents, work
from app.agents.workers import Outcome, Report
from app.database import Database
from app.documents import DocumentVersion, SourceDocument
from app.jobs import SYSTEM, JobRunner, JobTable, runner
from app.jobs.engines.inline import InlineEngine
from app.processes import Processes
from app.searches import Searches
from app.users import LOCAL_USER, User
from tests.agents.shelf import BRIDGES, CATS, Shelf
from tests.earlier import earlier_database
from tests.here import Here
from tests.support import eventually_async

pytestmark = pytest.mark.anyio

T = TypeVar("T")


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' documents tell nobody that they are there: what was missed is looked for all the time."""
    monkeypatch.setattr(work, "missed_every", 0.01)
    monkeypatch.setattr(runner, "TICK_SECONDS", 0.01)


async def until(condition: Callable[[], Awaitable[T]], seconds: float = 10.0) -> T:
    """What `condition` comes to give as soon as it is true."""
    deadline = time.monotonic() + seconds
    while not (result := await condition()):
        assert time.monotonic() < deadline, f"still false after {seconds} s"
        await asyncio.sleep(0.01)
    return result


class World:
    """What servers share: the data, and the store that holds the logs."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.store = MemoryStore()
        self.shelf = Shelf()
        self.servers: list[Server] = []

    async def open(self) -> None:
        self.database = Database(self.url)
        await self.database.open()
        self.findings = Findings(self.database, Searches(self.database, Here()))

    def begin(self, **options: Any) -> Server:
        """Starts a server."""
        self.servers.append(Server(self, options))
        return self.servers[-1]

    async def runs(self, user: User = LOCAL_USER) -> list[str]:
        """The runs of a user, the newest first."""
        records = await JobTable(self.database).latest(99, user=SYSTEM, kind="agents", source=user.id)
        return [record.job_id for record in records]

    async def run_id(self, user: User = LOCAL_USER) -> str:
        """The run that is shown, once there is one."""

        async def begun() -> list[str]:
            return [run for run in await self.runs(user) if self.store.get(run) is not None]

        return (await until(begun))[0]

    def reports(self, run_id: str) -> list[AgentEvent]:
        """What the agents have reported to a run so far."""
        job = self.store.get(run_id)
        assert job is not None
        events: list[Mapping[str, Any]] = list(job.log.read(0))
        return [AgentEvent.model_validate(each) for each in events if "stream" in each]

    async def known(self, identifier: str, *, user: User = LOCAL_USER) -> DocumentFindings:
        """What is known of a document, once all three have worked on it."""

        async def all_worked() -> DocumentFindings | None:
            found = await self.findings.latest(1, user=user, document_id=identifier)
            return found[0] if found and len(found[0].work) == 3 else None

        return cast(DocumentFindings, await until(all_worked))


class Server:
    """A server with the agents and nothing else."""

    def __init__(self, world: World, options: dict[str, Any]) -> None:
        state, self._engine = State(), InlineEngine()
        self.jobs = JobRunner(JobTable(world.database), world.store, [work], state, self._engine, limit=1, pause=0.01)
        self.agents = state.agents = Agents(world.findings, [world.shelf], Here(), self.jobs, **options)
        self._watch = asyncio.create_task(self.jobs.watch())

    async def stop(self) -> None:
        self._watch.cancel()
        await self.jobs.shutdown()
        await self._engine.close()


@asynccontextmanager
async def world_at(url: str) -> AsyncIterator[World]:
    world = World(url)
    await world.open()
    try:
        yield world
    finally:
        for server in world.servers:
            await server.stop()
        await world.database.close()


@pytest.fixture
async def world(database_url: str, anyio_backend: str) -> AsyncIterator[World]:
    async with world_at(database_url) as made:
        yield made


def is_over(reports: Sequence[AgentEvent]) -> bool:
    """Whether the coordinator has reported that all are done with a document: it does so after all others."""
    return any(each.payload.agent_name == "coordinator" and each.payload.status == "completed" for each in reports)


async def test_each_new_document_is_tagged_summed_up_and_indexed(world: World) -> None:
    world.shelf.put("d1")
    world.begin()
    known = await world.known("d1")
    assert known.title == "Title of d1"
    assert known.tags[0] == "suspension bridge"
    assert known.summary == BRIDGES.replace(". ", ".\n").split("\n")
    assert {(each.agent_name, each.status) for each in known.work} == {
        ("tagger", "completed"), ("summariser", "completed"), ("indexer", "completed"),
    }  # fmt: skip
    world.shelf.put("d2")
    assert (await world.known("d2")).document_id == "d2"  # it came while the coordinator waited


async def test_each_agent_reports_from_register_to_complete_in_the_documented_form(world: World) -> None:
    world.shelf.put("d1")
    world.begin()
    await world.known("d1")
    run_id = await world.run_id()
    await eventually_async(lambda: is_over(world.reports(run_id)))
    for agent in AGENTS:
        told = [each for each in world.reports(run_id) if each.payload.agent_name == agent]
        assert [(told[0].event, told[0].source_id, told[0].payload.status)] == [("heartbeat", agent, "waiting")]
        about = [each for each in told if each.event != "heartbeat"]
        assert {each.source_id for each in about} == {"d1"}
        assert (about[0].event, about[0].payload.status, about[0].payload.progress) == (
            "activity_registered",
            "running",
            0,
        )
        assert {each.event for each in about[1:-1]} == {"activity_updated"}
        assert (about[-1].event, about[-1].payload.status, about[-1].payload.progress) == (
            "activity_completed",
            "completed",
            100,
        )
        progress = [each.payload.progress for each in about]
        assert progress == sorted(progress)
    job = world.store.get(run_id)
    assert job is not None
    raw = next(each for each in job.log.read(0) if each["event"] == "activity_registered")
    assert set(raw) == {"stream", "source_id", "event", "timestamp", "payload", "t"}
    assert set(raw["payload"]) == {"agent_name", "status", "message", "progress"}
    results = {each.payload.agent_name: each.payload.result for each in world.reports(run_id) if each.payload.result}
    assert results["tagger"]["tags"][0] == "suspension bridge"
    assert set(results) == {"tagger", "summariser"}


async def test_a_worker_that_fails_says_so_and_is_not_asked_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    async def broken(document: SourceDocument, report: Report, processes: Processes) -> Outcome:
        asked.append(document.id)
        raise ZeroDivisionError("by nothing")

    monkeypatch.setitem(workers.WORKERS, "tagger", broken)
    world.shelf.put("d1")
    world.begin()
    known = await world.known("d1")
    assert {each.agent_name: each.status for each in known.work}["tagger"] == "failed"
    assert (known.tags, bool(known.summary)) == ([], True)
    told = [each for each in world.reports(await world.run_id()) if each.event != "heartbeat"]
    last = [each for each in told if each.payload.agent_name == "tagger"][-1]
    assert (last.event, last.payload.status) == ("activity_completed", "failed")
    assert "“Title of d1”: unexpected ZeroDivisionError" in last.payload.message
    assert "by nothing" not in last.payload.message  # that is for the server's log
    world.shelf.put("d2")
    await world.known("d2")
    assert asked == ["d1", "d2"]


async def test_what_is_done_is_not_done_again_and_what_was_under_way_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def endless(document: SourceDocument, report: Report, processes: Processes) -> Outcome:
        begun.set()
        await asyncio.sleep(60)
        raise AssertionError

    world.shelf.put("d1")
    with monkeypatch.context() as patched:
        patched.setitem(workers.WORKERS, "tagger", endless)
        first = world.begin()
        await begun.wait()

        async def others_done() -> bool:
            return len((await world.findings.done()).get(("d1", 1), ())) == 2

        await until(others_done)
        await first.stop()
    run_id = await world.run_id()
    before = len(world.reports(run_id))
    world.begin()
    await world.known("d1")
    assert await world.runs() == [run_id], "the same run goes on, as its next attempt"
    agents = {each.payload.agent_name for each in world.reports(run_id)[before:] if each.source_id == "d1"}
    assert agents == {"coordinator", "tagger"}


async def test_of_two_servers_one_works_on_a_document_and_any_can(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag, asked = workers.WORKERS["tagger"], list[str]()

    async def noting(document: SourceDocument, report: Report, processes: Processes) -> Outcome:
        asked.append(document.id)
        return await tag(document, report, processes)

    monkeypatch.setitem(workers.WORKERS, "tagger", noting)
    first = world.begin()
    world.begin()
    world.shelf.put("d1")
    await world.known("d1")
    await first.stop()
    world.shelf.put("d2")
    await world.known("d2")
    assert asked == ["d1", "d2"]


async def test_a_document_that_is_told_of_is_worked_on_without_a_sweep(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "missed_every", 3_600.0)
    server = world.begin()
    assert await world.runs() == []
    world.shelf.put("d1")
    await server.agents.start(LOCAL_USER.id)
    await world.known("d1")


async def test_a_long_run_ends_as_completed_and_the_next_one_follows(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        world.shelf.put(f"d{number}")
    world.begin(run_events=20)
    first = await world.run_id()
    log = await world.store.find(first)
    assert log is not None
    events = [each async for batch in follow(log) for each in batch]
    assert (events[-1]["event"], events[-1]["status"]) == ("done", "completed")
    assert len(events) < 60
    monkeypatch.setattr(work, "missed_every", 3_600.0)  # it needs no sweep for that
    await world.known("d2")
    last = (await world.runs())[0]
    assert last != first
    assert [each.event for each in world.reports(last)][: len(AGENTS)] == ["heartbeat"] * len(AGENTS)


async def test_agents_at_work_show_that_they_are_there_and_at_the_end_that_they_wait(world: World) -> None:
    for number in range(3):
        world.shelf.put(f"d{number}")
    world.begin(heartbeat=0.0)
    log = await world.store.find(await world.run_id())
    assert log is not None
    reports = [each async for batch in follow(log) for each in batch if each.get("event") == "heartbeat"]
    messages = [each["payload"]["message"] for each in reports]
    assert messages == [each for each in ["At hand", *["At work"] * 3, "Waiting for documents"] for _ in AGENTS]


async def test_what_is_known_of_a_deleted_document_is_forgotten(world: World) -> None:
    world.shelf.put("d1")
    world.shelf.put("d2")
    world.begin()
    await world.known("d1")
    assert [each.document_id for each in (await world.known("d2")).related] == ["d1"]
    del world.shelf.documents["d1"]

    async def forgotten() -> bool:
        return not await world.findings.latest(1, user=LOCAL_USER, document_id="d1")

    await until(forgotten)
    assert (await world.known("d2")).related == []


async def test_of_a_document_that_has_changed_only_what_it_is_now_is_known(world: World) -> None:
    world.shelf.put("d1")
    world.shelf.put("d2")
    world.begin()
    await world.known("d1")
    assert (await world.known("d2")).related
    world.shelf.put("d1", CATS)

    async def worked_on_anew() -> bool:
        return len((await world.findings.done()).get(("d1", 2), ())) == 3

    await until(worked_on_anew)
    known = await world.known("d1")
    assert (known.tags[0], known.related) == ("cat", [])
    assert (await world.known("d2")).related == []
    assert set(await world.findings.done()) == {("d1", 2), ("d2", 1)}


async def test_a_version_that_comes_while_the_one_before_is_worked_on_is_worked_on_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag, begun, go_on = workers.WORKERS["tagger"], asyncio.Event(), asyncio.Event()

    async def slow(document: SourceDocument, report: Report, processes: Processes) -> Outcome:
        begun.set()
        await go_on.wait()
        return await tag(document, report, processes)

    monkeypatch.setitem(workers.WORKERS, "tagger", slow)
    world.shelf.put("d1")
    world.begin()
    await begun.wait()
    world.shelf.put("d1", CATS)
    go_on.set()

    async def worked_on_anew() -> bool:
        return len((await world.findings.done()).get(("d1", 2), ())) == 3

    await until(worked_on_anew)
    assert (await world.known("d1")).tags[0] == "cat"


@pytest.mark.parametrize(
    ("text", "same", "other"),
    [
        (
            "城市很大。城市的河流很宽，河流由北向南穿过城市。",
            "我们的城市很大，有一条河流从中间穿过，春天河流的水很多。",
            "弟弟每天去学校。老师教他写字，他喜欢他的老师和学校。",
        ),
        (
            "灯台は海を照らします。灯台の光は遠くから見えます。船は光を頼りにします。",
            "古い灯台の光は遠くまで船に岩を知らせる。",
            "祖母は庭で野菜を育てます。野菜は市場で売ります。",
        ),
        (
            "สะพานยาวมาก สะพานนี้ข้ามแม่น้ำ แม่น้ำกว้าง",
            "แม่น้ำสายนี้มีสะพานเก่าแก่และสะพานใหม่ที่ยาวกว้าง",
            "แม่ซื้อผลไม้ที่ตลาด ผลไม้หวานมาก ตลาดใหญ่",
        ),
        (
            "Die STRASSE ist lang. Die Straße führt zur Brücke, die Brücke zur Stadt.",
            "Straße und Brücke: die Brücken der Stadt, und ihre Strassen.",
            "Der Hund schläft. Der Hund frisst und der Hund bellt.",
        ),
    ],
)  # fmt: skip
async def test_documents_about_the_same_are_related_in_any_script(
    world: World, text: str, same: str, other: str
) -> None:
    for identifier, content in (("same", same), ("other", other), ("d1", text)):
        world.shelf.put(identifier, content)
    world.begin()
    for identifier in world.shelf.documents:
        await world.known(identifier)
    assert [each.document_id for each in (await world.known("d1")).related] == ["same"]


async def test_an_index_of_an_earlier_version_is_made_anew(tmp_path: Path) -> None:
    with earlier_database(tmp_path / "app.db", agents=2) as connection:
        for number, agent in enumerate(workers.WORKERS, 1):
            row = (number, "d1", agent, "local", "T", "completed", '{"tags": ["cables"]}', "2026-01-01T00:00:00+00:00")
            connection.execute(
                "INSERT INTO agent_findings (position, document_id, agent_name, user_id, title, status, found, "
                "finished_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            if agent == "indexer":
                connection.execute("INSERT INTO agent_index (rowid, text) VALUES (?, ?)", (number, BRIDGES))
    async with world_at(f"sqlite:///{tmp_path / 'app.db'}") as world:
        assert await world.findings.done() == {("d1", 1): {"tagger", "summariser"}}
        world.shelf.put("d1")
        world.shelf.put("d2")
        world.begin()
        await world.known("d1")
        assert [each.document_id for each in (await world.known("d2")).related] == ["d1"]


async def test_documents_about_something_else_are_not_related(world: World) -> None:
    world.shelf.put("d1")
    world.shelf.put("d2", CATS)
    world.begin()
    await world.known("d1")
    assert (await world.known("d2")).related == []


async def test_the_many_documents_of_one_user_do_not_hold_up_another(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    index, others = workers.WORKERS["indexer"], asyncio.Event()

    async def noting(document: SourceDocument, report: Report, processes: Processes) -> Outcome:
        order.append(document.id)
        if document.id == "a1":  # comes while the first is worked on
            world.shelf.put("b1", user=User("b", "Ben"))
        if document.id == "b1":
            others.set()
        if document.id == "a2":
            await asyncio.wait_for(others.wait(), 10)
        return await index(document, report, processes)

    monkeypatch.setitem(workers.WORKERS, "indexer", noting)
    for number in range(1, 6):
        world.shelf.put(f"a{number}", user=User("a", "Ann"))
    world.begin()
    await eventually_async(lambda: len(order) == 6)
    assert order.index("b1") < order.index("a3")
    assert [each for each in order if each != "b1"] == ["a1", "a2", "a3", "a4", "a5"]


async def test_findings_are_their_users_alone(world: World) -> None:
    alice, bob = User("a", "Alice"), User("b", "Bob")
    world.shelf.put("d1", user=alice)
    world.shelf.put("d2", user=bob)
    world.begin()
    assert (await world.known("d1", user=alice)).related == []
    await world.known("d2", user=bob)
    assert [each.document_id for each in await world.findings.latest(9, user=alice)] == ["d1"]
    assert not await world.findings.forget("d2", alice)
    for user, document in ((alice, "d1"), (bob, "d2")):
        reports = world.reports(await world.run_id(user))
        owners = {each.source_id: each.user_id for each in reports}
        assert {source: owner for source, owner in owners.items() if source not in AGENTS} == {document: user.id}
        assert {owners[agent] for agent in AGENTS} == {None}


async def test_they_begin_again_after_a_fault_of_the_data(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    failing, failed = True, asyncio.Event()
    document_versions = world.shelf.document_versions

    async def flaky() -> Mapping[str, DocumentVersion]:
        if failing:
            failed.set()
            raise OSError("the disk is gone")
        return await document_versions()

    monkeypatch.setattr(world.shelf, "document_versions", flaky)
    world.shelf.put("d1")
    world.begin()

    await failed.wait()
    failing = False
    await world.known("d1")
