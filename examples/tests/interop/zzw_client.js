// Every documented operation with one version of socket.io-client, over each of its transports at
// the same time; prints one JSON object per transport.
// usage: node zzw_client.js VERSION URL NAME WITNESS...
'use strict';
const [version, url, name, ...witnesses] = process.argv.slice(2);
const io = require(`socket.io-client-${version}`);
const { text, offline } = require('./zzw_words.json');

const PATIENCE = 30000;
const NUMBERED = 1000;
// The server keeps 100 messages of an alias.
const AHEAD = 60;

class Peer {
  constructor(alias, transports, { how = 'query' } = {}) {
    this.alias = alias;
    this.received = [];
    this.waiting = [];
    const options = { transports, forceNew: true, reconnection: false };
    if (how === 'auth') options.auth = { alias };
    if (how === 'query') options.query = { alias };
    this.socket = io(url, options);
    const onevent = this.socket.onevent;
    this.socket.onevent = (packet) => {
      this.take(packet.data[0], packet.data[1]);
      onevent.call(this.socket, packet);
    };
    this.socket.on('connect', () => this.take('local connect', null));
    this.socket.on('disconnect', (reason) => this.take('local disconnect', reason));
    for (const event of ['error', 'connect_error']) {
      this.socket.on(event, (error) => this.take('failed', String(error)));
    }
  }

  take(event, value) {
    if (this.each && this.each(event, value)) return;
    const at = this.waiting.findIndex((waiter) => waiter.event === event);
    if (at < 0) this.received.push({ event, value });
    else this.waiting.splice(at, 1)[0].resolve(value);
  }

  // The next event of this name that nobody has waited for yet.
  next(event) {
    const at = this.received.findIndex((one) => one.event === event);
    if (at >= 0) return Promise.resolve(this.received.splice(at, 1)[0].value);
    return patiently(`${event} at ${this.alias}`, this, (resolve) => this.waiting.push({ event, resolve }));
  }

  // The reply to a request, which has to come as the acknowledgement too.
  async ask(event, request) {
    const acked = patiently(`ack of ${event} at ${this.alias}`, this, (resolve) => this.socket.emit(event, request, resolve));
    const [reply, ack] = await Promise.all([this.next(`${event}_c`), acked]);
    if (JSON.stringify(reply) !== JSON.stringify(ack)) throw new Error(`ack of ${event}: ${JSON.stringify(ack)}`);
    return reply;
  }

  push(aliases, msg, more = {}) {
    return { t: 6, method: 'publish_to_alias', alias: aliases, msg, opts: { time_to_live: 600 }, num: '', ...more };
  }

  acknowledge(delivery, then) {
    this.socket.emit('push_c', { t: -5, alias: this.alias, mid: delivery.mid }, then);
  }

  // Deliveries, acknowledged, until there are so many.
  async deliveries(count) {
    const all = [];
    while (all.length < count) {
      const delivery = await this.next('push');
      this.acknowledge(delivery, () => {});
      all.push(delivery.msg);
    }
    return all;
  }

  close() {
    this.socket.disconnect();
  }
}

