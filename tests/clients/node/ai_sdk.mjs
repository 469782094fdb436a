// Vercel's AI SDK. Its provider for OpenAI asks for responses unless it is told otherwise.

import { createOpenAI } from "@ai-sdk/openai";
import { APICallError, generateObject, generateText, streamText, tool } from "ai";
import { base, check, Fact, key, long, model, question, report, thrown, tokens } from "./report.mjs";

const openai = createOpenAI({ baseURL: base, apiKey: key });
const asked = { prompt: question, maxOutputTokens: tokens, maxRetries: 0 };

async function streamed(of) {
  let failure;
  const { textStream } = streamText({ ...asked, model: of, onError: ({ error }) => (failure = error) });
  let text = "";
  for await (const piece of textStream) text += piece;
  if (failure) throw failure;
  check(text);
}

await report({
  async chat() {
    check((await generateText({ ...asked, model: openai(model) })).text);
  },
  async stream() {
    await streamed(openai(model));
  },
  async chat_by_chat_interface() {
    check((await generateText({ ...asked, model: openai.chat(model) })).text);
  },
  async stream_by_chat_interface() {
    await streamed(openai.chat(model));
  },
  async generate_object() {
    const { object } = await generateObject({ ...asked, model: openai(model), schema: Fact });
    Fact.parse(object);
  },
  async generate_object_by_chat_interface() {
    const { object } = await generateObject({ ...asked, model: openai.chat(model), schema: Fact });
    Fact.parse(object);
  },
  async tool() {
    const fact = tool({ description: "Record.", inputSchema: Fact });
    const { toolCalls } = await generateText({
      ...asked,
      model: openai(model),
      tools: { fact },
      toolChoice: "required",
    });
    check(toolCalls[0]?.toolName === "fact");
  },
  async error_context() {
    const run = () => generateText({ ...asked, model: openai(model), prompt: long });
    const error = await thrown((e) => APICallError.isInstance(e), run);
    check(error.statusCode === 400 && error.message.includes("context"), error.message);
  },
});
