"""POST /hl7: the same promise as MLLP in the words of HTTP."""

import asyncio
import contextlib

import httpx
import pytest
import structlog

from streams.listen import http_connection
from streams.listen.durable import Away
from streams.listen.http import MESSAGE_ID_HEADER
from streams.listen.mllp_client import read_ack
from tests.listen.test_mllp import (
    MARKER,
    certificates,
    client_context,
    count,
    counted,
    message,
    run,
    serving,
    tls_settings,
)

__all__ = ["certificates"]

HL7 = {"Content-Type": "application/hl7-v2"}


@contextlib.asynccontextmanager
async def posting(tmp_path, **overrides):
    async with serving(tmp_path, http=True, **overrides) as running:
        base = f"http://127.0.0.1:{running.http.port}"
        async with httpx.AsyncClient(base_url=base, timeout=10) as client:
            yield running, client


CASES = {
    "stored": (message("a"), HL7, 200, "AA", "a"),
    "stored, ER7": (message("a"), {"Content-Type": "x-application/hl7-v2+er7; charset=utf-8"}, 200, "AA", "a"),
    "stored, enhanced": (message("a", accept="AL"), HL7, 200, "CA", "a"),
    "no acknowledgement wanted": (message("a", accept="NE", application="NE"), HL7, 200, None, None),
    "empty": (b"", HL7, 400, "AR", ""),
    "not HL7": (b'{"json": true}', HL7, 400, "AR", ""),
    "not ADT": (message("a", kind="ORU^R01"), HL7, 400, "AR", "a"),
    "too large": (message("a", padding=20_000), HL7, 413, "AR", "a"),
    "other content type": (message("a"), {"Content-Type": "text/plain"}, 415, None, None),
}


@pytest.mark.parametrize("name", CASES)
def test_every_answer(tmp_path, name):
    body, headers, status, code, control_id = CASES[name]

    async def story():
        async with posting(tmp_path, max_frame_bytes=16_384) as (running, client):
            answer = await client.post("/hl7", content=body, headers=headers)
            assert answer.status_code == status
            if code:
                ack = read_ack(answer.content)
                assert (ack.code, ack.control_id) == (code, control_id)
                assert answer.headers["content-type"].startswith("application/hl7-v2")
            assert MARKER not in answer.text
            assert [taken.data for taken in running.durable.frames] == ([body] if status == 200 else [])
            assert (MESSAGE_ID_HEADER in answer.headers) == (status == 200)
            assert (await client.post("/hl7", content=message("z"), headers=HL7)).status_code == 200

    run(story())


def test_what_cannot_be_stored_is_503_with_retry_after(tmp_path):
    async def story():
        async with posting(tmp_path) as (running, client):
            running.durable.refuse = Away.BROKER
            with counted("toc_acks_total", code="AE"):
                answer = await client.post("/hl7", content=message("a"), headers=HL7)
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) > 0
            assert read_ack(answer.content).code == "AE"

    run(story())


def test_more_at_once_than_is_held_is_429_with_retry_after(tmp_path):
    async def story():
        async with posting(tmp_path, max_buffered_bytes=1 << 20, max_frame_bytes=4 << 20) as (running, client):
            answer = await client.post("/hl7", content=message("a", padding=2 << 20), headers=HL7)
            assert answer.status_code == 429
            assert int(answer.headers["retry-after"]) > 0
            assert running.durable.frames == []
            assert (await client.post("/hl7", content=message("z"), headers=HL7)).status_code == 200

    run(story())


def test_only_post_and_only_this_path(tmp_path):
    async def story():
        async with posting(tmp_path) as (_, client):
            assert (await client.get("/hl7")).status_code == 405
            assert (await client.put("/hl7", content=b"x")).status_code == 405
            assert (await client.post("/", content=b"x")).status_code == 404

    run(story())


def test_the_token_is_asked_for(tmp_path):
    async def story():
        async with posting(tmp_path, http_token="right") as (running, client):
            for wrong in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic right"}):
                assert (await client.post("/hl7", content=message("a"), headers=HL7 | wrong)).status_code == 401
            assert not running.durable.frames
            right = HL7 | {"Authorization": "Bearer right"}
            assert (await client.post("/hl7", content=message("a"), headers=right)).status_code == 200

    run(story())


