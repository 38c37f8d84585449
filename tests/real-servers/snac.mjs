// What snac.sh does at its server besides gitcast, and what the server has in the end.
//
//   node snac.mjs between PORT           a way to the server that obeys the file `order`
//   node snac.mjs visit URL              a browser goes there
//   node snac.mjs log-in PAGE USER       fills in the page; prints the address where the browser ends
//   node snac.mjs find ID                prints the address of the post
//   node snac.mjs delete URL             deletes the post of `brand` on its page
//   node snac.mjs crowd USER N           so many other posts of the user
//   node snac.mjs check MEDIA ID …       each post once, and whole; MEDIA is the folder of the files that were posted
//
// The file `users` has a name and a password on each line. Each line of `order` names a request and what becomes of it, once:
//
//   METHOD PATH unsent      the connection ends before the server has seen anything of it
//   METHOD PATH cut         the server gets a half of it
//   METHOD PATH lost        the server does it, and its answer does not come

import { readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';

const OTHER = 'other post ';
const host = 'http://localhost:8001';
const [command, ...rest] = process.argv.slice(2);

const users = () => new Map(readFileSync('users', 'utf8').trim().split('\n').map((line) => line.split(' ')));
// Without a charset: the server takes no other type of form.
const form = (fields, headers) => ({
  method: 'POST',
  headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
  body: `${new URLSearchParams(fields)}`,
  redirect: 'manual',
});

// What is ordered for a request that begins like this.
function ordered(start) {
  let orders;
  try {
    orders = readFileSync('order', 'utf8').split('\n').filter(Boolean);
  } catch {
    return;
  }
  const [, request, what] = orders[0]?.match(/^(.*) (\w+)$/) ?? [];
  if (!request || !start.toString('latin1').startsWith(request)) return;
  writeFileSync('order', orders.slice(1).map((order) => `${order}\n`).join(''));
  return what;
}

// Byte by byte: how the server treats its connections is seen through it. It has one request on each.
function between(port) {
  createServer((client) => {
    client.on('error', () => {});
    client.once('data', (start) => {
      const what = ordered(start);
      if (what === 'unsent') return client.destroy();
      const server = connect(new URL(host).port, '127.0.0.1');
      server.on('error', () => client.destroy());
      if (what === 'cut') {
        // Later than the headers, as far as there is something later.
        const body = start.indexOf('\r\n\r\n') + 4;
        server.end(start.subarray(0, body + Math.floor((start.length - body) / 2)));
        return client.destroy();
      }
      server.write(start);
      client.pipe(server);
      if (what === 'lost') server.resume().on('close', () => client.destroy());
      else server.pipe(client);
    });
  }).listen(Number(port), '127.0.0.1');
}

// A connection for each request: snac closes what is kept alive without a word.
async function ask(url, options = {}) {
  const reply = await fetch(url, { ...options, headers: { ...options.headers, connection: 'close' } });
  if (reply.status >= 400) throw new Error(`${url}: ${reply.status} ${await reply.text()}`);
  return reply;
}

async function logIn(page, user) {
  const html = await (await ask(page)).text();
  const action = html.match(/<form method="post" action="([^"]*)"/)[1];
  const hidden = [...html.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)];
  const fields = Object.fromEntries(hidden.map(([, name, value]) => [name, value]));
  const reply = await ask(action, form({ ...fields, login: user, passwd: users().get(user) }));
  if (reply.status !== 303) throw new Error('the login is refused');
  console.log(reply.headers.get('location'));
}

async function bearer(login) {
  const page = await ask(`${host}/oauth/x-snac-get-token`, form({ login, passwd: users().get(login) }));
  return { authorization: `Bearer ${(await page.text()).trim()}` };
}

// What the users see: all posts of their own, of each visibility, but for the crowd's.
async function statuses() {
  const posts = [];
  for (const login of users().keys()) {
    const headers = await bearer(login);
    posts.push(...(await (await ask(`${host}/api/v1/timelines/home?limit=10000`, { headers })).json()));
  }
  return posts.filter((post) => !post.text.startsWith(OTHER));
}

