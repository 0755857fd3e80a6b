// Looks at the web pages with Chromium, as a person does, and tells what is wrong with them.
//
//   node browser.mjs FOLDER-OF-NODE-MODULES CHROMIUM PLAN
//
// The plan is a JSON file: `url`, `name` and `password` to sign in with, `pages` to look at (name and path),
// `shots`, a folder for pictures, and, if pages are to be acted on too, `repository` and `manifest`, an
// existing one of it.
// It prints one line of JSON: `problems`, a list of what is wrong, empty if all is well; and `pages`, by
// name, what a person reads on each: `heading`, `commands` by tool, `rows` of tables as lists of cells,
// `tree` as lines, `keys` with their values, `text` of the whole, and `bytes`, what was transferred.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const [folder, chromium, planFile] = process.argv.slice(2);
const load = createRequire(`${folder}/index.js`);
const playwright = load('playwright-core');
const axe = readFileSync(load.resolve('axe-core/axe.min.js'), 'utf8');
const plan = JSON.parse(readFileSync(planFile, 'utf8'));

// HTML, style and script of one page together, as they come through the network, in bytes.
const MOST_BYTES = 150 * 1024;

const problems = [];
const read = {};
const problem = (where, what) => problems.push(`${where}: ${what}`);

const browser = await playwright.chromium.launch({
  executablePath: chromium,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

const LOOKS = [
  { name: 'desk-light', viewport: { width: 1440, height: 900 }, colorScheme: 'light' },
  { name: 'phone-dark', viewport: { width: 360, height: 740 }, colorScheme: 'dark' },
];

async function signIn(context) {
  const page = await context.newPage();
  await page.goto(`${plan.url}/sign-in`);
  await page.fill('#name', plan.name);
  await page.fill('#password', plan.password);
  await page.press('#password', 'Enter');
  await page.waitForURL(`${plan.url}/`);
  return page;
}

// What stands on the page, as far as it can be seen.
function readPage() {
  const text = (element) => element.innerText.trim().replaceAll(/\s+/g, ' ');
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const entries = (list, key, value) => Object.fromEntries(list.map((element) => [key(element), value(element)]));
  return {
    heading: text(document.querySelector('h1')),
    commands: entries(all('.command code[aria-label]'), (code) => code.getAttribute('aria-label'), text),
    rows: all('main tbody tr').map((row) => all('td, th', row).map(text)),
    tree: all('.tree li > a').map((link) => `${text(link)} ${text(link.nextElementSibling)}`),
    keys: entries(all('.keys dt'), text, (key) => text(key.nextElementSibling)),
    links: entries(all('main a'), text, (link) => link.getAttribute('href')),
    text: text(document.querySelector('main')),
  };
}

// With an empty cache: what a first visitor is sent.
async function weigh(page, where, url) {
  const session = await page.context().newCDPSession(page);
  await session.send('Network.enable');
  await session.send('Network.setCacheDisabled', { cacheDisabled: true });
  let bytes = 0;
  session.on('Network.loadingFinished', ({ encodedDataLength }) => (bytes += encodedDataLength));
  const answer = await page.goto(url, { waitUntil: 'load' });
  await session.detach();
  if (bytes === 0 || bytes > MOST_BYTES) problem(where, `${bytes} bytes were transferred`);
  return { answer, bytes };
}

async function look(page, { name, path }, kind) {
  const where = `${name} (${kind})`;
  const complain = (message) => {
    if (message.type() === 'error' || message.type() === 'warning') problem(where, message.text());
  };
  page.on('console', complain);
  const { answer, bytes } = await weigh(page, where, plan.url + path);
  if (answer.status() !== 200) problem(where, `status ${answer.status()}`);
  const tooWide = await page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return null;
    const wide = [...document.querySelectorAll('main *')].find((e) => e.getBoundingClientRect().right > width + 1);
    return wide?.outerHTML.slice(0, 200) ?? 'something';
  });
  if (tooWide) problem(where, `wider than the screen: ${tooWide}`);
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ['violations'] }));
  for (const { id, impact, nodes } of violations) {
    if (['serious', 'critical'].includes(impact)) problem(where, `axe: ${id}: ${nodes[0].html.slice(0, 200)}`);
  }
  await page.screenshot({ path: `${plan.shots}/${name}-${kind}.png`, fullPage: true, animations: 'disabled' });
  // In the other theme too.
  const [width, theme] = kind.split('-');
  const other = theme === 'light' ? 'dark' : 'light';
  await page.emulateMedia({ colorScheme: other });
  await page.screenshot({ path: `${plan.shots}/${name}-${width}-${other}.png`, fullPage: true, animations: 'disabled' });
  await page.emulateMedia({ colorScheme: theme });
  // What lists show as columns on a wide screen is the same on a narrow one.
  read[name] ??= { ...(await page.evaluate(readPage)), bytes };
  page.off('console', complain);
}

