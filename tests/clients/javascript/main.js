// The official JavaScript client against every member of a group: main.js KUBECONFIG.
//
// Each step goes to one member after the other and prints what it checks; the program ends at
// the first that does not hold.

import assert from 'node:assert/strict';
import * as k8s from '@kubernetes/client-node';
import { eventually, Group, refused, step } from './group.js';

const namespace = 'default';

const configMap = (name, of, value = '0') => ({
    metadata: { name, labels: { of } },
    data: { a: value },
});

async function life(group) {
    step('a config map lives, each request at another member');
    const body = configMap('life', 'life');
    const made = await group.core().createNamespacedConfigMap({ namespace, body });
    await refused(409, () => group.core().createNamespacedConfigMap({ namespace, body }));
    const life = { name: 'life', namespace };
    const read = await group.core().readNamespacedConfigMap(life);
    assert.deepEqual(read, made);
    read.data.a = '1';
    await group.core().replaceNamespacedConfigMap({ ...life, body: read });
    await refused(409, () => group.core().replaceNamespacedConfigMap({ ...life, body: made }));
    await refused(422, () => group.core().createNamespacedConfigMap({ namespace, body: configMap('Bad_Name', 'x') }));

    const patches = [
        [k8s.PatchStrategy.MergePatch, { data: { merge: 'yes' } }],
        [k8s.PatchStrategy.StrategicMergePatch, { metadata: { labels: { strategic: 'yes' } } }],
        [k8s.PatchStrategy.JsonPatch, [{ op: 'add', path: '/data/json', value: 'yes' }]],
    ];
    for (const [strategy, patch] of patches) {
        const options = k8s.setHeaderOptions('Content-Type', strategy);
        await group.core().patchNamespacedConfigMap({ ...life, body: patch }, options);
    }
    const patched = await group.core().readNamespacedConfigMap(life);
    assert.deepEqual(patched.data, { a: '1', merge: 'yes', json: 'yes' });
    const listed = await group.core().listNamespacedConfigMap({ namespace, labelSelector: 'of=life,strategic' });
    assert.deepEqual(listed.items.map((item) => item.metadata.name), ['life']);

    await group.core().deleteNamespacedConfigMap(life);
    await refused(404, () => group.core().readNamespacedConfigMap(life));
}

async function pages(group) {
    step('a list comes in pages, each from another member');
    const wanted = [...Array(7).keys()].map((n) => `page-${n}`);
    for (const name of wanted) {
        await group.core().createNamespacedConfigMap({ namespace, body: configMap(name, 'pages') });
    }
    const names = [];
    let token;
    do {
        const request = { namespace, labelSelector: 'of=pages', limit: 3, _continue: token };
        const page = await group.core().listNamespacedConfigMap(request);
        names.push(...page.items.map((item) => item.metadata.name));
        token = page.metadata._continue;
    } while (token);
    assert.deepEqual(names, wanted);
    await group.core().deleteCollectionNamespacedConfigMap({ namespace, labelSelector: 'of=pages' });
}

async function applied(group) {
    step('objects of any kind are applied server-side, and conflicts are met');
    const service = {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'applied', namespace },
        spec: { ports: [{ name: 'web', port: 80 }], selector: { app: 'a' } },
    };
    const apply = (object, manager, force) =>
        group.objects().patch(object, undefined, undefined, manager, force, k8s.PatchStrategy.ServerSideApply);
    const made = await apply(service, 'one');
    assert.ok(made.spec.clusterIP);
    const other = { ...service, spec: { selector: { app: 'b' } } };
    const conflict = await refused(409, () => apply(other, 'two'));
    assert.match(JSON.stringify(conflict.body), /conflict with/);
    await apply(other, 'two', true);
    const read = await group.objects().read(service);
    assert.equal(read.spec.selector.app, 'b');
    assert.equal(read.spec.ports[0].port, 80);
    await group.objects().delete(service);
    await refused(404, () => group.objects().read(service));
}

