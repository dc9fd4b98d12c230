import threading
import time

from maskstream.live.mailbox import Mailbox


def test_the_newest_wins_and_the_others_are_counted() -> None:
    box = Mailbox()
    for number in range(5):
        box.put(number)
    assert box.get() == 4
    assert box.dropped == 4


def test_nothing_comes_twice() -> None:
    box = Mailbox()
    box.put("once")
    assert box.get() == "once"
    assert box.get(timeout=0.01) is None


def test_who_waits_gets_what_comes() -> None:
    box, got = Mailbox(), []
    waiting = threading.Thread(target=lambda: got.append(box.get(timeout=10)))
    waiting.start()
    box.put("here")
    waiting.join(10)
    assert got == ["here"]


def test_waiting_ends_in_time() -> None:
    start = time.monotonic()
    assert Mailbox().get(timeout=0.05) is None
    assert 0.04 < time.monotonic() - start < 5


def test_closing_releases_who_waits_and_forgets() -> None:
    box, got = Mailbox(), []
    waiting = threading.Thread(target=lambda: got.append(box.get()))
    waiting.start()
    box.close()
    waiting.join(10)
    assert got == [None]
    box.put("late")
    assert box.closed
    assert box.get() is None