def test_an_endless_body_ends_at_the_limit_and_a_slow_one_at_the_deadline(tmp_path):
    async def endless():
        while True:
            yield b"x" * 4096

    async def slow():
        for _ in range(100):
            yield b"M"
            await asyncio.sleep(0.05)

    async def story():
        async with posting(tmp_path, max_frame_bytes=16_384, frame_seconds=0.3) as (running, client):
            with counted("toc_refused_total", code="frame_too_large"), contextlib.suppress(httpx.TransportError):
                assert (await client.post("/hl7", content=endless(), headers=HL7)).status_code == 413
            with counted("toc_refused_total", code="frame_timeout"), contextlib.suppress(httpx.TransportError):
                assert (await client.post("/hl7", content=slow(), headers=HL7)).status_code == 408
            assert not running.durable.frames
            assert running.http.limits.held == 0
            assert (await client.post("/hl7", content=message("a"), headers=HL7)).status_code == 200

    run(story())


def test_a_request_that_does_not_begin_and_too_many_connections(tmp_path, monkeypatch):
    monkeypatch.setattr(http_connection, "_BEGIN_SECONDS", 0.3)

    async def story():
        async with serving(tmp_path, http=True, max_connections_per_peer=3) as running:
            slow = [await asyncio.open_connection("127.0.0.1", running.http.port) for _ in range(3)]
            for _, writer in slow:
                writer.write(b"POST /hl7 HT")
            await asyncio.sleep(0.05)
            reader, fourth = await asyncio.open_connection("127.0.0.1", running.http.port)
            with contextlib.suppress(ConnectionResetError):
                assert await asyncio.wait_for(reader.read(), 2) == b""
            for reader, _ in slow:
                with contextlib.suppress(ConnectionResetError):
                    assert await asyncio.wait_for(reader.read(), 2) == b""
            for writer in [fourth, *(writer for _, writer in slow)]:
                writer.close()
            async with httpx.AsyncClient() as client:
                for _ in range(3):
                    url = f"http://127.0.0.1:{running.http.port}/hl7"
                    assert (await client.post(url, content=message("a"), headers=HL7)).status_code == 200
                    await asyncio.sleep(0.2)
            assert count("toc_connections", way="http") <= 1

    run(story())


def test_tls_with_client_certificates(tmp_path, certificates):
    async def story():
        async with serving(tmp_path, http=True, **tls_settings(certificates)) as running:
            url = f"https://127.0.0.1:{running.http.port}/hl7"
            async with httpx.AsyncClient(verify=client_context(certificates, "client")) as client:
                assert (await client.post(url, content=message("a"), headers=HL7)).status_code == 200
            async with httpx.AsyncClient(verify=client_context(certificates)) as client:
                with pytest.raises(httpx.TransportError):
                    await client.post(url, content=message("b"), headers=HL7)
            assert len(running.durable.frames) == 1

    run(story())