async function scaled(group) {
    step('a deployment is scaled apart from the rest');
    const labels = { app: 'web' };
    const body = {
        metadata: { name: 'web' },
        spec: {
            replicas: 2,
            paused: true,
            selector: { matchLabels: labels },
            template: { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'registry.example/web:1' }] } },
        },
    };
    await group.apps().createNamespacedDeployment({ namespace, body });
    const web = { name: 'web', namespace };
    const merge = k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.MergePatch);
    await group.apps().patchNamespacedDeploymentScale({ ...web, body: { spec: { replicas: 5 } } }, merge);
    const read = await group.apps().readNamespacedDeployment(web);
    assert.equal(read.spec.replicas, 5);
    assert.equal(read.metadata.generation, 2);
    await group.apps().deleteNamespacedDeployment(web);
}

/** Starts an informer of member i and notes what it tells, object by object. */
async function inform(group, i) {
    const api = group.config(i).makeApiClient(k8s.CoreV1Api);
    const labelSelector = 'of=informed';
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    const list = () => api.listNamespacedConfigMap({ namespace, labelSelector });
    const informer = k8s.makeInformer(group.config(i), path, list, labelSelector);
    const told = { informer, changes: new Map(), breaks: 0 };
    for (const event of ['add', 'update', 'delete']) {
        informer.on(event, (object) => {
            const name = object.metadata.name;
            told.changes.set(name, [...(told.changes.get(name) ?? []), event]);
        });
    }
    informer.on('error', () => {
        told.breaks += 1;
        setTimeout(() => informer.start(), 200);
    });
    await informer.start();
    return told;
}

async function informed(group) {
    step('informers of all members tell each change, also after their member was killed');
    const informers = await Promise.all([1, 2, 3].map((i) => inform(group, i)));
    const core = (i) => group.config(i).makeApiClient(k8s.CoreV1Api);
    const live = async (name) => {
        await core(2).createNamespacedConfigMap({ namespace, body: configMap(name, 'informed') });
        const merge = k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.MergePatch);
        await core(3).patchNamespacedConfigMap({ name, namespace, body: { data: { a: '1' } } }, merge);
    };
    const all = (told, name) => (told.changes.get(name) ?? []).length > 0 && told.informer.get(name, namespace)?.data.a === '1';
    await live('before');
    await eventually('all are told', () => informers.every((told) => all(told, 'before')));
    await group.ask('kill 1');
    await live('meanwhile');
    await eventually('the others are told', () => informers.slice(1).every((told) => all(told, 'meanwhile')));
    await group.ask('start');
    await live('after');
    await eventually('all are told', () => informers.every((told) => all(told, 'meanwhile') && all(told, 'after')));
    await core(2).deleteNamespacedConfigMap({ name: 'before', namespace });
    await eventually('all are told', () => informers.every((told) => told.informer.get('before', namespace) === undefined));
    assert.ok(informers[0].breaks > 0, 'the informer of the killed member broke');
    for (const told of informers) {
        await told.informer.stop();
    }
}

async function watched(group) {
    step('a watch is resumed at another member from where it ended');
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    const list = await group.core().listNamespacedConfigMap({ namespace });
    let version = list.metadata.resourceVersion;
    for (const name of ['one', 'two', 'three']) {
        const told = [];
        const query = { labelSelector: 'of=watched', resourceVersion: version, allowWatchBookmarks: true };
        const request = await new k8s.Watch(group.nextConfig()).watch(path, query, (type, object) => {
            version = object.metadata.resourceVersion;
            if (type !== 'BOOKMARK') told.push(`${type} ${object.metadata.name}`);
        }, () => {});
        await group.core().createNamespacedConfigMap({ namespace, body: configMap(name, 'watched') });
        await eventually(`${name} is told of`, () => told.length > 0);
        assert.deepEqual(told, [`ADDED ${name}`]);
        request.abort();
    }
}

const group = new Group(process.argv[2]);
for (const area of [life, pages, applied, scaled, watched, informed]) {
    await area(group);
}
process.exit(0);