// Runs something that people do; if it takes for ever it is a problem.
async function act(what, deed) {
  try {
    await deed();
  } catch (error) {
    problem(what, error.message.split('\n')[0]);
  }
}

const contexts = {};
for (const { name, ...settings } of LOOKS) {
  const context = await browser.newContext(settings);
  context.setDefaultTimeout(15_000);
  contexts[name] = context;
  const page = await signIn(context);
  for (const wanted of plan.pages) await act(`${wanted.name} (${name})`, () => look(page, wanted, name));
  await page.close();
}
if (plan.manifest) await actOnPages();
await browser.close();
console.log(JSON.stringify({ problems, pages: read }));

async function actOnPages() {
  const context = contexts['desk-light'];
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: plan.url });
  const page = await context.newPage();

  await act('search as one types', async () => {
    await page.goto(`${plan.url}/`);
    await page.locator('#q').pressSequentially(plan.repository.slice(-4));
    await page.waitForFunction(() => document.querySelectorAll('#results tbody tr').length === 1);
    await page.waitForURL(/\?q=/);
  });

  await act('copy a command', async () => {
    await page.goto(`${plan.url}/r/${plan.repository}/-/manifests/${plan.manifest}`);
    const command = await page.locator('.command code').first().textContent();
    await page.locator('.command .copy').first().click();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    if (copied !== command) throw new Error(`copied ${copied}, not ${command}`);
  });

  await act('a push appears by itself', async () => {
    await page.goto(`${plan.url}/r/${plan.repository}`, { waitUntil: 'load' });
    // The page follows once it has heard the first number.
    await page.waitForFunction(() => performance.getEntriesByType('resource').length > 0);
    const address = `${plan.url}/v2/${plan.repository}/manifests/`;
    const authorization = 'Basic ' + Buffer.from(`${plan.name}:${plan.password}`).toString('base64');
    const pulled = await fetch(address + plan.manifest, {
      headers: { authorization, accept: 'application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json' },
    });
    const body = await pulled.text();
    const headers = { authorization, 'content-type': pulled.headers.get('content-type') };
    // Pushed again until it shows: the first may have come before the page followed.
    let shown = false;
    for (let n = 0; n < 20 && !shown; n++) {
      await fetch(`${address}live-${n}`, { method: 'PUT', headers, body });
      shown = await page.locator('a', { hasText: /^live-/ }).first().waitFor({ timeout: 3000 }).then(() => true, () => false);
    }
    if (!shown) throw new Error('it did not');
  });

  await act('an upload appears by itself among what is under way', async () => {
    await page.goto(`${plan.url}/storage`, { waitUntil: 'load' });
    const authorization = 'Basic ' + Buffer.from(`${plan.name}:${plan.password}`).toString('base64');
    let shown = false;
    for (let n = 0; n < 20 && !shown; n++) {
      await fetch(`${plan.url}/v2/live/upload-${n}/blobs/uploads/`, { method: 'POST', headers: { authorization } });
      shown = await page.getByText(`live/upload-${n}`).waitFor({ timeout: 3000 }).then(() => true, () => false);
    }
    if (!shown) throw new Error('it did not');
  });

  await act('keyboard', async () => {
    await page.goto(`${plan.url}/`);
    await page.keyboard.press('Tab');
    const first = await page.evaluate(() => document.activeElement.textContent);
    if (first !== 'Skip to the content') throw new Error(`the first stop is ${first}`);
  });

  await act('without JavaScript', async () => {
    const context = await browser.newContext({ javaScriptEnabled: false });
    context.setDefaultTimeout(15_000);
    const page = await signIn(context);
    await page.fill('#q', plan.repository);
    await page.press('#q', 'Enter');
    await page.waitForURL(/\?q=/);
    await page.getByRole('link', { name: plan.repository, exact: true }).click();
    await page.getByRole('link', { name: plan.manifest, exact: true }).click();
    await page.getByRole('heading', { name: 'Pull' }).waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.waitForURL(`${plan.url}/sign-in`);
    await context.close();
  });
}
