// Clients as Element starts them: lazy loading, threads, local echo in place, a sync loop of the SDK's own.

import { createClient, PendingEventOrdering } from "matrix-js-sdk";

const baseUrl = process.argv[2];
const LOG_LINES_MAX = 30;
const log = [];
const running = [];
let usersMade = 0;

// The SDK and its HTTP layer write here; a failing fact shows the last lines.
const record = (...parts) => {
    const line = parts.map(String).join(" ").slice(0, 300);
    if (/\/sync\?|MatrixRTC| --> /.test(line)) return;
    log.push(line);
    if (log.length > LOG_LINES_MAX) log.shift();
};
const logger = { trace() {}, debug: record, info: record, warn: record, error: record, getChild: () => logger };
for (const method of ["log", "debug", "info", "warn", "error", "trace"]) console[method] = record;

export const recentLog = () => log.join("\n");

/** A client that is not started. */
export function clientOf(session = {}, options = {}) {
    return createClient({ baseUrl, logger, timelineSupport: true, localTimeoutMs: 30_000, ...session, ...options });
}

/** Starts its sync loop; returns when the first sync is there. */
export async function started(client, options = {}) {
    running.push(client);
    await client.startClient({
        lazyLoadMembers: true,
        threadSupport: true,
        pendingEventOrdering: PendingEventOrdering.Detached,
        pollTimeout: 10_000,
        initialSyncLimit: 20,
        ...options,
    });
    await new Promise((resolve, reject) => {
        client.on("sync", (state, _, data) => {
            if (state === "PREPARED") resolve();
            if (state === "ERROR") reject(data.error);
        });
    });
    return client;
}

/** Answers to POST /register of a new account. `body` is added to the request. */
export async function registered(name, body = {}) {
    usersMade += 1;
    const username = `${name}-${process.pid.toString(36)}-${usersMade}`;
    const account = { username, password: `secret of ${name}`, auth: { type: "m.login.dummy" }, ...body };
    const answer = await clientOf().registerRequest(account);
    return { userId: answer.user_id, deviceId: answer.device_id, accessToken: answer.access_token, username, answer };
}

/** A new account's client with its sync loop running. */
export async function user(name, startOptions = {}, clientOptions = {}) {
    return started(clientOf(await registered(name), clientOptions), startOptions);
}

/** A client's way to the server, as `fetchFn`: answers to /sync wait while it is cut. */
export class Line {
    #whole = Promise.resolve();
    #mend = () => {};

    cut() {
        this.#whole = new Promise((resolve) => (this.#mend = resolve));
    }

    mend() {
        this.#mend();
    }

    fetch = async (resource, options) => {
        const answer = await fetch(resource, options);
        if (String(resource).includes("/sync?")) await this.#whole;
        return answer;
    };
}

const cast = new Map();

/** Users that facts share, each with its sync loop: for what touches nothing but the rooms that the fact makes. */
export async function users(...names) {
    const made = names.map((name) => cast.get(name) ?? user(name));
    names.forEach((name, index) => cast.set(name, made[index]));
    return Promise.all(made);
}

export function stopAll() {
    for (const client of running) client.stopClient();
}