function patiently(what, peer, start) {
  return new Promise((resolve, reject) => {
    const late = () => reject(new Error(`no ${what}; instead ${JSON.stringify(peer.received)}`));
    const timer = setTimeout(late, PATIENCE);
    start((value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });
}

async function status(helper, alias, wanted) {
  for (;;) {
    const reply = await helper.ask('info_status', { alias });
    if (reply.status === wanted) return reply.status;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

// Numbered messages to oneself, as many at once as the server keeps.
function numbered(peer) {
  const count = { sent: 0, received: 0, inversions: 0, replies: 0, replyInversions: 0 };
  return patiently(`end of the numbered messages at ${peer.alias}: ${JSON.stringify(count)}`, peer, (resolve) => {
    const more = () => {
      while (count.sent < NUMBERED && count.sent - Math.min(count.received, count.replies) < AHEAD) {
        peer.socket.emit('do_push', peer.push([peer.alias], count.sent, { num: count.sent }));
        count.sent += 1;
      }
      if (count.received === NUMBERED && count.replies === NUMBERED) {
        peer.each = null;
        resolve(count);
      }
    };
    peer.each = (event, value) => {
      if (event === 'push') {
        if (value.msg !== count.received) count.inversions += 1;
        count.received += 1;
        peer.acknowledge(value);
      } else if (event === 'do_push_c') {
        if (value.num !== count.replies || value.t !== -6) count.replyInversions += 1;
        count.replies += 1;
      } else return false;
      more();
      return true;
    };
    more();
  });
}

async function everything(way, helper) {
  const transports = way === 'upgrade' ? ['polling', 'websocket'] : [way];
  const alias = `${name}-${way}`;
  const topic = `${offline[0]}-${alias}`;
  const said = { client: name, way };

  let peer = new Peer(alias, transports, { how: version === '4' ? 'auth' : 'query' });
  said.connect = await peer.next('connect_c');
  said.heartbeat = await peer.ask('heartbeat', { t: 1, alias });
  said.heartbeatAsText = await peer.ask('heartbeat', JSON.stringify({ t: 1, alias }));
  said.register = await peer.ask('register', { t: 2, topic: [topic], info: { communityId: 1, name: text }, num: '1' });
  said.incomplete = await peer.ask('register', { t: 2, topic: [], num: '2' });
  said.topics = await peer.ask('get_topic', { t: 3, num: 3 });
  said.unknown = await peer.ask('no_such_event', { num: '4' });
  said.pullNothing = await peer.ask('pull', { t: 4, alias, num: '5' });
  said.status = await peer.ask('info_status', { alias });

  const publish = { t: 6, method: 'publish', topic: [topic], msg: text, opts: {}, num: '6' };
  said.publish = await peer.ask('do_push', publish);
  const delivery = await peer.next('push');
  said.delivered = { alias: delivery.alias, topic: delivery.topic, msg: delivery.msg };
  said.acknowledged = await patiently('ack of push_c', peer, (resolve) => {
    peer.acknowledge(delivery, (...args) => resolve(args));
  });

  said.toWitnesses = await peer.ask('do_push', peer.push(witnesses, `${alias}|${text}`));
  said.echoes = (await peer.deliveries(witnesses.length)).sort();

  said.order = await numbered(peer);

  if (way === 'upgrade') said.transport = peer.socket.io.engine.transport.name;
  peer.close();
  said.left = await peer.next('local disconnect');
  said.offline = await status(helper, alias, 'offline');
  for (const msg of offline) await helper.ask('do_push', helper.push([alias], msg));
  peer = new Peer(alias, transports, { how: 'query' });
  said.again = await peer.next('connect_c');
  const missed = [];
  for (const _ of offline) missed.push(await peer.next('push'));
  said.missed = missed.map((one) => one.msg);
  peer.acknowledge(missed[0]);
  said.pull = (await peer.ask('pull', { t: 4, num: '7' })).msg;
  said.pullAgain = (await peer.ask('pull', { t: 4, num: '7' })).msg;
  said.pullEmpty = (await peer.ask('pull', { t: 4, num: '8' })).msg;

  const other = new Peer(alias, ['websocket'], { how: 'none' });
  await other.next('local connect');
  said.boundByHeartbeat = await other.ask('heartbeat', { t: 1, alias });
  said.greeted = await other.next('connect_c');
  said.replaced = await peer.next('connect_c');
  said.thrownOut = await peer.next('local disconnect');
  other.close();
  await status(helper, alias, 'offline');
  return said;
}

async function main() {
  const helper = new Peer(`${name}-helper`, ['websocket']);
  await helper.next('connect_c');
  const ways = ['websocket', 'polling', 'upgrade'];
  await Promise.all(ways.map(async (way) => console.log(JSON.stringify(await everything(way, helper)))));
  helper.close();
}

main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
