// A real Bluesky server for bluesky.sh, and what it says of an account in the end.
//
//   node bluesky.mjs plc                 the directory of identities, in memory
//   node bluesky.mjs pds FOLDER          the server, with its data below FOLDER; it obeys the file FOLDER/order
//   node bluesky.mjs accounts            makes alice.test and brand.test, once the servers are up
//   node bluesky.mjs allow NAME          prints a new app password of brand.test
//   node bluesky.mjs revoke NAME         takes it back, and the sessions that began with it
//   node bluesky.mjs check ID …          each post once, whole and readable by everybody
//
// Each line of the file `order` names a request and what happens at it, once:
//
//   METHOD before       the server dies as it arrives
//   METHOD after        it dies when it has done it, and is about to say so
//   METHOD expired      its clock goes three hours ahead first: access tokens live for two

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const plcUrl = 'http://localhost:2582';
const url = 'http://localhost:2583';
const collection = 'app.bsky.feed.post';
const [command, ...rest] = process.argv.slice(2);

async function plc() {
  const { TestPlc } = await import('@atproto/dev-env');
  await TestPlc.create({ port: 2582 });
}

async function pds(folder) {
  const { TestPds, mockNetworkUtilities } = await import('@atproto/dev-env');
  mkdirSync(`${folder}/pds`, { recursive: true });
  const pds = await TestPds.create({
    port: 2583,
    hostname: 'localhost',
    didPlcUrl: plcUrl,
    dataDirectory: `${folder}/pds`,
    blobstoreDiskLocation: `${folder}/pds/blobs`,
    // The same with each start: it signs for the accounts.
    plcRotationKeyK256PrivateKeyHex: '5e'.repeat(32),
  });
  mockNetworkUtilities(pds);
  const clock = { aheadMs: 0 };
  globalThis.Date = class extends Date {
    constructor(...parts) {
      if (parts.length) super(...parts);
      else super(Date.now());
    }
    static now() {
      return super.now() + clock.aheadMs;
    }
  };
  pds.server.server.prependListener('request', (request, reply) => obey(`${folder}/order`, request, reply, clock));
}

function obey(file, request, reply, clock) {
  let orders;
  try {
    orders = readFileSync(file, 'utf8').split('\n').filter(Boolean);
  } catch {
    return;
  }
  const [method, what] = orders[0]?.split(' ') ?? [];
  if (!method || !request.url.includes(`.${method}`)) return;
  const obeyed = () => writeFileSync(file, orders.slice(1).map((order) => `${order}\n`).join(''));
  const die = () => {
    obeyed();
    console.log(`${method} ${what}: killed`);
    process.kill(process.pid, 'SIGKILL');
  };
  if (what === 'before') die();
  if (what === 'after') reply.writeHead = die;
  if (what === 'expired') {
    obeyed();
    clock.aheadMs += 3 * 60 * 60 * 1000;
  }
}

