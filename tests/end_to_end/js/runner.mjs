// Tries facts for pytest: reads {"file", "title"} lines, answers {"ok", "error"} lines, one at a time.

import { createInterface } from "node:readline";

import { loadFacts } from "./fact.mjs";
import { recentLog, stopAll } from "./client.mjs";

const FACT_TIMEOUT_MS = 45_000; // for failures only; the machine may have other work

function withDeadline(promise) {
    let timer;
    const deadline = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`not there after ${FACT_TIMEOUT_MS} ms`)), FACT_TIMEOUT_MS);
    });
    return Promise.race([promise, deadline]).finally(() => clearTimeout(timer));
}

// What fails behind a fact's back, such as the SDK's fetching of a thread that it heard of, fails the fact as well.
const failures = [];
process.on("unhandledRejection", (reason) => failures.push(reason));
process.on("uncaughtException", (error) => failures.push(error));

async function attempt({ file, title }) {
    failures.length = 0;
    try {
        const facts = await loadFacts(file);
        await withDeadline(facts.get(title)());
        if (failures.length > 0) throw failures[0];
        return { ok: true };
    } catch (error) {
        return { ok: false, error: `${error?.stack ?? error}\n${JSON.stringify(error?.data ?? {})}\n${recentLog()}` };
    }
}

for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(JSON.stringify(await attempt(JSON.parse(line))) + "\n");
}
stopAll();
process.exit(0);
