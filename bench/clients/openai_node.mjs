// openai-node: whole, stream, tools, raw headers, retries, the Responses API. Wants OPENAI_BASE_URL and OPENAI_API_KEY.
import { createRequire } from "node:module";
import path from "node:path";

// The package is looked for from the working directory, not from here.
const require = createRequire(path.join(process.cwd(), "package.json"));
const OpenAI = require("openai").default;
const { VERSION } = require("openai/version");
const client = new OpenAI();
const model = process.env.CLIENT_MODEL ?? "base-1";
const run = Date.now();
const failed = [];

async function check(name, act, wanted) {
  const found = await act().catch((error) => String(error));
  const right = JSON.stringify(found) === JSON.stringify(wanted);
  console.log(`${right ? "ok  " : "FAIL"} ${name}${right ? "" : `: ${JSON.stringify(found)}`}`);
  if (!right) failed.push(name);
}

function chat(content, options = {}, more = {}) {
  return client.chat.completions.create({ model, messages: [{ role: "user", content }], ...options }, more);
}

async function joined(content) {
  let text = "";
  for await (const chunk of await chat(content, { stream: true })) text += chunk.choices[0]?.delta?.content ?? "";
  return text;
}

const parameters = { type: "object", properties: { city: { type: "string" } } };
const tools = [{ type: "function", function: { name: "get_weather", parameters } }];
await check("chat", async () => (await chat("hello")).choices[0].message.content, "hello");
await check("stream", () => joined("a b c"), "a b c ");
await check("tools", async () => (await chat("tools", { tools })).choices[0].message.tool_calls[0].function.arguments,
  '{"city":"Oslo"}');
await check("n = 2", async () => (await chat("two", { n: 2 })).choices.map((c) => c.message.content), ["two", "two 1"]);
await check("raw headers", async () => {
  const { request_id, response } = await chat("raw").withResponse();
  return [request_id, response.headers.get("x-ratelimit-remaining-requests")];
}, ["req_42", "99"]);
await check("error in mid-stream", async () => joined("error in mid-stream").catch((error) => error.code), "overloaded");
await check("429 as it was sent", async () => chat(`rate limit c${run}`, {}, { maxRetries: 0 })
  .catch((error) => [error.status, error.code, error.headers.get("retry-after-ms")]), [429, "rate_limit_exceeded", "50"]);
await check("429 retried", async () => (await chat(`rate limit d${run}`)).choices[0].message.content, `rate limit d${run}`);
await check("responses", async () => (await client.responses.create({ model, input: "respond" })).output_text, "respond");
await check("responses.stream", async () => {
  const stream = client.responses.stream({ model, input: "in pieces" });
  return (await stream.finalResponse()).output[0].content[0].text;
}, "in pieces");
await check("models", async () => (await client.models.list()).data.map((m) => m.id), ["base-1"]);
console.log(`openai-node ${VERSION}: ${failed.length ? "failed: " + failed.join(", ") : "all worked"}`);
process.exit(failed.length ? 1 : 0);