async function call(method, body, token) {
  const reply = await fetch(`${url}/xrpc/com.atproto.server.${method}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body),
  });
  if (!reply.ok) throw new Error(`${method}: ${reply.status} ${await reply.text()}`);
  const text = await reply.text();
  return text && JSON.parse(text);
}

async function accounts() {
  for (const server of [plcUrl, url]) {
    for (let tries = 600; !(await fetch(server).catch(() => false)); tries--) {
      if (tries === 0) throw new Error(`${server} does not start`);
      await sleep(100);
    }
  }
  for (const name of ['alice', 'brand']) {
    await call('createAccount', {
      handle: `${name}.test`, email: `${name}@example.com`, password: `${name}-main-password`,
    });
  }
}

async function owner() {
  const session = await call('createSession', { identifier: 'brand.test', password: 'brand-main-password' });
  return session.accessJwt;
}

async function allow(name) {
  console.log((await call('createAppPassword', { name }, await owner())).password);
}

async function revoke(name) {
  await call('revokeAppPassword', { name }, await owner());
}

async function ask(method, query) {
  const reply = await fetch(`${url}/xrpc/${method}?${new URLSearchParams(query)}`);
  if (!reply.ok) throw new Error(`${method}: ${reply.status} ${await reply.text()}`);
  return reply.json();
}

async function check(...ids) {
  const { did } = await ask('com.atproto.identity.resolveHandle', { handle: 'brand.test' });
  const alice = (await ask('com.atproto.identity.resolveHandle', { handle: 'alice.test' })).did;
  const records = [];
  for (let cursor; ; ) {
    const page = await ask('com.atproto.repo.listRecords', {
      repo: did, collection, limit: 100, ...(cursor && { cursor }),
    });
    records.push(...page.records);
    cursor = page.cursor;
    if (!cursor || page.records.length === 0) break;
  }
  const problems = [];
  const expect = (good, what) => good || problems.push(what);
  const of = (id) => records.filter((record) => record.value.text.startsWith(`${id}: `));
  for (const id of ids) expect(of(id).length === 1, `${id} is there ${of(id).length} times`);
  expect(records.length === ids.length, `${records.length} records for ${ids.length} posts`);
  for (const { uri, cid } of records) {
    const rkey = uri.split('/').pop();
    const read = await ask('com.atproto.repo.getRecord', { repo: did, collection, rkey });
    expect(read.cid === cid && read.uri === uri, `${uri} reads differently`);
  }
  const value = (id) => of(id)[0]?.value ?? {};

  const text = value('text');
  const bytes = Buffer.from(text.text ?? '');
  const facets = (text.facets ?? []).map(({ index, features }) => [
    bytes.subarray(index.byteStart, index.byteEnd).toString(),
    features[0].did ?? features[0].uri ?? features[0].tag,
  ]);
  const expected = [['@alice.test', alice], ['#rust', 'rust'], ['https://a.example/é', 'https://a.example/é']];
  expect(JSON.stringify(facets) === JSON.stringify(expected), `facets: ${JSON.stringify(facets)}`);
  expect(JSON.stringify(text.langs) === '["en","de"]', 'langs are lost');

  const images = value('images').embed?.images ?? [];
  expect(images.map((image) => image.alt).join() === 'A sea,A photo', `alt texts: ${JSON.stringify(images)}`);
  expect(images.every((image) => image.aspectRatio?.width > 0), 'an image lacks its shape');
  expect(images.map((image) => image.image.mimeType).join() === 'image/jpeg,image/png', 'the types are not real');
  for (const { image } of images) {
    const blob = await fetch(`${url}/xrpc/com.atproto.sync.getBlob?${new URLSearchParams({ did, cid: image.ref.$link })}`);
    expect(blob.ok && (await blob.arrayBuffer()).byteLength === image.size, 'a blob is not readable');
  }
  expect(value('video').embed?.video?.mimeType === 'video/mp4', 'the video is lost');
  expect(value('card').embed?.external?.thumb?.size > 0, 'the card lacks its picture');
  const named = (id) => ({ uri: of(id)[0]?.uri, cid: of(id)[0]?.cid });
  const same = (a, b) => a?.uri === b.uri && a?.cid === b.cid;
  for (const [id, parent] of [['thread-2', 'thread'], ['thread-3', 'thread-2']]) {
    const { reply } = value(id);
    expect(same(reply?.root, named('thread')) && same(reply?.parent, named(parent)), `${id} answers another post`);
  }
  const root = of('gated')[0]?.uri;
  expect(value('answer').reply?.root?.uri === root, 'the reply names another root');
  expect(value('answer').embed?.record?.uri === root, 'the quotation is lost');
  for (const gate of ['threadgate', 'postgate']) {
    const gates = await ask('com.atproto.repo.listRecords', {
      repo: did, collection: `app.bsky.feed.${gate}`, limit: 100,
    });
    const gated = records.filter(({ value }) => value.text.startsWith('gated')).map(({ uri }) => uri);
    const posts = gates.records.map(({ value }) => value.post);
    expect(posts.sort().join() === gated.sort().join(), `the ${gate}s are not in place`);
  }
  problems.forEach((problem) => console.error(problem));
  console.log(`${records.length} records, ${problems.length} problems`);
  process.exitCode = problems.length ? 1 : 0;
}

await { plc, pds, accounts, allow, revoke, check }[command](...rest);
