// What a file of facts is written with. A fact's title is the fact.

const filesLoaded = new Map();
let loading = new Map();

/** States a fact: `attempt` throws if it is not so. At the start of a line, so that pytest finds it. */
export function fact(title, attempt) {
    loading.set(title, attempt);
}

/** The facts of facts/<file>.mjs by their titles. */
export async function loadFacts(file) {
    if (!filesLoaded.has(file)) {
        loading = new Map();
        await import(`./facts/${file}.mjs`);
        filesLoaded.set(file, loading);
    }
    return filesLoaded.get(file);
}

/** Asks again and again until `probe` gives something true (or no longer throws), and gives that. */
export async function until(what, probe, timeoutMs = 20_000) {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
        const found = await probe();
        if (found) return found;
        if (Date.now() > deadline) throw new Error(`in vain: ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
    }
}

/** The Matrix error that `promise` is rejected with; throws if it is not. */
export async function refused(promise) {
    try {
        await promise;
    } catch (error) {
        if (error?.errcode === undefined) throw error;
        return error;
    }
    throw new Error("was not refused");
}

/** The same, where the server may need a moment: a token's end is told to the gateways, but not in no time. */
export function refusal(request) {
    return until("a refusal", () => refused(request()).catch(() => undefined));
}
