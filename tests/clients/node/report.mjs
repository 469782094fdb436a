// What the scripts share, as python/report.py has it: `node openai_sdk.mjs ADDRESS MODEL`.

import { z } from "zod";

export const [address, model] = process.argv.slice(2);
export const base = `${address}/v1`;
export const key = "none";
export const tokens = 320;
export const question = "What is the capital of France?";
export const long = "once more ".repeat(3000);
export const Fact = z.object({ city: z.enum(["Paris", "Rome"]), sure: z.boolean() });

export function check(held, what = "what was due is missing") {
  if (!held) throw new Error(what);
}

// The error that a client is known to throw.
export async function thrown(kind, run) {
  try {
    await run();
  } catch (error) {
    check(kind(error), `another error: ${error}`);
    return error;
  }
  throw new Error("no error, where one was due");
}

export async function report(cases) {
  for (const [name, run] of Object.entries(cases)) {
    let why = "";
    try {
      await run();
    } catch (error) {
      why = String(error?.stack ?? error).slice(0, 600);
    }
    console.log(JSON.stringify({ case: name, passed: !why, why }));
  }
}
