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

async function attempt({ file, title }) {
    try {
        const facts = await loadFacts(file);
        await withDeadline(facts.get(title)());
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
