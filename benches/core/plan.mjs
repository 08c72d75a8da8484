// `make bench-plan`: times what `plan.rs` exports. V8 is told to optimise at once, as it is in Envoy.
import { readFileSync } from 'node:fs';

const module = new WebAssembly.Module(readFileSync(process.argv[2]));
const CALLS = 20000;
const MiB = 1 << 20;

// In a fresh instance, so that its memory tells what the document cost.
function loaded(models, endpoints) {
  const writer = new WebAssembly.Instance(module, {}).exports;
  const length = writer.write_document(models, endpoints);
  const bytes = new Uint8Array(writer.memory.buffer, writer.document(), length);
  const exports = new WebAssembly.Instance(module, {}).exports;
  const before = exports.memory.buffer.byteLength;
  const at = exports.reserve(length);
  new Uint8Array(exports.memory.buffer, at, length).set(bytes);
  const began = process.hrtime.bigint();
  exports.load();
  const time = Number(process.hrtime.bigint() - began) / 1e6;
  return { exports, length, time, grown: exports.memory.buffer.byteLength - before };
}

function quantiles(call) {
  const times = new Float64Array(CALLS);
  for (let i = -CALLS / 10; i < CALLS; i++) {
    const began = process.hrtime.bigint();
    call(i);
    if (i >= 0) times[i] = Number(process.hrtime.bigint() - began) / 1e3;
  }
  times.sort();
  return [0.5, 0.99].map((q) => times[Math.floor(CALLS * q)]);
}

const rows = [[40, 5], [400, 2], [400, 5], [2000, 5], [40, 50]];
console.log('models endpoints |    document    load  memory |  plan p50    p99 |  open p50    p99');
for (const [models, endpoints] of rows) {
  const { exports, length, time, grown } = loaded(models, endpoints);
  const least = Math.min(...[1, 2, 3, 4].map(() => loaded(models, endpoints).time), time);
  const plan = quantiles((i) => exports.plan_for(Math.abs(i * 7) % models, BigInt(i + CALLS)));
  const open = quantiles((i) => exports.open(Math.abs(i * 7) % models, BigInt(i + CALLS)));
  const shown = [plan, open].map((pair) => pair.map((us) => `${us.toFixed(1)} µs`.padStart(9)).join(' '));
  const document = `${(length / 1024).toFixed(0)} KiB`.padStart(9);
  const memory = `${(grown / MiB).toFixed(1)} MiB`.padStart(8);
  console.log(`${String(models).padStart(6)} ${String(endpoints).padStart(9)} | ${document} ${least.toFixed(1).padStart(5)} ms ${memory} | ${shown[0]} | ${shown[1]}`);
}
