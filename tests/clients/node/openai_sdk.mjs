// OpenAI's own client.

import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { base, check, Fact, key, long, model, question, report, thrown, tokens } from "./report.mjs";

const client = new OpenAI({ baseURL: base, apiKey: key, maxRetries: 0 });
const messages = [{ role: "user", content: question }];
const asked = { model, messages, max_tokens: tokens, temperature: 0 };
const answered = { model, input: question, max_output_tokens: tokens, temperature: 0 };

await report({
  async chat() {
    const answer = await client.chat.completions.create(asked);
    check(answer.choices[0].message.content);
  },
  async stream() {
    let text = "";
    for await (const chunk of await client.chat.completions.create({ ...asked, stream: true })) {
      text += chunk.choices[0]?.delta.content ?? "";
    }
    check(text);
  },
  async stream_helper() {
    const final = await client.chat.completions.stream(asked).finalChatCompletion();
    check(final.choices[0].message.content);
  },
  async parse() {
    const response_format = zodResponseFormat(Fact, "fact");
    const answer = await client.chat.completions.parse({ ...asked, response_format });
    check(answer.choices[0].message.parsed);
  },
  async responses() {
    check((await client.responses.create(answered)).output_text);
  },
  async responses_stream() {
    const kinds = [];
    for await (const event of await client.responses.create({ ...answered, stream: true })) {
      kinds.push(event.type);
    }
    check(kinds.includes("response.output_text.delta"));
    check(["response.completed", "response.incomplete"].includes(kinds.at(-1)), kinds.at(-1));
  },
  async models() {
    check((await client.models.list()).data[0].id);
  },
  async error_context() {
    const run = () =>
      client.chat.completions.create({ ...asked, messages: [{ role: "user", content: long }] });
    const error = await thrown((e) => e instanceof OpenAI.BadRequestError, run);
    check(error.message.includes("context"), error.message);
  },
});