async function crowd(user, count) {
  const headers = await bearer(user);
  for (let n = 0; n < Number(count); n++) await ask(`${host}/api/v1/statuses`, form({ status: `${OTHER}${n}` }, headers));
}

const ofId = (posts, id) => posts.filter((post) => post.text.startsWith(`${id}: `));

async function find(id) {
  console.log(ofId(await statuses(), id)[0].url);
}

async function remove(id) {
  const authorization = `Basic ${Buffer.from(`brand:${users().get('brand')}`).toString('base64')}`;
  await ask(`${host}/brand/admin/action`, form({ id, action: 'Delete', redir: '' }, { authorization }));
}

async function check(media, ...ids) {
  const posts = await statuses();
  const problems = [];
  const expect = (good, what) => good || problems.push(what);
  for (const id of ids) expect(ofId(posts, id).length === 1, `${id} is there ${ofId(posts, id).length} times`);
  expect(posts.length === ids.length, `${posts.length} posts instead of ${ids.length}`);
  const post = (id) => ofId(posts, id)[0] ?? {};

  const text = post('text');
  expect(text.text === 'text: 🎉 Größe שלום e\u0301 "as is" #rust (https://a.example/é).', `the text is ${text.text}`);
  expect(text.content?.includes('<a href="https://a.example/é"'), `the link is lost: ${text.content}`);
  expect(text.tags?.map(({ name }) => name).join() === 'rust', 'the tag is lost');
  expect(post('images').spoiler_text === 'Water', 'the warning is lost');
  expect(post('private').visibility === 'private', 'a private post is public');
  expect(post('answer').in_reply_to_id?.slice(10) === text.id?.slice(10), 'the reply answers another post');
  expect(post('edited').text === 'edited: after é' && post('edited').edited_at, 'the edit is lost');

  const expected = {
    images: [['good.jpg', 'A "sea", é', 'image'], ['photo.png', 'A photo', 'image']],
    other: [['rotated-exif.jpg', 'Another', 'image']],
    video: [['good.mp4', 'A clip', 'video']],
    thread: [['photo.png', 'A photo', 'image']],
    edited: [['good.jpg', 'A sea', 'image']],
  };
  for (const { text } of posts) {
    const [id, rest] = text.split(/: (.*)/s);
    if (/^images-.*/.test(id)) expected[id] = [['good.jpg', 'A sea', 'image'], ['photo.png', 'A photo', 'image']];
    if (/^thread-.*-second$/.test(id)) expected[id] = [];
    if (/^edit-/.test(id)) expect(rest === 'edited', `${id} is not edited`);
  }
  for (const [id, files] of Object.entries(expected)) {
    const attached = post(id).media_attachments ?? [];
    expect(attached.length === files.length, `${id} has ${attached.length} media`);
    for (const [nth, [file, alt, type]] of files.entries()) {
      const { url, description, type: is } = attached[nth] ?? {};
      expect(description === alt && is === type, `${id}: ${is}, ${description} instead of ${type}, ${alt}`);
      const bytes = url && Buffer.from(await (await ask(url)).arrayBuffer());
      expect(bytes && bytes.equals(readFileSync(`${media}/${file}`)), `${id}: another file than ${file}`);
    }
  }
  // The first ten digits of an id are a time that an edit changes.
  const chains = ids.filter((id) => id.endsWith('-second')).map((id) => id.slice(0, -7));
  const threads = [['thread', 'thread-2', 'thread-3'], ...chains.map((id) => [id, `${id}-second`, `${id}-third`])];
  for (const [first, second, third] of threads) {
    for (const [parent, answer] of [[first, second], [second, third]]) {
      const answered = post(answer).in_reply_to_id?.slice(10);
      expect(answered && answered === post(parent).id?.slice(10), `${answer} answers another post`);
    }
  }
  problems.forEach((problem) => console.error(problem));
  console.log(`${posts.length} posts, ${problems.length} problems`);
  process.exitCode = problems.length ? 1 : 0;
}

await { between, visit: ask, 'log-in': logIn, find, delete: remove, crowd, check }[command](...rest);
