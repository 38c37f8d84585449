// A real Bluesky server for tests/real-servers.sh, and what it says of an account in the end.
//
//   node bluesky.mjs serve READY         starts it; writes the app password of brand.test to the file READY
//   node bluesky.mjs check URL ID …      each post once, whole and readable by everybody

import { rename, writeFile } from 'node:fs/promises';

const [command, first, ...rest] = process.argv.slice(2);
const collection = 'app.bsky.feed.post';

async function serve(ready) {
  const { TestNetworkNoAppView } = await import('@atproto/dev-env');
  const network = await TestNetworkNoAppView.create({
    pds: { port: 2583, hostname: 'localhost' },
    plc: { port: 2582 },
  });
  const call = async (method, body, token) => {
    const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
    const reply = await fetch(`http://localhost:2583/xrpc/${method}`, {
      method: 'POST', headers, body: JSON.stringify(body),
    });
    if (!reply.ok) throw new Error(`${method}: ${reply.status} ${await reply.text()}`);
    return reply.json();
  };
  let session;
  for (const name of ['alice', 'brand']) {
    session = await call('com.atproto.server.createAccount', {
      handle: `${name}.test`, email: `${name}@example.com`, password: `${name}-main-password`,
    });
  }
  const app = await call('com.atproto.server.createAppPassword', { name: 'gitcast' }, session.accessJwt);
  await writeFile(`${ready}.part`, `${app.password}\n`);
  await rename(`${ready}.part`, ready);
  process.on('SIGTERM', async () => {
    await network.close();
    process.exit(0);
  });
}

async function ask(url, method, query) {
  const reply = await fetch(`${url}/xrpc/${method}?${new URLSearchParams(query)}`);
  if (!reply.ok) throw new Error(`${method}: ${reply.status} ${await reply.text()}`);
  return reply.json();
}

async function check(url, ids) {
  const { did } = await ask(url, 'com.atproto.identity.resolveHandle', { handle: 'brand.test' });
  const alice = (await ask(url, 'com.atproto.identity.resolveHandle', { handle: 'alice.test' })).did;
  const records = [];
  for (let cursor; ; ) {
    const page = await ask(url, 'com.atproto.repo.listRecords', {
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
    const read = await ask(url, 'com.atproto.repo.getRecord', { repo: did, collection, rkey });
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
    const gates = await ask(url, 'com.atproto.repo.listRecords', {
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

await (command === 'serve' ? serve(first) : check(first, rest));
