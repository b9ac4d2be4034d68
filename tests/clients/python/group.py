"""The members of a group, each with a client that knows it alone."""

import sys
import time

from kubernetes import client, config

MEMBERS_COUNT = 3
PATIENCE_SECONDS = 30


class Group:
    """All members, as a kubeconfig's contexts name them."""

    def __init__(self, kubeconfig):
        names = [f"node-{i}" for i in range(1, MEMBERS_COUNT + 1)]
        self.clients = [config.new_client_from_config(kubeconfig, name) for name in names]
        self._turn = 0

    def on(self, i):
        """A client of member i, from 1."""
        return self.clients[i - 1]

    def next(self):
        """A client of another member than the last."""
        self._turn = self._turn % MEMBERS_COUNT + 1
        return self.on(self._turn)

    def core(self):
        """The next member's core API."""
        return client.CoreV1Api(self.next())

    def apps(self):
        """The next member's apps API."""
        return client.AppsV1Api(self.next())

    def ask(self, request):
        """Has the test do something to the group and waits until it is done."""
        print(f"ask: {request}", flush=True)
        return sys.stdin.readline().strip()


def step(text):
    """Tells what is checked from here on."""
    print(text, flush=True)


def refused(status, call, *arguments, **options):
    """The error of a call that must be refused with a status."""
    try:
        answer = call(*arguments, **options)
    except client.ApiException as error:
        assert error.status == status, error
        return error
    raise AssertionError(f"{call.__name__} is not refused: {answer}")


def eventually(what, holds):
    """Waits until holds() does."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.05)
