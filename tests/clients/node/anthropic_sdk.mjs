// Anthropic's own client.

import Anthropic from "@anthropic-ai/sdk";
import { address, check, key, long, model, question, report, thrown, tokens } from "./report.mjs";

const client = new Anthropic({ baseURL: address, apiKey: key, maxRetries: 0 });
const messages = [{ role: "user", content: question }];
const asked = { model, messages, max_tokens: tokens, temperature: 0 };

await report({
  async chat() {
    check((await client.messages.create(asked)).content[0].text);
  },
  async stream() {
    check(await client.messages.stream(asked).finalText());
  },
  async error_context() {
    const run = () =>
      client.messages.create({ ...asked, messages: [{ role: "user", content: long }] });
    const error = await thrown((e) => e instanceof Anthropic.BadRequestError, run);
    check(error.message.includes("context"), error.message);
  },
});
