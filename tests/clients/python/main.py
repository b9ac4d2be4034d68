"""The official Python client against every member of a group: main.py KUBECONFIG.

Each step goes to one member after the other and prints what it checks; the program ends at the
first that does not hold.
"""

import sys
import threading

from group import Group, eventually, refused, step
from kubernetes import client, dynamic, utils, watch

NAMESPACE = "default"


def config_map(name, of, value="0"):
    """A config map as the generated types have it."""
    metadata = client.V1ObjectMeta(name=name, labels={"of": of})
    return client.V1ConfigMap(metadata=metadata, data={"a": value})


def life(group):
    step("a config map lives, each request at another member")
    made = group.core().create_namespaced_config_map(NAMESPACE, config_map("life", "life"))
    refused(409, group.core().create_namespaced_config_map, NAMESPACE, config_map("life", "life"))
    read = group.core().read_namespaced_config_map("life", NAMESPACE)
    assert read == made, (made, read)
    read.data["a"] = "1"
    group.core().replace_namespaced_config_map("life", NAMESPACE, read)
    refused(409, group.core().replace_namespaced_config_map, "life", NAMESPACE, made)
    refused(422, group.core().create_namespaced_config_map, NAMESPACE, config_map("Bad_Name", "life"))

    # A dictionary is sent as a strategic merge patch, a list as a JSON patch.
    patch = {"data": {"b": "2"}, "metadata": {"labels": {"patched": "yes"}}}
    group.core().patch_namespaced_config_map("life", NAMESPACE, patch)
    patch = [{"op": "replace", "path": "/data/a", "value": "3"}]
    group.core().patch_namespaced_config_map("life", NAMESPACE, patch)
    patched = group.core().read_namespaced_config_map("life", NAMESPACE)
    assert patched.data == {"a": "3", "b": "2"}, patched.data
    listed = group.core().list_namespaced_config_map(NAMESPACE, label_selector="of=life,patched")
    assert [item.metadata.name for item in listed.items] == ["life"], listed

    group.core().delete_namespaced_config_map("life", NAMESPACE)
    refused(404, group.core().read_namespaced_config_map, "life", NAMESPACE)


def pages(group):
    step("a list comes in pages, each from another member")
    for n in range(7):
        group.core().create_namespaced_config_map(NAMESPACE, config_map(f"page-{n}", "pages"))
    names, token = [], None
    while token is None or token:
        page = group.core().list_namespaced_config_map(
            NAMESPACE, label_selector="of=pages", limit=3, _continue=token
        )
        names += [item.metadata.name for item in page.items]
        token = page.metadata._continue or ""
    assert names == [f"page-{n}" for n in range(7)], names
    group.core().delete_collection_namespaced_config_map(NAMESPACE, label_selector="of=pages")
    left = group.core().list_namespaced_config_map(NAMESPACE, label_selector="of=pages")
    assert left.items == [], left


class Follower:
    """A watch of one member that goes on at the next when it ends, as programs do."""

    def __init__(self, group):
        listed = group.core().list_namespaced_config_map(NAMESPACE, label_selector="of=watched")
        self._group, self._version = group, listed.metadata.resource_version
        self.told, self.breaks = [], 0
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self):
        clients = [client.CoreV1Api(self._group.on(i)) for i in (1, 2, 3)]
        while True:
            api = clients[self.breaks % len(clients)]
            try:
                self._until_it_ends(api.list_namespaced_config_map)
            except client.ApiException:
                raise
            except Exception as error:  # whatever the connection's end looks like
                print(f"the watch breaks: {type(error).__name__}", flush=True)
            self.breaks += 1

    def _until_it_ends(self, call):
        selection = {"label_selector": "of=watched", "resource_version": self._version}
        for event in watch.Watch().stream(call, NAMESPACE, timeout_seconds=60, **selection):
            metadata = event["object"].metadata
            self._version = metadata.resource_version
            self.told.append((event["type"], metadata.name))


