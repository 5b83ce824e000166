"""Promised: work is done once, whoever does it, and its errors come back."""

import os
import threading
import time

import numpy as np
import pytest

from bgsub.kernels import source, threads


@pytest.mark.parametrize("total", [1, 2, 7, 1000])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_number_is_worked_on_once(total, count):
    done = np.zeros(total, int)

    def work(first, last):
        done[first:last] += 1

    for _ in range(20):
        threads.split(work, total, count)
    assert (done == 20).all()


def test_other_threads_help():
    who = set()

    def work(first, last):
        who.add(threading.get_ident())
        time.sleep(0.02)

    threads.split(work, 100, 3)
    assert len(who) == 3


def test_an_error_comes_back_when_all_has_ended():
    running = []

    def work(first, last):
        running.append(first)
        time.sleep(0.001)
        running.remove(first)
        if first > 50:
            raise ValueError("beyond 50")

    with pytest.raises(ValueError, match="beyond 50"):
        threads.split(work, 100, 2)
    assert running == []
    threads.split(lambda first, last: None, 100, 2)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_work_that_hands_itself_out_is_done_when_share_returns(count):
    for _ in range(3):
        taken, done, lock = [], [], threading.Lock()

        def work(rest, taken=taken, done=done, lock=lock):
            while True:
                with lock:
                    piece = len(taken)
                    if piece == 20:
                        return len(done) == 20
                    taken.append(threading.get_ident())
                time.sleep(0.01)
                done.append(piece)

        threads.share(lambda work=work: work, count)
        assert sorted(done) == list(range(20))
        assert len(set(taken)) == count


def test_an_error_of_a_helper_comes_back_when_no_other_is_at_work():
    me, inside = threading.get_ident(), []

    def work(rest):
        inside.append(rest)
        time.sleep(0.02)
        inside.remove(rest)
        if threading.get_ident() != me:
            raise ValueError("a piece is lost")
        return False

    with pytest.raises(ValueError, match="a piece is lost"):
        threads.share(lambda: work, 3)
    assert inside == []


def test_the_callers_error_waits_for_the_helpers():
    me, inside = threading.get_ident(), []

    def work(rest):
        if threading.get_ident() == me:
            time.sleep(0.01)
            raise KeyboardInterrupt
        inside.append(rest)
        time.sleep(0.05)
        inside.remove(rest)
        return True

    with pytest.raises(KeyboardInterrupt):
        threads.share(lambda: work, 3)
    assert inside == []


def test_others_wake_while_the_work_is_prepared(monkeypatch):
    """They wait for it, and take part."""
    steps, meet, call = [], threading.Barrier(3), threads._call

    def noted(helpers, job):
        call(helpers, job)
        steps.append("called")

    def prepare():
        time.sleep(0.02)
        steps.append("prepared")
        return work

    def work(rest):
        steps.append("begun")
        meet.wait(timeout=20)
        return True

    monkeypatch.setattr(threads, "_call", noted)
    threads.share(prepare, 3)
    assert steps == ["called", "prepared", *["begun"] * 3]


def test_an_error_of_the_preparation_comes_back_and_leaves_no_one_waiting():
    def prepare():
        time.sleep(0.02)
        raise ValueError("nothing to do")

    for _ in range(3):
        with pytest.raises(ValueError, match="nothing to do"):
            threads.share(prepare, 3)
    waiting = [t for t in threading.enumerate() if t.name == "bgsub-kernel"]
    end = time.perf_counter() + 5
    while len(threads._idle) < len(waiting) and time.perf_counter() < end:
        time.sleep(0.01)
    assert len(threads._idle) == len(waiting)


def test_a_late_helper_finds_nothing_to_do(monkeypatch):
    """The caller does not wait for it, and it does not touch what the caller has gone on with."""
    late, called = [], []
    monkeypatch.setattr(threads, "_call", lambda helpers, job: late.append(job))
    threads.share(lambda: lambda rest: bool(called.append(rest)) or True, 2)
    late[0].wait()
    late[0].help()
    assert called == [0]


def test_two_callers_at_once_do_not_mix():
    def caller(out):
        def work(first, last):
            time.sleep(0.0005)
            out[first:last] += 1

        for _ in range(10):
            threads.split(work, out.size, 2)

    counts = [np.zeros(64, int) for _ in range(4)]
    callers = [threading.Thread(target=caller, args=[c]) for c in counts]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join()
    assert all((c == 10).all() for c in counts)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own():
    threads.split(lambda first, last: None, 100, 2)
    child = os.fork()
    if child == 0:
        done = np.zeros(100, int)

        def work(first, last):
            done[first:last] += 1

        threads.split(work, 100, 2)
        os._exit(0 if (done == 1).all() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_kernels_are_written_once_whatever_number_of_threads_asks(monkeypatch, tmp_path):
    """On a first start all threads of a frame ask for the same kernel at once."""
    monkeypatch.setattr(source, "folder", lambda: tmp_path)
    start, found = threading.Barrier(8), []

    def ask():
        start.wait()
        found.append(source.load(f"MADE_IN = {str(tmp_path)!r}\n"))

    askers = [threading.Thread(target=ask) for _ in range(8)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()

    assert len(found) == 8
    assert len({id(module) for module in found}) == 1
    assert [path.suffix for path in tmp_path.iterdir() if path.is_file()] == [".py"]
