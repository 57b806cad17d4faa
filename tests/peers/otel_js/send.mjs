// Counts operations of one tenant and exports them to the address given, until its time is over.
// node send.mjs URL SECONDS TENANT; says at the end how many it counted.
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http";

const [url, seconds, tenant] = process.argv.slice(2);
const exporter = new OTLPMetricExporter({ url, compression: "gzip" });
const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 1000, exportTimeoutMillis: 900 });
const provider = new MeterProvider({ readers: [reader] });
const counter = provider.getMeter("platform").createCounter("partywall_finished_total");
const labels = { tenant, resource: "db:one", family: "query" };
let counted = 0;
counter.add(0, labels);
const ticking = setInterval(() => { counter.add(3, labels); counted += 3; }, 50);
setTimeout(async () => {
  clearInterval(ticking);
  for (let left = 40; left > 0; left--) {
    try { await provider.forceFlush(); break; }
    catch { await new Promise((again) => setTimeout(again, 500)); }
  }
  await provider.shutdown().catch(() => {});
  console.log(counted);
}, Number(seconds) * 1000);
