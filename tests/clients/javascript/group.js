// The members of a group, each with a configuration that knows it alone.

import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import * as k8s from '@kubernetes/client-node';

const membersCount = 3;
const patienceMs = 30_000;

export class Group {
    #turn = 0;
    #answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

    constructor(kubeconfig) {
        this.configs = [...Array(membersCount).keys()].map((i) => {
            const config = new k8s.KubeConfig();
            config.loadFromFile(kubeconfig);
            config.setCurrentContext(`node-${i + 1}`);
            return config;
        });
    }

    /** The configuration of member i, from 1. */
    config(i) {
        return this.configs[i - 1];
    }

    /** The configuration of another member than the last. */
    nextConfig() {
        this.#turn = (this.#turn % membersCount) + 1;
        return this.config(this.#turn);
    }

    core() {
        return this.nextConfig().makeApiClient(k8s.CoreV1Api);
    }

    apps() {
        return this.nextConfig().makeApiClient(k8s.AppsV1Api);
    }

    /** A client of objects of any kind. */
    objects() {
        return k8s.KubernetesObjectApi.makeApiClient(this.nextConfig());
    }

    /** Has the test do something to the group and waits until it is done. */
    async ask(request) {
        console.log(`ask: ${request}`);
        return (await this.#answers.next()).value;
    }
}

/** Tells what is checked from here on. */
export const step = (text) => console.log(text);

/** The error of a call that must be refused with a status. */
export async function refused(code, call) {
    const error = await call().then((answer) => assert.fail(`not refused: ${JSON.stringify(answer)}`), (e) => e);
    assert.equal(error.code, code, String(error));
    return error;
}

/** Waits until holds() does. */
export async function eventually(what, holds) {
    const deadline = Date.now() + patienceMs;
    while (!holds()) {
        assert.ok(Date.now() < deadline, `not in time: ${what}`);
        await sleep(50);
    }
}