async def raw(running, request, seconds=5):
    """What comes back to these bytes; the connection is closed by us when nothing more does."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.http.port)
    writer.write(request)
    try:
        return await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), seconds)
    finally:
        writer.close()


BODY = message("a")
TYPE = b"Content-Type: application/hl7-v2\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
HERE = b"Host: localhost:2580\r\n"
REQUESTS = {
    "localhost": (HERE + TYPE + LENGTH, BODY, 200),
    "IPv4": (b"Host: 127.0.0.1:2580\r\n" + TYPE + LENGTH, BODY, 200),
    "IPv6": (b"Host: [::1]:2580\r\n" + TYPE + LENGTH, BODY, 200),
    "a name that was pointed here": (b"Host: attacker.example:2580\r\n" + TYPE + LENGTH, BODY, 403),
    "an address that is not loopback": (b"Host: 0.0.0.0:2580\r\n" + TYPE + LENGTH, BODY, 403),
    "a web page": (HERE + b"Origin: http://localhost:8080\r\n" + TYPE + LENGTH, BODY, 403),
    "half a host": (b"Host: [::1\r\n" + TYPE + LENGTH, BODY, 400),
    "no host that could be one": (b"Host: a b\r\n" + TYPE + LENGTH, BODY, 400),
    "length and chunks": (HERE + TYPE + LENGTH + CHUNKED, b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY), 400),
    "two lengths": (HERE + TYPE + LENGTH + b"Content-Length: 3\r\n", BODY, 400),
    "gzip": (HERE + TYPE + b"Content-Encoding: gzip\r\n" + LENGTH, BODY, 415),
    "not compressed": (HERE + TYPE + b"Content-Encoding: identity\r\n" + LENGTH, BODY, 200),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_two_readers_may_understand_in_two_ways(tmp_path, name):
    headers, body, status = REQUESTS[name]

    async def story():
        async with posting(tmp_path) as (running, _):
            head = await raw(running, b"POST /hl7 HTTP/1.1\r\n" + headers + b"\r\n" + body)
            assert head.startswith(b"HTTP/1.1 %d " % status)
            assert len(running.durable.frames) == (status == 200)

    run(story())


def test_gzip_is_told_to_come_plain(tmp_path):
    async def story():
        async with posting(tmp_path) as (_, client):
            answer = await client.post("/hl7", content=BODY, headers=HL7 | {"Content-Encoding": "gzip"})
            assert (answer.status_code, "plain" in answer.text) == (415, True)

    run(story())


def test_with_a_token_any_host_is_heard(tmp_path):
    async def story():
        async with posting(tmp_path, http_token="right") as (_, client):
            headers = HL7 | {"Host": "handoff.example", "Authorization": "Bearer right"}
            assert (await client.post("/hl7", content=BODY, headers=headers)).status_code == 200

    run(story())


def test_guesses_of_the_token_are_limited_and_logged(tmp_path):
    async def story():
        async with posting(tmp_path, http_token="right") as (_, client):
            with structlog.testing.capture_logs() as logs, counted("toc_token_guesses_total", by=10):
                answers = [
                    await client.post("/hl7", content=BODY, headers=HL7 | {"Authorization": f"Bearer guess{n}"})
                    for n in range(50)
                ]
            assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 40
            assert 0 < int(answers[-1].headers["retry-after"]) <= 60
            assert [entry["times"] for entry in logs if entry["event"] == "http_wrong_token"] == [1, 10]
            assert not any("guess" in str(entry) or "right" in str(entry) for entry in logs)

    run(story())


def test_who_showed_the_right_token_goes_on_beside_one_that_guesses_at_the_same_address(tmp_path):
    async def story():
        async with posting(tmp_path, http_token="right") as (_, client):

            async def said(token):
                return (await client.post("/hl7", content=BODY, headers=HL7 | {"Authorization": token})).status_code

            assert await said("Bearer right") == 200
            assert [await said(f"Bearer guess{n}") for n in range(12)] == [401] * 10 + [429] * 2
            assert await said("Bearer right") == 200
            assert await said("Bearer guess99") == 429

    run(story())


def test_a_right_token_that_was_never_shown_waits_as_a_guess_does(tmp_path):
    async def story():
        async with posting(tmp_path, http_token="right") as (_, client):
            for token in [f"guess{n}" for n in range(10)]:
                await client.post("/hl7", content=BODY, headers=HL7 | {"Authorization": f"Bearer {token}"})
            answer = await client.post("/hl7", content=BODY, headers=HL7 | {"Authorization": "Bearer right"})
            assert answer.status_code == 429

    run(story())


def test_uploads_share_one_budget_with_mllp_and_stay_within_it(tmp_path):
    """Sixty slow uploads without a length, beside an unfinished frame: never more than the setting in all."""

    async def endless(gate):
        for _ in range(40):
            yield b"x" * 65536
            await asyncio.sleep(0)
        await gate.wait()

    async def upload(client, gate):
        with contextlib.suppress(httpx.TransportError):
            return (await client.post("/hl7", content=endless(gate), headers=HL7)).status_code
        return 429

    async def story():
        limit = 16 << 20
        async with posting(tmp_path, max_buffered_bytes=limit) as (running, client):
            gate = asyncio.Event()
            uploads = [asyncio.create_task(upload(client, gate)) for _ in range(60)]
            most = 0
            for _ in range(150):
                await asyncio.sleep(0.01)
                most = max(most, running.http.limits.held)
            assert limit // 4 < most <= limit
            answered = [task.result() for task in uploads if task.done()]
            assert answered
            assert set(answered) == {429}
            gate.set()
            await asyncio.gather(*uploads)
            assert running.http.limits.held == 0

    run(story())