def watched(group):
    step("a watch whose member is killed goes on at the next, and misses nothing")
    follower, wanted = Follower(group), []

    def live(name):
        for api, call in (
            (client.CoreV1Api(group.on(2)), "create"),
            (client.CoreV1Api(group.on(3)), "patch"),
            (client.CoreV1Api(group.on(2)), "delete"),
        ):
            body = config_map(name, "watched") if call == "create" else {"data": {"a": "1"}}
            arguments = {"create": [NAMESPACE, body], "patch": [name, NAMESPACE, body]}
            arguments = arguments.get(call, [name, NAMESPACE])
            getattr(api, f"{call}_namespaced_config_map")(*arguments)
        wanted.extend((kind, name) for kind in ("ADDED", "MODIFIED", "DELETED"))

    live("before")
    eventually("the watch tells", lambda: follower.told == wanted)
    group.ask("kill 1")
    live("meanwhile")
    eventually(f"the watch goes on: {follower.told}", lambda: follower.told == wanted)
    assert follower.breaks > 0
    group.ask("start")
    live("after")
    eventually(f"the watch goes on: {follower.told}", lambda: follower.told == wanted)


DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web"},
    "spec": {
        "replicas": 2,
        "paused": True,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "main", "image": "registry.example/web:1"}]},
        },
    },
}


def workloads(group):
    step("dictionaries are created, scaled and reported of")
    utils.create_from_dict(group.next(), DEPLOYMENT, namespace=NAMESPACE)
    scale = group.apps().patch_namespaced_deployment_scale("web", NAMESPACE, {"spec": {"replicas": 5}})
    assert scale.spec.replicas == 5, scale
    read = group.apps().read_namespaced_deployment("web", NAMESPACE)
    assert read.spec.replicas == 5 and read.metadata.generation == 2, read
    refused(409, group.apps().create_namespaced_deployment, NAMESPACE, DEPLOYMENT)
    group.apps().delete_namespaced_deployment("web", NAMESPACE, propagation_policy="Foreground")


def dynamic_client(group):
    step("the dynamic client discovers kinds, applies server-side, and meets conflicts")
    clients = [dynamic.DynamicClient(group.on(i)) for i in (1, 2, 3)]
    services = [c.resources.get(api_version="v1", kind="Service") for c in clients]
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "dynamic"},
        "spec": {"ports": [{"name": "web", "port": 80}], "selector": {"app": "a"}},
    }
    made = services[0].server_side_apply(body=body, namespace=NAMESPACE, field_manager="one")
    assert made.spec.clusterIP and made.metadata.managedFields[0].manager == "one", made
    other = {**body, "spec": {"selector": {"app": "b"}}}
    error = None
    try:
        services[1].server_side_apply(body=other, namespace=NAMESPACE, field_manager="two")
    except dynamic.exceptions.ConflictError as conflict:
        error = conflict
    assert error and "conflict with" in str(error.body), error
    services[2].server_side_apply(
        body=other, namespace=NAMESPACE, field_manager="two", force_conflicts=True
    )
    read = services[0].get(name="dynamic", namespace=NAMESPACE)
    assert read.spec.selector.app == "b" and read.spec.ports[0].port == 80, read
    merge = {"metadata": {"annotations": {"note": "here"}}}
    services[1].patch(
        body=merge, name="dynamic", namespace=NAMESPACE, content_type="application/merge-patch+json"
    )
    found = services[2].get(namespace=NAMESPACE, field_selector="metadata.name=dynamic")
    assert found.items[0].metadata.annotations.note == "here", found
    events = services[0].watch(namespace=NAMESPACE, name="dynamic", timeout=10)
    assert next(iter(events))["object"].metadata.name == "dynamic"
    services[1].delete(name="dynamic", namespace=NAMESPACE)
    try:
        services[2].get(name="dynamic", namespace=NAMESPACE)
        raise AssertionError("the service is still there")
    except dynamic.exceptions.NotFoundError:
        pass


def all_served(group):
    step("all members tell the same of themselves")
    told = {client.VersionApi(group.on(i)).get_code().git_version for i in (1, 2, 3)}
    assert len(told) == 1, told
    groups = [
        sorted(g.preferred_version.group_version for g in client.ApisApi(group.on(i)).get_api_versions().groups)
        for i in (1, 2, 3)
    ]
    assert groups[0] == groups[1] == groups[2] and "apps/v1" in groups[0], groups


def main():
    group = Group(sys.argv[1])
    for area in (all_served, life, pages, workloads, dynamic_client, watched):
        area(group)


if __name__ == "__main__":
    main()
