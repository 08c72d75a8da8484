// Drives OpenRouter's face of a running gateway with the JavaScript SDKs that people use, unchanged.
//
//     node --input-type=module - ADDRESS FORMAT... < check.mjs
//
// In the folder where the SDKs are installed; models and output as in check.py.

import assert from "node:assert/strict";

import { createOpenRouter } from "@openrouter/ai-sdk-provider";
import { OpenRouter } from "@openrouter/sdk";
import { tool as sdkTool } from "@openrouter/sdk/lib/tool.js";
import * as errors from "@openrouter/sdk/models/errors";
import { APICallError, embed, generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import OpenAI from "openai";
import { z } from "zod";

const [address, ...formats] = process.argv.slice(2);
const URL = `http://${address}/api/v1`;
const KEY = "sk-of-the-client";
const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";
const IMAGE = `data:image/png;base64,${PIXEL}`;
const SAYS = /^Hello from/;
const City = z.object({ name: z.string(), people: z.number() });
const PARIS = { name: "Paris", people: 2_100_000 };
const ARGUMENTS = z.object({ text: z.string() });
const SCHEMA = { type: "object", properties: { text: { type: "string" } }, required: ["text"] };
const FUNCTION = { name: "look", description: "Looks.", parameters: SCHEMA };
const MESSAGES = [{ role: "user", content: "Hello there" }];

// 600 fresh, 400 cached and 13 output tokens at the prices of every model here: the cached ones cost the same.
const COST = 0.001026;

// What the SDKs do by themselves would hide what the gateway does.
const provider = createOpenRouter({ baseURL: URL, apiKey: KEY, headers: { "X-OpenRouter-Metadata": "enabled" } });
const openrouter = new OpenRouter({ serverURL: URL, apiKey: KEY, retryConfig: { strategy: "none" } });
/** Who may know what was spent. */
const operator = new OpenRouter({ serverURL: URL, apiKey: "sk-of-the-operator" });
const openai = new OpenAI({ baseURL: URL, apiKey: KEY, maxRetries: 0 });

const checks = [];

/** A check for these upstream formats; none: for all. `run` gets the format's model. */
function check(name, run, ...only) {
  checks.push({ name, run, only });
}

async function all(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}

/** The error of this very class that `run` must throw. */
async function thrown(kind, run) {
  let error;
  await assert.rejects(run, (rejected) => {
    error = rejected;
    // Copies of a package know each other's errors by this only.
    return kind.isInstance ? kind.isInstance(error) : error instanceof kind;
  });
  return error;
}

function generated(model, more = {}) {
  return generateText({ model: provider(model), prompt: "Hello there", maxRetries: 0, ...more });
}

// AI SDK

check("ai: text, with its cost and provider", async (model) => {
  const { text, finishReason, usage, providerMetadata, response } = await generated(`${model}-thinking`);
  assert.match(text, SAYS);
  assert.equal(finishReason, "stop");
  assert.deepEqual([usage.inputTokens, usage.outputTokens], [1000, 13]);
  assert.equal(usage.inputTokenDetails.cacheReadTokens, 400);
  // Bedrock does not count them apart.
  assert.equal(usage.outputTokenDetails.reasoningTokens, model === "t/bedrock" ? 0 : 5);
  const told = providerMetadata.openrouter;
  assert.equal(told.usage.cost, COST);
  assert.equal(told.usage.costDetails.upstreamInferenceCost, COST);
  assert.match(told.provider, /-thinking-0$/);
  assert.match(response.id, /^gen-/);
  assert.equal(response.modelId, `${model}-thinking`);
});

check("ai: usage accounting", async (model) => {
  const accounted = provider(`${model}-thinking`, { usage: { include: true } });
  const { providerMetadata } = await generateText({ model: accounted, prompt: "Hi", maxRetries: 0 });
  assert.equal(providerMetadata.openrouter.usage.cost, COST);
});

check("ai: stream, with its cost and provider", async (model) => {
  const result = streamText({ model: provider(`${model}-thinking`), prompt: "Hello there", maxRetries: 0 });
  assert.match((await all(result.textStream)).join(""), SAYS);
  const told = (await result.providerMetadata).openrouter;
  assert.equal(told.usage.cost, COST);
  assert.match(told.provider, /-thinking-0$/);
  assert.equal(await result.finishReason, "stop");
});

check("ai: reasoning", async (model) => {
  const options = { model: provider(`${model}-thinking`, { reasoning: { effort: "low" } }), prompt: "Hi", maxRetries: 0 };
  assert.match((await generateText(options)).reasoningText, /think/);
  const parts = await all(streamText(options).fullStream);
  const thought = parts.filter(({ type }) => type === "reasoning-delta").map(({ text }) => text).join("");
  assert.match(thought, /think/);
}, "anthropic", "gemini", "bedrock");

check("ai: thinking goes back with what a tool returned", async (model) => {
  const look = tool({ inputSchema: ARGUMENTS, execute: async () => "a tree" });
  const { steps } = await generated(`${model}-tools`, { tools: { look }, stopWhen: stepCountIs(2) });
  assert.equal(steps.length, 2);
  assert.equal(steps[0].finishReason, "tool-calls");
  assert.match(steps[0].toolCalls[0].input.text, SAYS);
});

check("ai: tools in a stream", async (model) => {
  const tools = { look: tool({ inputSchema: ARGUMENTS }) };
  const result = streamText({ model: provider(`${model}-tools`), prompt: "Hi", tools, maxRetries: 0 });
  const [call] = await result.toolCalls;
  assert.equal(call.toolName, "look");
  assert.match(call.input.text, SAYS);
  assert.equal(await result.finishReason, "tool-calls");
});

check("ai: an image", async (model) => {
  const content = [{ type: "text", text: "What is it?" }, { type: "image", image: Buffer.from(PIXEL, "base64") }];
  const { text } = await generated(model, { prompt: undefined, messages: [{ role: "user", content }] });
  assert.match(text, SAYS);
});

check("ai: structured output", async (model) => {
  const { object } = await generateObject({ model: provider(`${model}-json`), schema: City, prompt: "Hi", maxRetries: 0 });
  assert.deepEqual(object, PARIS);
}, "openai");

check("ai: an error's status, message and metadata", async (model) => {
  const failed = await thrown(APICallError, () => generated(`${model}-limited`));
  assert.equal(failed.statusCode, 429);
  assert.equal(failed.responseHeaders["retry-after"], "7");
  assert.equal(failed.data.error.code, 429);
  assert.match(failed.message, /Provider returned error|scripted status 429/);
  assert.match(failed.data.error.metadata.provider_name, /-limited-0$/);
  assert.match(failed.data.error.metadata.raw, /scripted status 429/);
  assert.equal((await thrown(APICallError, () => generated("t/nobody"))).statusCode, 400);
});

check("ai: an error in mid-stream", async (model) => {
  const result = streamText({ model: provider(`${model}-broken`), prompt: "Hi", maxRetries: 0, onError() {} });
  const parts = await all(result.fullStream);
  assert.match(parts.filter(({ type }) => type === "text-delta").map(({ text }) => text).join(""), SAYS);
  assert.match(JSON.stringify(parts.find(({ type }) => type === "error").error), /scripted error event/);
});

check("ai: fallback in the middle of the list", async (model) => {
  const extraBody = { models: [`${model}-broken`, model, `${model}-tools`], provider: { sort: "price" } };
  const { response, providerMetadata } = await generateText({
    model: provider(`${model}-limited`, { models: extraBody.models.slice(1), extraBody: { provider: extraBody.provider } }),
    prompt: "Hi",
    maxRetries: 0,
  });
  assert.equal(response.modelId, model);
  assert.match(providerMetadata.openrouter.provider, /-0$/);
});

check("ai: embeddings", async (model) => {
  const { embedding, usage } = await embed({ model: provider.textEmbeddingModel(model), value: "one", maxRetries: 0 });
  assert(embedding.length > 0 && usage.tokens > 0);
}, "openai", "azure-openai");

// OpenRouter's own SDK, which validates strictly

function chat(model, more = {}) {
  return openrouter.chat.send({ chatRequest: { model, messages: MESSAGES, ...more }, xOpenRouterMetadata: "enabled" });
}

check("sdk: chat", async (model) => {
  const answer = await chat(`${model}-thinking`);
  assert.match(answer.choices[0].message.content, SAYS);
  assert.equal(answer.usage.cost, COST);
  assert.equal(answer.usage.costDetails.upstreamInferenceCost, COST);
  assert.equal(answer.usage.isByok, false);
  assert.equal(answer.openrouterMetadata.requested, `${model}-thinking`);
});

check("sdk: chat stream", async (model) => {
  const chunks = await all(await chat(`${model}-thinking`, { stream: true }));
  assert.match(chunks.map(({ choices: [{ delta }] }) => delta.content ?? "").join(""), SAYS);
  assert.equal(chunks.at(-1).usage.cost, COST);
  assert.equal(chunks.at(-1).openrouterMetadata.attempt, 1);
});

check("sdk: chat with tools, an image and routing", async (model) => {
  const answer = await chat(`${model}-tools`, {
    messages: [{ role: "user", content: [{ type: "text", text: "Hi" }, { type: "image_url", imageUrl: { url: IMAGE } }] }],
    tools: [{ type: "function", function: FUNCTION }],
    provider: { sort: "price", allowFallbacks: true, requireParameters: true },
  });
  const [{ finishReason, message }] = answer.choices;
  assert.equal(finishReason, "tool_calls");
  assert.match(JSON.parse(message.toolCalls[0].function.arguments).text, SAYS);
});

check("sdk: fallback", async (model) => {
  const answer = await chat(`${model}-limited`, { models: [`${model}-limited`, model, `${model}-tools`] });
  assert.equal(answer.model, model);
  assert.equal(answer.openrouterMetadata.strategy, "fallback");
  assert.deepEqual(answer.openrouterMetadata.attempts.map(({ status }) => status), [429, 200]);
});

check("sdk: errors", async (model) => {
  const limited = await thrown(errors.TooManyRequestsResponseError, () => chat(`${model}-limited`));
  assert.match(limited.error.metadata.provider_name, /-limited-0$/);
  await thrown(errors.BadRequestResponseError, () => chat("t/nobody"));
  await thrown(errors.NotFoundResponseError, () => chat(model, { provider: { only: ["nobody"] } }));
});

check("sdk: responses", async (model) => {
  const responsesRequest = { model: `${model}-thinking`, input: "Hello there", instructions: "Be brief." };
  const answer = await openrouter.responses.send({ responsesRequest, xOpenRouterMetadata: "enabled" });
  assert.equal(answer.status, "completed");
  assert(answer.completedAt >= answer.createdAt);
  assert.equal(answer.usage.cost, COST);
  assert.equal(answer.usage.costDetails.upstreamInferenceInputCost, 0.001);
  assert.equal(answer.usage.isByok, false);
  assert.equal(answer.openrouterMetadata.attempt, 1);
});

check("sdk: responses stream", async (model) => {
  const responsesRequest = { model: `${model}-thinking`, input: "Hello there", stream: true };
  const events = await all(await openrouter.responses.send({ responsesRequest }));
  const { type, response } = events.at(-1);
  assert.equal(type, "response.completed");
  assert.equal(response.usage.cost, COST);
  assert(response.completedAt >= response.createdAt);
});

check("sdk: responses errors", async (model) => {
  const responsesRequest = { model: `${model}-limited`, input: "Hello there" };
  await thrown(errors.TooManyRequestsResponseError, () => openrouter.responses.send({ responsesRequest }));
});

check("sdk: callModel runs tools", async (model) => {
  let looked = 0;
  const look = sdkTool({ name: "look", inputSchema: ARGUMENTS, execute: () => ({ found: `tree ${++looked}` }) });
  const stopWhen = ({ steps }) => steps.length >= 2;
  const result = openrouter.callModel({ model: `${model}-tools`, input: "Hello there", tools: [look], stopWhen });
  await result.getResponse();
  assert(looked > 0);
  assert.match(await openrouter.callModel({ model, input: "Hello there" }).getText(), SAYS);
});

check("sdk: embeddings", async (model) => {
  const { data, usage } = await openrouter.embeddings.generate({ requestBody: { model, input: ["one", "two"] } });
  assert.equal(data.length, 2);
  assert.equal(usage.cost, usage.promptTokens / 1e6);
}, "openai", "azure-openai");

check("sdk: listings", async (model) => {
  const pages = await all(await openrouter.models.list());
  const ids = pages.flatMap(({ result }) => result.data.map(({ id }) => id));
  assert(ids.includes(model), ids);
  const [author, slug] = model.split("/");
  const { data } = await openrouter.endpoints.list({ author, slug });
  assert.equal(data.endpoints.length, 1);
  assert((await openrouter.providers.list()).data.length > 0);
  assert("usage" in (await operator.apiKeys.getCurrentKeyMetadata()).data);
});

// OpenAI's SDK with OpenRouter's fields

check("openai: chat with preferences", async (model) => {
  const answer = await openai.chat.completions.create({
    model: `${model}-limited`,
    models: [model],
    messages: MESSAGES,
    provider: { sort: "price" },
    usage: { include: true },
    reasoning: { effort: "low" },
  });
  assert.match(answer.choices[0].message.content, SAYS);
  assert.equal(answer.model, model);
  assert(answer.usage.cost > 0 && answer.provider.endsWith("-0"));
});

check("openai: stream", async (model) => {
  const stream = await openai.chat.completions.create({ model: `${model}-thinking`, messages: MESSAGES, stream: true });
  const chunks = await all(stream);
  assert.match(chunks.map(({ choices: [{ delta }] }) => delta.content ?? "").join(""), SAYS);
  assert.equal(chunks.at(-1).usage.cost, COST);
});

check("openai: tools in a stream", async (model) => {
  const runner = openai.chat.completions.stream({
    model: `${model}-tools`, messages: MESSAGES, tools: [{ type: "function", function: FUNCTION }],
  });
  const [call] = (await runner.finalMessage()).tool_calls;
  assert.match(JSON.parse(call.function.arguments).text, SAYS);
});

check("openai: responses", async (model) => {
  const answer = await openai.responses.create({ model, input: "Hello there" });
  assert.match(answer.output_text, SAYS);
  assert(answer.usage.cost > 0 && answer.completed_at >= answer.created_at);
  const events = await all(await openai.responses.create({ model, input: "Hello there", stream: true }));
  assert(events.at(-1).response.usage.cost > 0);
});

check("openai: errors", async (model) => {
  const failed = await thrown(OpenAI.RateLimitError, () =>
    openai.chat.completions.create({ model: `${model}-limited`, messages: MESSAGES, stream: true }));
  assert.match(failed.error.metadata.provider_name, /-limited-0$/);
  const broken = await openai.chat.completions.create({ model: `${model}-broken`, messages: MESSAGES, stream: true });
  await thrown(OpenAI.APIError, () => all(broken));
});

check("openai: models and embeddings", async (model) => {
  const ids = (await all(openai.models.list())).map(({ id }) => id);
  assert(ids.includes(model));
  const { data } = await openai.embeddings.create({ model, input: ["one", "two"] });
  assert.equal(data.length, 2);
}, "openai", "azure-openai");

let failed = 0;
for (const format of formats) {
  for (const { name, run, only } of checks) {
    if (only.length && !only.includes(format)) continue;
    try {
      await run(`t/${format}`);
      console.log(`ok     ${format} ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED ${format} ${name}\n${error.stack}`, error.cause ?? "");
    }
  }
}
process.exit(Math.min(failed, 1));
