// Opens pages in Chromium and prints what they weigh and how long they take, as JSON.
//
//   node measure.mjs FOLDER-OF-NODE-MODULES CHROMIUM PLAN
//
// The plan is a JSON file: `url`, `name` and `password` to sign in with, `rounds`, and `pages` (name, path).
// Of each page: `bytes` through the network with an empty cache; the medians of `usable`, when it is
// complete and its script has run, and of `loaded`, when its picture and style are there too; and the
// `slowest` of the first, all in milliseconds since the visitor asked for it.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const [folder, chromium, planFile] = process.argv.slice(2);
const playwright = createRequire(`${folder}/index.js`)('playwright-core');
const plan = JSON.parse(readFileSync(planFile, 'utf8'));

const browser = await playwright.chromium.launch({
  executablePath: chromium,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
const page = await context.newPage();
await page.goto(`${plan.url}/sign-in`);
await page.fill('#name', plan.name);
await page.fill('#password', plan.password);
await page.press('#password', 'Enter');
await page.waitForURL(`${plan.url}/`);

const session = await context.newCDPSession(page);
await session.send('Network.enable');
await session.send('Network.setCacheDisabled', { cacheDisabled: true });
let bytes = 0;
session.on('Network.loadingFinished', ({ encodedDataLength }) => (bytes += encodedDataLength));

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

const found = [];
for (const { name, path } of plan.pages) {
  const times = [];
  // The first fills the server's caches.
  for (let round = 0; round <= plan.rounds; round++) {
    bytes = 0;
    const answer = await page.goto(plan.url + path, { waitUntil: 'load' });
    if (answer.status() !== 200) throw new Error(`${path}: ${answer.status()}`);
    const time = await page.evaluate(() => {
      const [entry] = performance.getEntriesByType('navigation');
      return { usable: entry.domContentLoadedEventEnd, loaded: entry.loadEventStart };
    });
    if (round > 0) times.push(time);
  }
  const usable = times.map((time) => time.usable);
  found.push({
    name, bytes, usable: median(usable), loaded: median(times.map((time) => time.loaded)), slowest: Math.max(...usable),
  });
}
await browser.close();
console.log(JSON.stringify(found));
